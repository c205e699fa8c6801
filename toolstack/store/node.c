/* SPDX-License-Identifier: MIT */
/* Nodes: one allocation for structure, path and a short value; others when they grow. */
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

#define HEADER_SIZE     24u /* of a node's record in xenstored, which the limit on its size counts */
#define PERMISSION_SIZE 8u

struct node *node_new(const struct path *path, struct permissions *permissions, uint32_t value_length)
{
    uint32_t room = value_length ? value_length + 1 : 0;
    struct node *node = malloc(sizeof(*node) + path->length + 1 + room);
    char *text;

    if (!node) {
        return NULL;
    }
    text = (char *)(node + 1);
    memset(node, 0, sizeof(*node));
    memcpy(text, path->text, path->length);
    text[path->length] = '\0';
    node->entry.key = text;
    node->entry.length = path->length;
    node->entry.hash = path->hash;
    node->inline_room = room;
    node->generation = NO_GENERATION;
    node->permissions = permissions_get(permissions);
    list_init(&node->owned);
    return node;
}

static char *inline_value(struct node *node)
{
    return (char *)(node + 1) + node->entry.length + 1;
}

static void free_value(struct node *node)
{
    if (node->value != inline_value(node)) {
        free(node->value);
    }
}

void node_free(struct node *node)
{
    free_value(node);
    free(node->children);
    permissions_put(node->permissions);
    free(node);
}

bool node_set_value(struct node *node, const void *value, uint32_t length)
{
    if (length + 1 > node->value_room) {
        bool fits = length + 1 <= node->inline_room;
        char *room = fits ? inline_value(node) : malloc(length + 1);
        if (!room) {
            return false;
        }
        free_value(node);
        node->value = room;
        node->value_room = fits ? node->inline_room : length + 1;
    }
    if (length) {
        memcpy(node->value, value, length);
    }
    node->value[length] = '\0';
    node->value_length = length;
    return true;
}

bool node_add_child(struct node *node, const char *name, uint32_t length)
{
    uint32_t need = node->children_length + length + 1;

    if (need > node->children_room) {
        uint32_t room = need < 32 ? 32 : 2 * need;
        char *grown = realloc(node->children, room);
        if (!grown) {
            return false;
        }
        node->children = grown;
        node->children_room = room;
    }
    memcpy(node->children + node->children_length, name, length);
    node->children[need - 1] = '\0';
    node->children_length = need;
    return true;
}

void node_remove_child(struct node *node, const char *name, uint32_t length)
{
    char *at = node->children, *end = at + node->children_length;

    for (size_t here; at < end; at += here + 1) {
        here = strlen(at);
        if (here == length && !memcmp(at, name, length)) {
            memmove(at, at + length + 1, (size_t)(end - at) - length - 1);
            node->children_length -= length + 1;
            return;
        }
    }
}

struct node *node_copy(const struct node *node)
{
    struct path path = path_of(&node->entry);
    struct node *copy = node_new(&path, node->permissions, node->value_length);

    if (!copy) {
        return NULL;
    }
    copy->generation = node->generation;
    if (node->children_length) {
        copy->children = malloc(node->children_length);
        copy->children_room = node->children_length;
    }
    if ((node->children_length && !copy->children) ||
        (node->value_length && !node_set_value(copy, node->value, node->value_length))) {
        node_free(copy);
        return NULL;
    }
    if (node->children_length) {
        memcpy(copy->children, node->children, node->children_length);
        copy->children_length = node->children_length;
    }
    return copy;
}

uint32_t node_size(const struct node *node)
{
    return HEADER_SIZE + PERMISSION_SIZE * node->permissions->count + node->value_length +
           node->children_length;
}

uint32_t node_memory(const struct node *node)
{
    return (uint32_t)sizeof(*node) + node->entry.length + node->value_length + node->children_length;
}

bool node_enter(struct store *store, struct node *node)
{
    struct domain *owner = domain_get(store, node->permissions->list[0].domid);

    if (!owner) {
        return false;
    }
    table_insert(&store->nodes, &node->entry);
    list_append(&owner->nodes, &node->owned);
    owner->node_count++;
    owner->memory += node_memory(node);
    return true;
}

void node_leave(struct store *store, struct node *node)
{
    struct domain *owner = domain_find(store, node->permissions->list[0].domid);

    table_remove(&store->nodes, &node->entry);
    list_remove(&node->owned);
    owner->node_count--;
    owner->memory -= node_memory(node);
}
