/* SPDX-License-Identifier: MIT */
/*
 * Watches, by the path that they watch: an event looks up its own path and those above it, and finds just
 * the watches that match, however many there are.
 */
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

static struct watched *find(struct store *store, const char *text, uint32_t length, uint32_t hash)
{
    return (struct watched *)table_find(&store->watched, text, length, hash, &store->steps);
}

static struct watched *find_or_make(struct store *store, const struct path *path)
{
    struct watched *watched = find(store, path->text, path->length, path->hash);

    if (!watched && (watched = malloc(sizeof(*watched) + path->length + 1))) {
        memcpy(watched->path, path->text, path->length);
        watched->path[path->length] = '\0';
        watched->entry = (struct entry){NULL, watched->path, path->length, path->hash};
        list_init(&watched->watches);
        table_insert(&store->watched, &watched->entry);
    }
    return watched;
}

static void drop_if_empty(struct store *store, struct watched *watched)
{
    if (list_empty(&watched->watches)) {
        table_remove(&store->watched, &watched->entry);
        free(watched);
    }
}

static uint32_t memory_of(const struct store_watch *watch)
{
    return (uint32_t)(sizeof(*watch) + strlen(watch->token) + watch->watched->entry.length);
}

struct store_watch *watch_find(const struct store_client *client, const struct path *path, const char *token)
{
    struct watched *watched = find(client->store, path->text, path->length, path->hash);
    struct link *link;

    for (link = watched ? watched->watches.next : NULL; link && link != &watched->watches;
         link = link->next) {
        struct store_watch *watch = container_of(link, struct store_watch, at);
        client->store->steps++;
        if (watch->client == client && !strcmp(watch->token, token)) {
            return watch;
        }
    }
    return NULL;
}

int watch_add(struct store *store, struct store_client *client, const struct path *path, uint32_t relative,
              const char *token, struct store_watch **result)
{
    size_t token_size = strlen(token) + 1;
    bool limited = client && !client->privileged;
    struct store_watch *watch;

    if (client && watch_find(client, path, token)) {
        return -EEXIST;
    }
    if (limited && client->watch_count > store->limits.watches) {
        return -E2BIG;
    }
    if (limited && domain_over(client, sizeof(*watch) + token_size + path->length)) {
        return -ENOMEM;
    }
    watch = calloc(1, sizeof(*watch) + token_size);
    if (!watch || !(watch->watched = find_or_make(store, path))) {
        free(watch);
        return -ENOMEM;
    }
    watch->client = client;
    watch->sequence = store->watch_sequence++;
    watch->relative = relative;
    memcpy(watch->token, token, token_size);
    list_append(client ? &client->watches : &store->own_watches, &watch->link);
    list_append(&watch->watched->watches, &watch->at);
    if (client) {
        client->watch_count++;
        client->domain->memory += memory_of(watch);
    }
    *result = watch;
    return 0;
}

void watch_remove(struct store *store, struct store_watch *watch)
{
    struct link *link, *next;

    if (watch->client) {
        watch->client->watch_count--;
        watch->client->domain->memory -= memory_of(watch);
    }
    for (link = store->own_events.next; !watch->client && link != &store->own_events; link = next) {
        struct message *message = container_of(link, struct message, link);
        next = link->next;
        if (message->watch == watch) {
            message_free(store, message);
        }
    }
    list_remove(&watch->link);
    list_remove(&watch->at);
    drop_if_empty(store, watch->watched);
    free(watch);
}

void watch_first(struct store *store, struct store_watch *watch)
{
    client_event(store, watch, watch->watched->path + watch->relative,
                 watch->watched->entry.length - watch->relative);
}

/* ------------------------------------------------------------------ events */

/* Lists of watches that match, and how far each has been dealt with. */
struct matches {
    struct watched **list;
    uint32_t count;
};

/* Appends the watches of a path. */
static void match(struct store *store, struct matches *matches, const char *text, uint32_t length,
                  uint64_t state)
{
    struct watched *watched = find(store, text, length, hash_finish(state));

    if (watched) {
        watched->cursor = watched->watches.next;
        matches->list[matches->count++] = watched;
    }
}

/* Watches of the path and of all paths above it. */
static void match_all(struct store *store, const struct path *path, struct matches *matches)
{
    uint64_t state = store->limits.seed;

    for (uint32_t i = 0; i < path->length; i++) {
        if (path->text[i] == '/' && i) {
            match(store, matches, path->text, i, state);
        }
        state = hash_byte(state, path->text[i]);
        if (i == 0 && path->length > 1) {
            match(store, matches, path->text, 1, state);
        }
    }
    match(store, matches, path->text, path->length, state);
}

/*
 * The oldest watch that is left, so that a client's events come in the order in which it set its watches;
 * NULL: none.
 */
static struct store_watch *next_match(struct matches *matches)
{
    struct store_watch *oldest = NULL;

    for (uint32_t i = 0; i < matches->count; i++) {
        struct watched *watched = matches->list[i];
        struct store_watch *watch = container_of(watched->cursor, struct store_watch, at);
        if (watched->cursor != &watched->watches && (!oldest || watch->sequence < oldest->sequence)) {
            oldest = watch;
        }
    }
    if (oldest) {
        oldest->watched->cursor = oldest->at.next;
    }
    return oldest;
}

/* Who may read the node, or the one above it, or could before the change, is told. */
static bool permitted(const struct view *view, const struct store_client *client, const struct path *path,
                      const struct node *node, const struct permissions *before)
{
    struct view store = {view->store, NULL, NULL};
    struct node *parent;
    struct path above;

    if (!client || client->privileged || (before && permissions_for(client, before) & STORE_READ)) {
        return true;
    }
    if (!node) {
        return false;
    }
    if (permissions_for(client, node->permissions) & STORE_READ) {
        return true;
    }
    above = path_parent(view->store, path);
    return !tree_look(&store, &above, &parent) && permissions_for(client, parent->permissions) & STORE_READ;
}

void watch_fire(const struct view *view, const struct path *path, const struct node *node, bool exact,
                const struct permissions *before)
{
    struct store *store = view->store;
    struct matches matches = {store->matches, 0};
    const struct store_client *asked = NULL;
    struct store_watch *watch;
    bool allowed = true; /* asked NULL: the owner */

    if (store->watched.count == 0 || (!node && !before)) {
        return; /* nobody watches; or the node has come and gone within a transaction */
    }
    if (exact) {
        match(store, &matches, path->text, path->length,
              hash_bytes(store->limits.seed, path->text, path->length));
    } else {
        match_all(store, path, &matches);
    }
    while ((watch = next_match(&matches))) {
        store->steps++;
        if (watch->client != asked) {
            asked = watch->client;
            allowed = permitted(view, asked, path, node, before);
        }
        if (allowed) {
            client_event(store, watch, path->text + watch->relative, path->length - watch->relative);
        }
    }
}

void watch_fire_special(struct store *store, const char *name)
{
    const struct permissions *permissions =
        name[1] == 'i' ? store->introduce_permissions : store->release_permissions;
    struct path path = path_known(store, name, strlen(name));
    struct watched *watched = find(store, path.text, path.length, path.hash);
    struct link *link;

    for (link = watched ? watched->watches.next : NULL; link && link != &watched->watches;
         link = link->next) {
        struct store_watch *watch = container_of(link, struct store_watch, at);
        if (permissions_for(watch->client, permissions) & STORE_READ) {
            client_event(store, watch, path.text, path.length);
        }
    }
}
