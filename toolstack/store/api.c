/* SPDX-License-Identifier: MIT */
/* The store's life, and its owner's own access. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

void store_limits_default(struct store_limits *limits)
{
    *limits = (struct store_limits){
        .nodes = 1000,
        .node_size = 2048,
        .watches = 128,
        .transactions = 10,
        .transaction_nodes = 1024,
        .outstanding = 20,
        .permissions = 5,
        .path_length = XENSTORE_REL_PATH_MAX,
        .memory = 5 * 512 * 1024,
    };
}

struct store *store_create(const struct store_limits *limits)
{
    struct store_permission nobody = {0, STORE_NONE};
    struct store *store = calloc(1, sizeof(*store));

    if (!store) {
        return NULL;
    }
    store_limits_default(&store->limits);
    if (limits) {
        store->limits = *limits;
    }
    store->limits.seed = store->limits.seed * 2 + 1;
    for (unsigned i = 0; i < DOMAIN_BUCKETS; i++) {
        list_init(&store->domains[i]);
    }
    list_init(&store->clients);
    list_init(&store->ready);
    list_init(&store->own_watches);
    list_init(&store->own_events);
    store->introduce_permissions = permissions_new(store, &nobody, 1);
    store->release_permissions = permissions_new(store, &nobody, 1);
    if (!table_init(&store->nodes) || !table_init(&store->watched) || !table_init(&store->events) ||
        !store->introduce_permissions || !store->release_permissions || tree_init(store) != 0) {
        store_destroy(store);
        return NULL;
    }
    return store;
}

static void free_node(void *context, struct entry *entry)
{
    (void)context;
    node_free((struct node *)entry);
}

void store_destroy(struct store *store)
{
    while (!list_empty(&store->clients)) {
        client_free(container_of(store->clients.next, struct store_client, link));
    }
    while (!list_empty(&store->own_watches)) {
        watch_remove(store, container_of(store->own_watches.next, struct store_watch, link));
    }
    table_each(&store->nodes, free_node, NULL);
    for (unsigned i = 0; i < DOMAIN_BUCKETS; i++) {
        struct link *link, *next;
        for (link = store->domains[i].next; link != &store->domains[i]; link = next) {
            next = link->next;
            free(container_of(link, struct domain, link));
        }
    }
    table_free(&store->nodes);
    table_free(&store->watched);
    table_free(&store->events);
    permissions_put(store->introduce_permissions);
    permissions_put(store->release_permissions);
    free(store);
}

uint64_t store_node_count(const struct store *store)
{
    return store->nodes.count;
}

uint64_t store_steps(const struct store *store)
{
    return store->steps;
}

/* ------------------------------------------------------------------ the owner's access */

static struct node *find(struct store *store, const char *path)
{
    struct view view = {store, NULL, NULL};
    struct node *node;
    struct path where;

    return path_parse(store, &where, path, strlen(path)) && !tree_look(&view, &where, &node) ? node : NULL;
}

const char *store_read(struct store *store, const char *path, size_t *length)
{
    const struct node *node = find(store, path);

    if (length) {
        *length = node ? node->value_length : 0;
    }
    return !node ? NULL : node->value ? node->value : "";
}

const char *store_list(struct store *store, const char *path, size_t *length)
{
    const struct node *node = find(store, path);

    *length = node ? node->children_length : 0;
    return !node ? NULL : node->children ? node->children : "";
}

int store_write(struct store *store, const char *path, const void *value, size_t length)
{
    struct view view = {store, NULL, NULL};
    struct path where;

    if (!path_parse(store, &where, path, strlen(path)) || length > XENSTORE_PAYLOAD_MAX) {
        return -EINVAL;
    }
    return tree_write(&view, &where, value, (uint32_t)length);
}

int store_printf(struct store *store, const char *path, const char *format, ...)
{
    char value[XENSTORE_PAYLOAD_MAX + 1];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    return length < 0 ? -EINVAL : store_write(store, path, value, (size_t)length);
}

int store_mkdir(struct store *store, const char *path)
{
    struct view view = {store, NULL, NULL};
    struct path where;

    return path_parse(store, &where, path, strlen(path)) ? tree_mkdir(&view, &where) : -EINVAL;
}

int store_remove(struct store *store, const char *path)
{
    struct view view = {store, NULL, NULL};
    struct path where;

    return path_parse(store, &where, path, strlen(path)) ? tree_remove(&view, &where) : -EINVAL;
}

int store_set_permissions(struct store *store, const char *path, const struct store_permission *list,
                          unsigned count)
{
    struct view view = {store, NULL, NULL};
    struct store_permission own[64];
    struct path where;
    int error;

    if (!path_parse(store, &where, path, strlen(path)) || count == 0 || count > 64) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < count; i++) {
        if (list[i].rights & ~(STORE_READ | STORE_WRITE)) {
            return -EINVAL;
        }
        own[i] = list[i];
    }
    error = permissions_resolve(&view, own, count);
    return error ? error : tree_set_permissions(&view, &where, own, count);
}

int store_get_permissions(struct store *store, const char *path, struct store_permission *list,
                          unsigned count)
{
    const struct node *node = find(store, path);

    if (!node) {
        return -ENOENT;
    }
    for (unsigned i = 0; i < count && i < node->permissions->count; i++) {
        list[i] = node->permissions->list[i];
        list[i].rights &= STORE_READ | STORE_WRITE;
    }
    return (int)node->permissions->count;
}

struct store_watch *store_watch(struct store *store, const char *path, store_watch_function *function,
                                void *context, int *error)
{
    struct store_watch *watch = NULL;
    struct path where;
    int result = -EINVAL;

    if (*path == '@') {
        where = path_known(store, path, strlen(path));
        result = 0;
    } else if (path_parse(store, &where, path, strlen(path))) {
        result = 0;
    }
    result = result ? result : watch_add(store, NULL, &where, 0, "", &watch);
    if (error) {
        *error = result;
    }
    if (result) {
        return NULL;
    }
    watch->function = function;
    watch->context = context;
    watch_first(store, watch);
    return watch;
}

void store_unwatch(struct store *store, struct store_watch *watch)
{
    watch_remove(store, watch);
}
