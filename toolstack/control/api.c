/* SPDX-License-Identifier: MIT */
/* The door of the API: token, path and method, body; see api.h. */
#include "toolstack/control/api.h"
#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/mem.h"

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define NAME_MAX_BYTES 256
#define TOKEN_MIN      16
#define TOKEN_MAX      128
#define IMAGE_RESERVE  (1ul << 20) /* bytes of the control domain's memory that images leave */

enum body { BODY_NONE, BODY_JSON, BODY_IMAGE };

struct operation {
    const char *path; /* `*` stands for a variable segment, of which there are two at most */
    enum http_method method;
    enum body body;
    void (*run)(struct api_call *call);
};

static const struct operation operations[] = {
    {"/v1/host", HTTP_GET, BODY_NONE, api_get_host},
    {"/v1/host/log", HTTP_GET, BODY_NONE, api_get_host_log},
    {"/v1/host/shutdown", HTTP_POST, BODY_JSON, api_shutdown_host},
    {"/v1/host/disks", HTTP_GET, BODY_NONE, api_list_host_disks},
    {"/v1/host/disks/*", HTTP_GET, BODY_NONE, api_get_host_disk},
    {"/v1/images", HTTP_GET, BODY_NONE, api_list_images},
    {"/v1/images/*", HTTP_PUT, BODY_IMAGE, api_put_image},
    {"/v1/images/*", HTTP_GET, BODY_NONE, api_get_image},
    {"/v1/images/*", HTTP_DELETE, BODY_NONE, api_delete_image},
    {"/v1/domains", HTTP_GET, BODY_NONE, api_list_domains},
    {"/v1/domains", HTTP_POST, BODY_JSON, api_create_domain},
    {"/v1/domains/*", HTTP_GET, BODY_NONE, api_get_domain},
    {"/v1/domains/*", HTTP_PATCH, BODY_JSON, api_change_domain},
    {"/v1/domains/*", HTTP_DELETE, BODY_NONE, api_destroy_domain},
    {"/v1/domains/*/pause", HTTP_POST, BODY_NONE, api_pause_domain},
    {"/v1/domains/*/unpause", HTTP_POST, BODY_NONE, api_unpause_domain},
    {"/v1/domains/*/shutdown", HTTP_POST, BODY_NONE, api_shutdown_domain},
    {"/v1/domains/*/reboot", HTTP_POST, BODY_NONE, api_reboot_domain},
    {"/v1/domains/*/wait", HTTP_GET, BODY_NONE, api_wait_domain},
    {"/v1/domains/*/log", HTTP_GET, BODY_NONE, api_get_log},
    {"/v1/domains/*/crash", HTTP_GET, BODY_NONE, api_get_crash},
    {"/v1/domains/*/console", HTTP_GET, BODY_NONE, api_attach_console},
    {"/v1/domains/*/vifs", HTTP_GET, BODY_NONE, api_list_vifs},
    {"/v1/domains/*/vifs", HTTP_POST, BODY_JSON, api_attach_vif},
    {"/v1/domains/*/vifs/*", HTTP_DELETE, BODY_NONE, api_detach_vif},
    {"/v1/domains/*/disks", HTTP_GET, BODY_NONE, api_list_disks},
    {"/v1/domains/*/disks", HTTP_POST, BODY_JSON, api_attach_disk},
    {"/v1/domains/*/disks/*", HTTP_DELETE, BODY_NONE, api_detach_disk},
};

static char expected_token[TOKEN_MAX + 2]; /* empty: none */

int api_read_token(const char *path)
{
    char line[sizeof(expected_token)] = "";
    FILE *file = fopen(path, "r");
    size_t length;

    if (!file) {
        return -errno;
    }
    if (!fgets(line, sizeof(line), file)) {
        line[0] = '\0';
    }
    fclose(file);
    length = strcspn(line, "\r\n");
    line[length] = '\0';
    if (length < TOKEN_MIN || length > TOKEN_MAX) {
        return -EINVAL;
    }
    memcpy(expected_token, line, sizeof(expected_token));
    return 0;
}

/* ------------------------------------------------------------------ paths */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/*
 * Decodes the segment at from, up to the next slash, into name. The end of the segment, or NULL: malformed.
 */
static const char *decode_segment(const char *from, char name[NAME_MAX_BYTES])
{
    size_t length = 0;

    for (; *from && *from != '/'; from++) {
        char c = *from;

        if (c == '%') {
            int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);

            if (low < 0) {
                return NULL;
            }
            c = (char)(high * 16 + low);
            from += 2;
        }
        if (length == NAME_MAX_BYTES - 1 || c == '\0') {
            return NULL;
        }
        name[length++] = c;
    }
    name[length] = '\0';
    return length ? from : NULL;
}

/* The variable segments of a path, decoded. */
struct names {
    char of[2][NAME_MAX_BYTES];
};

/* Does path have the pattern? Its variable segments are then in names. */
static bool path_matches(const char *pattern, const char *path, struct names *names)
{
    unsigned count = 0;

    while (*pattern) {
        if (*pattern == '*') {
            path = decode_segment(path, names->of[count++]);
            if (!path) {
                return false;
            }
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

/*
 * The request's operation; NULL: there is none, and *known says whether the path exists with another method.
 */
static const struct operation *find(const struct http_request *request, struct names *names, bool *known)
{
    unsigned method = request->method == HTTP_HEAD ? HTTP_GET : request->method;

    *known = false;
    for (unsigned i = 0; i < ARRAY_SIZE(operations); i++) {
        if (path_matches(operations[i].path, request->path, names)) {
            *known = true;
            if (operations[i].method == method) {
                return &operations[i];
            }
        }
    }
    return NULL;
}

/* Is a part of the query `name=0` or `name=1`? */
static bool is_flag(const char *part, size_t length, const char *name)
{
    size_t of_name = strlen(name);

    return length == of_name + 2 && strncmp(part, name, of_name) == 0 && part[of_name] == '=' &&
           (part[of_name + 1] == '0' || part[of_name + 1] == '1');
}

bool api_query_flags(const struct api_call *call, const char *const *names, bool *values, unsigned count)
{
    const char *at = call->request->query;

    memset(values, 0, count * sizeof(*values));
    while (*at) {
        size_t part = strcspn(at, "&");
        unsigned i = 0;

        while (i < count && !is_flag(at, part, names[i])) {
            i++;
        }
        if (i < count) {
            values[i] = at[part - 1] == '1';
        } else if (part) {
            http_reply_error(call->request, 400, "expected the query %s=0 or %s=1%s, found %.*s", names[0],
                             names[0], count > 1 ? " and the like" : "", part < 80 ? (int)part : 80, at);
            return false;
        }
        at += part + (at[part] == '&');
    }
    return true;
}

bool api_query_flag(const struct api_call *call, const char *name, bool *value)
{
    return api_query_flags(call, &name, value, 1);
}

/* ------------------------------------------------------------------ the door */

/* Takes the same time whatever differs, but for the length. */
static bool token_fits(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    size_t length;
    unsigned difference = 0;

    if (!expected_token[0] || !authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0) {
        return false;
    }
    authorization += sizeof(scheme) - 1;
    length = strlen(expected_token);
    if (strlen(authorization) != length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        difference |= (unsigned char)expected_token[i] ^ (unsigned char)authorization[i];
    }
    return difference == 0;
}

/* How much of an image there is room for. */
static size_t image_room(void)
{
    size_t free = cor_pages_free() * COR_PAGE_SIZE;

    return free > IMAGE_RESERVE ? free - IMAGE_RESERVE : 0;
}

static size_t begin(struct http_request *request)
{
    struct names names;
    const struct operation *operation;
    bool known;

    if (!token_fits(request->authorization)) {
        http_reply_error(request, 401, "expected the host's token: Authorization: Bearer TOKEN");
        return 0;
    }
    http_request_stream(request)->is_trusted = true;
    operation = find(request, &names, &known);
    if (!operation) {
        http_reply_error(request, known ? 405 : 404,
                         known ? "%s takes no %s" : "there is no %.200s here (%s)", request->path,
                         http_method_str((enum http_method)request->method));
        return 0;
    }
    return operation->body == BODY_IMAGE ? image_room() : operation->body == BODY_JSON ? API_JSON_MAX : 0;
}

static void run_with_json(const struct operation *operation, struct api_call *call)
{
    const char *end = NULL;
    const void *text = call->request->body ? call->request->body : "";
    cJSON *body = cJSON_ParseWithLengthOpts(text, call->request->body_length + 1, &end, 1);

    if (!body) {
        http_reply_error(call->request, 400, "the body is no JSON: the error is at byte %zu",
                         end ? (size_t)(end - (const char *)text) : 0);
        return;
    }
    call->body = body;
    operation->run(call);
    cJSON_Delete(body);
}

static void handle(struct http_request *request)
{
    struct names names = {0};
    bool known;
    const struct operation *operation = find(request, &names, &known);
    struct api_call call = {.request = request, .name = names.of[0], .device = names.of[1]};

    if (!operation) { /* begin() has found it */
        http_reply_error(request, 500, "the operation is gone");
    } else if (operation->body == BODY_JSON) {
        run_with_json(operation, &call);
    } else {
        operation->run(&call);
    }
}

bool api_accept(struct stream *stream)
{
    static const struct http_ops ops = {begin, handle};

    return http_accept(stream, &ops);
}

/* ------------------------------------------------------------------ answers */

void api_reply_json(struct http_request *request, unsigned status, cJSON *json)
{
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;

    cJSON_Delete(json);
    if (text) {
        http_reply(request, status, "application/json", text, strlen(text));
    } else {
        http_reply_error(request, 500, "the control domain is out of memory");
    }
    free(text);
}

void api_reply_list(struct http_request *request, const char *name, bool (*next)(void **cursor, cJSON **item))
{
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, name), *item;
    void *cursor = NULL;

    while (list && next(&cursor, &item)) {
        if (!item || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            list = NULL;
        }
    }
    if (!list) {
        cJSON_Delete(json);
        json = NULL;
    }
    api_reply_json(request, 200, json);
}

void api_reply_failure(struct http_request *request, const struct domain_error *error)
{
    static const struct {
        int error;
        unsigned status;
    } statuses[] = {{-EINVAL, 400},     {-ENOENT, 404},     {-EEXIST, 409}, {-EBUSY, 409},
                    {-EADDRINUSE, 409}, {-EROFS, 409},      {-ENODEV, 409}, {-ENOMEM, 507},
                    {-ENOSPC, 507},     {-EOPNOTSUPP, 501}, {-ENOSYS, 501}};
    unsigned status = 500;

    for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++) {
        if (statuses[i].error == error->error) {
            status = statuses[i].status;
        }
    }
    http_reply_error(request, status, "%s", error->text);
}

struct domain *api_domain(const struct api_call *call)
{
    struct domain *domain = domain_find(call->name);
    char *end;
    unsigned long number = strtoul(call->name, &end, 10);

    if (!domain && *end == '\0' && number <= UINT16_MAX) {
        domain = domain_find_id((uint16_t)number);
    }
    if (!domain) {
        http_reply_error(call->request, 404, "there is no domain '%s'", call->name);
    }
    return domain;
}
