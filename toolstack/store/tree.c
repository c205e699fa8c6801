/* SPDX-License-Identifier: MIT */
/*
 * Operations on nodes. Each first finds out whether it may and can be done, and then does it; the same
 * code serves the store itself and the copies of a transaction.
 */
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

int tree_init(struct store *store)
{
    struct store_permission list = {0, STORE_NONE};
    struct permissions *permissions = permissions_new(store, &list, 1);
    struct path path = path_known(store, "/", 1);
    struct node *root = permissions ? node_new(&path, permissions, 0) : NULL;

    permissions_put(permissions);
    if (!root || !node_enter(store, root)) {
        free(root);
        return -ENOMEM;
    }
    root->generation = ++store->generation;
    return 0;
}

bool view_limited(const struct view *view)
{
    return view->client && !view->client->privileged;
}

/* ------------------------------------------------------------------ finding */

int tree_look(const struct view *view, const struct path *path, struct node **node)
{
    struct access *access;
    int error;

    if (view->transaction) {
        error = transaction_look(view->transaction, path, &access);
        *node = error ? NULL : access->node;
        return error ? error : *node ? 0 : -ENOENT;
    }
    *node = (struct node *)table_find(&view->store->nodes, path->text, path->length, path->hash,
                                      &view->store->steps);
    return *node ? 0 : -ENOENT;
}

/* The nearest existing node above. */
static int look_above(const struct view *view, const struct path *path, struct path *above,
                      struct node **node)
{
    int error;

    *above = *path;
    do {
        *above = path_parent(view->store, above);
        error = tree_look(view, above, node);
    } while (error == -ENOENT && !path_is_root(above));
    return error;
}

int tree_get(const struct view *view, const struct path *path, unsigned need, struct node **node)
{
    struct node *parent;
    struct path above;
    int error = tree_look(view, path, node), above_error;

    if (!error && (permissions_for(view->client, (*node)->permissions) & need) != need) {
        error = -EACCES;
    }
    if (error != -ENOENT && error != -EACCES) {
        return error;
    }
    /* Who may not see what is above is not told that there is nothing. A transaction depends on that, too. */
    above_error = look_above(view, path, &above, &parent);
    if (above_error || error == -EACCES) {
        return above_error ? above_error : error;
    }
    return permissions_for(view->client, parent->permissions) & need ? -ENOENT : -EACCES;
}

/* ------------------------------------------------------------------ changing */

/* Whom a node's memory is charged to: its owner, or who has the transaction. */
static struct domain *payer(const struct view *view, const struct node *node)
{
    return view->transaction ? view->client->domain
                             : domain_find(view->store, node->permissions->list[0].domid);
}

static void charge(const struct view *view, struct node *node, int64_t bytes)
{
    payer(view, node)->memory += (uint64_t)bytes;
    if (view->transaction) {
        view->transaction->memory += (uint64_t)bytes;
    }
}

static struct access *access_of(const struct view *view, const struct entry *entry)
{
    return (struct access *)table_find(&view->transaction->seen, entry->key, entry->length, entry->hash,
                                       &view->store->steps);
}

static void touch(const struct view *view, struct node *node)
{
    node->generation = ++view->store->generation;
    if (view->transaction) {
        access_of(view, &node->entry)->modified = true;
    }
}

/* The event of a change: now, or when the transaction is committed. A wide event replaces an exact one. */
static void fire(const struct view *view, const struct path *path, const struct node *node, bool exact,
                 const struct permissions *before)
{
    struct entry key = {NULL, path->text, path->length, path->hash};
    struct access *access;

    if (!view->transaction) {
        watch_fire(view, path, node, exact, before);
        return;
    }
    access = access_of(view, &key);
    access->exact = exact && (access->exact || !access->fire);
    access->fire = true;
}

/* Something failed that a transaction cannot take back. */
static int fail(const struct view *view, int error)
{
    if (view->transaction) {
        view->transaction->failed = true;
    }
    return error;
}

/* May a node get this large, and the client's domain use that many bytes more? */
static int check_size(const struct view *view, uint32_t size, uint32_t more)
{
    if (!view_limited(view)) {
        return 0;
    }
    if (size >= view->store->limits.node_size) {
        return fail(view, -ENOSPC);
    }
    return domain_over(view->client, more) ? fail(view, -ENOMEM) : 0;
}

/* ------------------------------------------------------------------ creating */

/* Limits for a node at path and those missing between it and parent. */
static int check_create(const struct view *view, const struct path *path, const struct node *parent,
                        uint32_t length)
{
    uint32_t own, levels = 0, leaf, sizes = length, nodes;
    struct path at = *path;
    int error = 0;

    if (!view_limited(view)) {
        return 0;
    }
    own = node_size(parent) - parent->value_length - parent->children_length;
    nodes = view->client->domain->node_count;
    for (; at.length > parent->entry.length && !path_is_root(&at); at = path_parent(view->store, &at)) {
        error =
            error ? error : check_size(view, own + sizes, sizes + (uint32_t)sizeof(struct node) + at.length);
        path_leaf(&at, &leaf);
        sizes = leaf + 1;
        levels++;
    }
    if (nodes + (view->transaction ? 1 : levels) > view->store->limits.nodes) {
        return -ENOSPC;
    }
    return error ? error : check_size(view, node_size(parent) + sizes, sizes);
}

static void free_chain(struct node *chain)
{
    struct node *next;

    for (; chain; chain = next) {
        next = (struct node *)chain->entry.next;
        node_free(chain);
    }
}

/* The new nodes, top first, each with its child's name; and *leaf of the first. NULL: no memory. */
static struct node *build_chain(const struct view *view, const struct path *path, const struct node *parent,
                                struct permissions *permissions, const void *value, uint32_t length)
{
    struct node *chain = node_new(path, permissions, length);
    struct path at = *path;
    uint32_t leaf_length;
    const char *leaf;

    if (!chain || (length && !node_set_value(chain, value, length))) {
        free_chain(chain);
        return NULL;
    }
    for (;;) {
        struct node *above;
        leaf = path_leaf(&at, &leaf_length);
        at = path_parent(view->store, &at);
        if (at.length == parent->entry.length) {
            return chain;
        }
        above = node_new(&at, permissions, 0);
        if (!above || !node_add_child(above, leaf, leaf_length)) {
            free_chain(above);
            free_chain(chain);
            return NULL;
        }
        above->entry.next = &chain->entry;
        chain = above;
    }
}

/* Makes the node and what is missing above it. */
static int create(const struct view *view, const struct path *path, const void *value, uint32_t length)
{
    struct permissions *permissions;
    struct node *parent, *chain, *next;
    struct path above, top;
    uint32_t leaf_length;
    const char *leaf;
    int error = look_above(view, path, &above, &parent);

    error = error ? error : check_create(view, path, parent, length);
    if (error) {
        return error;
    }
    permissions = permissions_inherit(view->client, parent->permissions);
    if (!permissions) {
        return fail(view, -ENOMEM);
    }
    chain = domain_get(view->store, permissions->list[0].domid)
                ? build_chain(view, path, parent, permissions, value, length)
                : NULL;
    permissions_put(permissions);
    if (!chain) {
        return fail(view, -ENOMEM);
    }
    top = (struct path){.text = chain->entry.key, .length = chain->entry.length};
    leaf = path_leaf(&top, &leaf_length);
    if (!node_add_child(parent, leaf, leaf_length)) {
        free_chain(chain);
        return fail(view, -ENOMEM);
    }
    charge(view, parent, leaf_length + 1);
    touch(view, parent);
    for (; chain; chain = next) {
        next = (struct node *)chain->entry.next;
        if (view->transaction) {
            access_of(view, &chain->entry)->node = chain;
            view->transaction->created = true;
            charge(view, chain, node_memory(chain));
        } else {
            node_enter(view->store, chain);
        }
        touch(view, chain);
        parent = chain;
    }
    fire(view, path, parent, false, NULL);
    return 0;
}

int tree_write(const struct view *view, const struct path *path, const void *value, uint32_t length)
{
    struct node *node;
    int error = tree_get(view, path, STORE_WRITE, &node);

    if (error) {
        return error == -ENOENT ? create(view, path, value, length) : error;
    }
    error = check_size(view, node_size(node) - node->value_length + length,
                       length > node->value_length ? length - node->value_length : 0);
    if (error) {
        return error;
    }
    charge(view, node, -(int64_t)node_memory(node));
    if (!node_set_value(node, value, length)) {
        charge(view, node, node_memory(node));
        return fail(view, -ENOMEM);
    }
    charge(view, node, node_memory(node));
    touch(view, node);
    fire(view, path, node, false, NULL);
    return 0;
}

int tree_mkdir(const struct view *view, const struct path *path)
{
    struct node *node;
    int error = tree_get(view, path, STORE_WRITE, &node);

    return error == -ENOENT ? create(view, path, NULL, 0) : error;
}

/* ------------------------------------------------------------------ removing */

/* Takes a node without children out. */
static void take_out(const struct view *view, struct node *node)
{
    if (view->transaction) {
        struct access *access = access_of(view, &node->entry);
        charge(view, node, -(int64_t)node_memory(node));
        access->node = NULL;
        access->modified = true;
    } else {
        node_leave(view->store, node);
    }
    node_free(node);
}

static void cut_leaf(const char *text, uint32_t *length)
{
    while (text[--*length] != '/') {
    }
}

/*
 * Removes a node and all below it, children first. The walk has no stack: the path leads up again, and
 * each node knows how many of its children are done.
 */
static int remove_below(const struct view *view, const struct path *root)
{
    char text[PATH_MAX_LENGTH + 1];
    uint32_t length = root->length;

    memcpy(text, root->text, length);
    for (;;) {
        struct path path = path_known(view->store, text, length);
        struct node *node;
        int error = tree_look(view, &path, &node);
        if (error == -ENOENT && length != root->length) {
            /* A transaction's copy names a child that others have removed: it will have to be tried again. */
            cut_leaf(text, &length);
            continue;
        }
        if (error) {
            return fail(view, error);
        }
        if (node->cursor < node->children_length) {
            const char *name = node->children + node->cursor;
            uint32_t name_length = (uint32_t)strlen(name);
            node->cursor += name_length + 1;
            text[length++] = '/';
            memcpy(text + length, name, name_length);
            length += name_length;
            continue;
        }
        fire(view, &path, node, length != root->length, NULL);
        take_out(view, node);
        if (length == root->length) {
            return 0;
        }
        cut_leaf(text, &length);
    }
}

int tree_remove(const struct view *view, const struct path *path)
{
    struct path above = path_parent(view->store, path);
    struct node *node, *parent;
    uint32_t leaf_length;
    const char *leaf;
    int error = tree_get(view, path, STORE_WRITE, &node);

    if (error) {
        return error == -ENOENT ? tree_look(view, &above, &parent) : error;
    }
    if (path_is_root(path)) {
        return -EINVAL;
    }
    error = tree_look(view, &above, &parent);
    error = error ? error : remove_below(view, path);
    if (error) {
        return error;
    }
    leaf = path_leaf(path, &leaf_length);
    charge(view, parent, -(int64_t)node_memory(parent));
    node_remove_child(parent, leaf, leaf_length);
    charge(view, parent, node_memory(parent));
    touch(view, parent);
    return 0;
}

/* ------------------------------------------------------------------ permissions */

int tree_set_permissions(const struct view *view, const struct path *path,
                         const struct store_permission *list, uint32_t count)
{
    struct permissions *fresh, *before;
    struct node *node;
    int error = tree_get(view, path, STORE_WRITE | RIGHT_OWNER, &node);

    if (error) {
        return error;
    }
    if (view_limited(view) && list[0].domid != node->permissions->list[0].domid) {
        return -EPERM;
    }
    before = node->permissions;
    error = check_size(view, node_size(node) + 8 * count - 8 * before->count, 0);
    if (error) {
        return error;
    }
    fresh = permissions_new(view->store, list, count);
    if (!fresh) {
        return fail(view, -ENOMEM);
    }
    if (view->transaction) {
        node->permissions = fresh;
    } else {
        node_leave(view->store, node);
        node->permissions = fresh;
        node_enter(view->store, node); /* the new owner's record is there */
    }
    touch(view, node);
    fire(view, path, node, false, before);
    permissions_put(before);
    return 0;
}
