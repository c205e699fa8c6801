/* SPDX-License-Identifier: MIT */
/*
 * Requests of the protocol. A handler decodes its payload and returns 0 after it has replied, or a
 * negative errno value, which goes back by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

struct request {
    struct view view;
    struct store_client *client;
    uint32_t type;
    const char *payload; /* a zero byte follows it */
    uint32_t length;
    char path_text[PATH_MAX_LENGTH + 1]; /* a relative path made absolute */
};

static int reply(struct request *request, const void *payload, uint32_t length)
{
    if (length > XENSTORE_PAYLOAD_MAX) {
        return -E2BIG;
    }
    client_reply(request->client, request->type, payload, length);
    return 0;
}

static int reply_ok(struct request *request, int error)
{
    return error ? error : reply(request, "OK", sizeof("OK"));
}

/* ------------------------------------------------------------------ payloads */

/* Is the payload one string? */
static bool one_string(const struct request *request)
{
    return request->length && strlen(request->payload) + 1 == request->length;
}

/* Zero bytes in the payload. */
static uint32_t count_strings(const struct request *request)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < request->length; i++) {
        count += request->payload[i] == '\0';
    }
    return count;
}

/* The string behind text; within the payload or, at its end, empty. */
static const char *next_string(const char *text)
{
    return text + strlen(text) + 1;
}

/*
 * The path that a client means by text; those that do not begin with / begin at the client's home.
 * *relative: bytes of it that the client did not say, 0 for an absolute path.
 */
static int decode_path(struct request *request, const char *text, struct path *path, uint32_t *relative)
{
    const struct store_client *client = request->client;
    size_t length = strlen(text);

    *relative = 0;
    if (*text != '/' && *text != '@') {
        if (client->home_length + 1 + length > PATH_MAX_LENGTH) {
            return -EINVAL;
        }
        memcpy(request->path_text, client->home, client->home_length);
        request->path_text[client->home_length] = '/';
        memcpy(request->path_text + client->home_length + 1, text, length + 1);
        *relative = client->home_length;
        length += client->home_length + 1;
        text = request->path_text;
    }
    return length <= PATH_MAX_LENGTH && path_parse(client->store, path, text, length) ? 0 : -EINVAL;
}

/* A payload that is one path. */
static int decode_one_path(struct request *request, struct path *path)
{
    uint32_t relative;

    return one_string(request) ? decode_path(request, request->payload, path, &relative) : -EINVAL;
}

/* A decimal number as far as it goes, as atoi has it; what does not fit is cut. */
static uint32_t number(const char *text)
{
    return (uint32_t)strtoll(text, NULL, 10);
}

/* ------------------------------------------------------------------ nodes */

static int get(struct request *request, struct node **node)
{
    struct path path;
    int error = decode_one_path(request, &path);

    return error ? error : tree_get(&request->view, &path, STORE_READ, node);
}

static int do_read(struct request *request)
{
    struct node *node;
    int error = get(request, &node);

    return error ? error : reply(request, node->value, node->value_length);
}

static int do_directory(struct request *request)
{
    struct node *node;
    int error = get(request, &node);

    return error ? error : reply(request, node->children, node->children_length);
}

static int do_directory_part(struct request *request)
{
    char answer[XENSTORE_PAYLOAD_MAX];
    uint32_t offset, length, relative, room, part = 0;
    struct node *node;
    struct path path;
    int error;

    if (count_strings(request) != 2) {
        return -EINVAL;
    }
    error = decode_path(request, request->payload, &path, &relative);
    error = error ? error : tree_get(&request->view, &path, STORE_READ, &node);
    if (error) {
        return error;
    }
    offset = number(next_string(request->payload));
    length = (uint32_t)snprintf(answer, sizeof(answer), "%llu", (unsigned long long)node->generation) + 1;
    if (offset >= node->children_length) {
        answer[length] = '\0';
        return reply(request, answer, length + 1);
    }
    /* Whole names, as many as fit; an empty one says that the list is at its end. */
    room = XENSTORE_PAYLOAD_MAX - length - 1;
    while (offset + part < node->children_length) {
        uint32_t size = (uint32_t)strlen(node->children + offset + part) + 1;
        if (part + size > room) {
            break;
        }
        part += size;
    }
    memcpy(answer + length, node->children + offset, part);
    length += part;
    if (offset + part == node->children_length) {
        answer[length++] = '\0';
    }
    return reply(request, answer, length);
}

static int do_write(struct request *request)
{
    const char *value;
    uint32_t relative;
    struct path path;
    int error;

    if (count_strings(request) == 0) {
        return -EINVAL;
    }
    error = decode_path(request, request->payload, &path, &relative);
    value = next_string(request->payload);
    return reply_ok(request, error ? error
                                   : tree_write(&request->view, &path, value,
                                                request->length - (uint32_t)(value - request->payload)));
}

static int do_mkdir(struct request *request)
{
    struct path path;
    int error = decode_one_path(request, &path);

    return reply_ok(request, error ? error : tree_mkdir(&request->view, &path));
}

static int do_rm(struct request *request)
{
    struct path path;
    int error = decode_one_path(request, &path);

    return reply_ok(request, error ? error : tree_remove(&request->view, &path));
}

static int do_get_perms(struct request *request)
{
    char answer[XENSTORE_PAYLOAD_MAX];
    uint32_t length = 0;
    struct node *node;
    int error = get(request, &node);

    if (error) {
        return error;
    }
    for (uint32_t i = 0; i < node->permissions->count; i++) {
        if (length + 8 > sizeof(answer)) {
            return -E2BIG;
        }
        length += permissions_format(&node->permissions->list[i], answer + length);
    }
    return reply(request, answer, length);
}

/*
 * Who may hear of domains that come and go: @introduceDomain and @releaseDomain have permissions as well.
 */
static int set_special_permissions(struct request *request, struct store_permission *list, uint32_t count)
{
    struct store *store = request->view.store;
    struct permissions **place, *fresh;

    if (!strcmp(request->payload, "@introduceDomain")) {
        place = &store->introduce_permissions;
    } else if (!strcmp(request->payload, "@releaseDomain")) {
        place = &store->release_permissions;
    } else {
        return -EINVAL;
    }
    if (!(permissions_for(request->client, *place) & RIGHT_OWNER)) {
        return -EACCES;
    }
    fresh = permissions_new(store, list, count);
    if (!fresh) {
        return -ENOMEM;
    }
    permissions_put(*place);
    *place = fresh;
    return 0;
}

static int do_set_perms(struct request *request)
{
    struct store_permission list[XENSTORE_PAYLOAD_MAX / 3];
    uint32_t count = count_strings(request), relative;
    const char *text = next_string(request->payload);
    struct path path;
    int error;

    if (count < 2) {
        return -EINVAL;
    }
    count--;
    if (!request->client->privileged && count > request->view.store->limits.permissions) {
        return -ENOSPC;
    }
    if (count > XENSTORE_PAYLOAD_MAX / 3) {
        return -EINVAL; /* an entry has three bytes at least */
    }
    error = permissions_parse(text, request->length - (size_t)(text - request->payload), list, count);
    error = error ? error : permissions_resolve(&request->view, list, count);
    if (error) {
        return error;
    }
    if (request->payload[0] == '@') {
        return reply_ok(request, set_special_permissions(request, list, count));
    }
    error = decode_path(request, request->payload, &path, &relative);
    return reply_ok(request, error ? error : tree_set_permissions(&request->view, &path, list, count));
}

/* ------------------------------------------------------------------ watches and transactions */

/* A payload of a path to watch and a token. */
static int decode_watch(struct request *request, struct path *path, uint32_t *relative, const char **token)
{
    const char *text = request->payload;
    size_t length = strlen(text);

    if (count_strings(request) != 2) {
        return -EINVAL;
    }
    *token = next_string(text);
    if (*text == '@') {
        if (length > XENSTORE_REL_PATH_MAX) {
            return -EINVAL;
        }
        *relative = 0;
        *path = path_known(request->view.store, text, length);
        return 0;
    }
    return decode_path(request, text, path, relative);
}

static int do_watch(struct request *request)
{
    struct store_watch *watch;
    const char *token;
    uint32_t relative;
    struct path path;
    int error = decode_watch(request, &path, &relative, &token);

    error = error ? error : watch_add(request->view.store, request->client, &path, relative, token, &watch);
    if (error) {
        return error;
    }
    reply_ok(request, 0);
    watch_first(request->view.store, watch);
    return 0;
}

static int do_unwatch(struct request *request)
{
    struct store_watch *watch;
    const char *token;
    uint32_t relative;
    struct path path;
    int error = decode_watch(request, &path, &relative, &token);

    if (count_strings(request) != 2) {
        return -EINVAL;
    }
    watch = error ? NULL : watch_find(request->client, &path, token);
    if (!watch) {
        return -ENOENT; /* a bad path is one that nobody watches */
    }
    watch_remove(request->view.store, watch);
    return reply_ok(request, 0);
}

static int do_reset_watches(struct request *request)
{
    struct store_client *client = request->client;

    while (!list_empty(&client->watches)) {
        watch_remove(client->store, container_of(client->watches.next, struct store_watch, link));
    }
    while (!list_empty(&client->transactions)) {
        transaction_free(container_of(client->transactions.next, struct transaction, link));
    }
    return reply_ok(request, 0);
}

static int do_transaction_start(struct request *request)
{
    char answer[16];
    uint32_t id;
    int error;

    if (request->view.transaction) {
        return -EBUSY;
    }
    error = transaction_start(request->client, &id);
    return error ? error : reply(request, answer, (uint32_t)snprintf(answer, sizeof(answer), "%u", id) + 1);
}

static int do_transaction_end(struct request *request)
{
    bool commit = one_string(request) && !strcmp(request->payload, "T");

    if (!commit && !(one_string(request) && !strcmp(request->payload, "F"))) {
        return -EINVAL;
    }
    if (!request->view.transaction) {
        return -ENOENT;
    }
    return reply_ok(request, transaction_end(request->view.transaction, commit));
}

/* ------------------------------------------------------------------ domains */

static int do_get_domain_path(struct request *request)
{
    char answer[32];

    if (!one_string(request)) {
        return -EINVAL;
    }
    return reply(request, answer,
                 (uint32_t)snprintf(answer, sizeof(answer), "/local/domain/%u", number(request->payload)) +
                     1);
}

static bool is_introduced(struct store *store, uint32_t domid)
{
    const struct domain *domain = domid <= UINT16_MAX ? domain_find(store, (uint16_t)domid) : NULL;

    return domain && domain->client;
}

static int do_is_domain_introduced(struct request *request)
{
    bool yes;

    if (!one_string(request)) {
        return -EINVAL;
    }
    yes = number(request->payload) == DOMID_SELF ||
          is_introduced(request->view.store, number(request->payload));
    return reply(request, yes ? "T" : "F", 2);
}

static int do_introduce(struct request *request)
{
    const struct store_transport *transport = &request->client->transport;
    const char *frame = next_string(request->payload);
    uint32_t domid, port;

    if (count_strings(request) < 3) {
        return -EINVAL;
    }
    domid = number(request->payload);
    port = number(next_string(frame));
    if (domid >= DOMID_FIRST_RESERVED || (int32_t)port <= 0) {
        return -EINVAL;
    }
    return reply_ok(request, transport->introduce ? transport->introduce(transport->context, (uint16_t)domid,
                                                                         strtoull(frame, NULL, 10), port)
                                                  : -ENOSYS);
}

/* A payload that is an introduced domain other than 0. */
static int decode_domain(struct request *request, uint16_t *domid)
{
    uint32_t value = one_string(request) ? number(request->payload) : 0;

    *domid = (uint16_t)value;
    return !value ? -EINVAL : is_introduced(request->view.store, value) ? 0 : -ENOENT;
}

static int do_release(struct request *request)
{
    const struct store_transport *transport = &request->client->transport;
    uint16_t domid;
    int error = decode_domain(request, &domid);

    if (!error && domid == request->client->domid) {
        error = -EINVAL;
    }
    if (!error) {
        error = transport->release ? transport->release(transport->context, domid) : -ENOSYS;
    }
    return reply_ok(request, error);
}

static int do_resume(struct request *request)
{
    uint16_t domid;

    return reply_ok(request,
                    decode_domain(request, &domid)); /* nothing here remembers that a domain had shut down */
}

static int do_set_target(struct request *request)
{
    uint32_t domid, target;

    if (count_strings(request) < 2) {
        return -EINVAL;
    }
    domid = number(request->payload);
    target = number(next_string(request->payload));
    return reply_ok(request, domid > UINT16_MAX || target > UINT16_MAX
                                 ? -ENOENT
                                 : store_set_target(request->view.store, (uint16_t)domid, (uint16_t)target));
}

/* Its commands are the implementation's own affair; this one has none. */
static int do_control(struct request *request)
{
    (void)request;
    return -EINVAL;
}

/* ------------------------------------------------------------------ dispatch */

#define ANY_TRANSACTION 1u /* the request has nothing to do with its transaction's number */
#define PRIVILEGED      2u

static const struct {
    int (*handle)(struct request *request);
    unsigned flags;
} requests[XS_TYPE_COUNT] = {
    [XS_CONTROL] = {do_control, PRIVILEGED},
    [XS_DIRECTORY] = {do_directory, 0},
    [XS_READ] = {do_read, 0},
    [XS_GET_PERMS] = {do_get_perms, 0},
    [XS_WATCH] = {do_watch, ANY_TRANSACTION},
    [XS_UNWATCH] = {do_unwatch, ANY_TRANSACTION},
    [XS_TRANSACTION_START] = {do_transaction_start, 0},
    [XS_TRANSACTION_END] = {do_transaction_end, 0},
    [XS_INTRODUCE] = {do_introduce, PRIVILEGED},
    [XS_RELEASE] = {do_release, PRIVILEGED},
    [XS_GET_DOMAIN_PATH] = {do_get_domain_path, 0},
    [XS_WRITE] = {do_write, 0},
    [XS_MKDIR] = {do_mkdir, 0},
    [XS_RM] = {do_rm, 0},
    [XS_SET_PERMS] = {do_set_perms, 0},
    [XS_IS_DOMAIN_INTRODUCED] = {do_is_domain_introduced, PRIVILEGED},
    [XS_RESUME] = {do_resume, PRIVILEGED},
    [XS_SET_TARGET] = {do_set_target, PRIVILEGED},
    [XS_RESET_WATCHES] = {do_reset_watches, 0},
    [XS_DIRECTORY_PART] = {do_directory_part, 0},
};

static int handle(struct request *request)
{
    struct store_client *client = request->client;
    uint32_t id = client->header.tx_id;

    if (request->type >= XS_TYPE_COUNT || !requests[request->type].handle) {
        return -ENOSYS;
    }
    if ((requests[request->type].flags & PRIVILEGED) && !client->privileged) {
        return -EACCES;
    }
    if (id && !(requests[request->type].flags & ANY_TRANSACTION)) {
        request->view.transaction = transaction_find(client, id);
        if (!request->view.transaction) {
            return -ENOENT;
        }
    }
    return requests[request->type].handle(request);
}

void wire_handle(struct store_client *client)
{
    struct request request = {
        .view = {client->store, client, NULL},
        .client = client,
        .type = client->header.type,
        .payload = client->payload,
        .length = client->header.len,
    };
    const char *name = "EINVAL";
    int error = handle(&request);

    if (error) {
        for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++) {
            name = xsd_errors[i].errnum == -error ? xsd_errors[i].errstring : name;
        }
        client_reply(client, XS_ERROR, name, (uint32_t)strlen(name) + 1);
    }
}
