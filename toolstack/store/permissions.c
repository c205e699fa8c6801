/* SPDX-License-Identifier: MIT */
/* Lists of who may do what with a node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

static struct permissions *allocate(uint64_t generation, const struct store_permission *list, uint32_t count)
{
    struct permissions *permissions = malloc(sizeof(*permissions) + count * sizeof(*list));

    if (permissions) {
        permissions->references = 1;
        permissions->count = count;
        permissions->generation = generation;
        memcpy(permissions->list, list, count * sizeof(*list));
    }
    return permissions;
}

struct permissions *permissions_new(struct store *store, const struct store_permission *list, uint32_t count)
{
    return allocate(store->generation, list, count);
}

struct permissions *permissions_inherit(const struct store_client *client, struct permissions *parent)
{
    struct permissions *own;

    if (!client || client->privileged || parent->list[0].domid == client->domid) {
        return permissions_get(parent);
    }
    own = allocate(parent->generation, parent->list, parent->count);
    if (own) {
        own->list[0].domid = client->domid;
    }
    return own;
}

void permissions_put(struct permissions *permissions)
{
    if (permissions && --permissions->references == 0) {
        free(permissions);
    }
}

/*
 * Does an entry speak of this domain? One that is younger than the list only has its predecessor's
 * number.
 */
static bool names(const struct store_permission *entry, uint64_t generation, const struct domain *domain)
{
    return domain && entry->domid == domain->domid && domain->generation <= generation &&
           !(entry->rights & RIGHT_IGNORED);
}

unsigned permissions_for(const struct store_client *client, const struct permissions *permissions)
{
    const unsigned all = STORE_READ | STORE_WRITE | RIGHT_OWNER;
    const struct domain *target;
    uint16_t owner = permissions->list[0].domid;

    if (!client || client->privileged) {
        return all;
    }
    target = client->domain->target;
    if (owner == client->domid || (target && owner == target->domid)) {
        return all;
    }
    for (uint32_t i = 1; i < permissions->count; i++) {
        const struct store_permission *entry = &permissions->list[i];
        if (names(entry, permissions->generation, client->domain) ||
            names(entry, permissions->generation, target)) {
            return entry->rights & (STORE_READ | STORE_WRITE);
        }
    }
    return permissions->list[0].rights & (STORE_READ | STORE_WRITE);
}

int permissions_resolve(const struct view *view, struct store_permission *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (view_limited(view)) {
            list[i].rights |= domain_find(view->store, list[i].domid) ? 0 : RIGHT_IGNORED;
        } else if (!domain_get(view->store, list[i].domid)) {
            return -ENOMEM;
        }
    }
    return list[0].rights & RIGHT_IGNORED ? -ENOENT : 0;
}

int permissions_parse(const char *text, size_t length, struct store_permission *list, uint32_t count)
{
    static const char letters[] = "nrwb"; /* in the order of STORE_NONE, READ, WRITE and both */
    const char *end = text + length;

    for (uint32_t i = 0; i < count; i++) {
        const char *letter;
        char *after;
        long domid;
        if (text >= end || !*text || !(letter = strchr(letters, *text))) {
            return -EINVAL;
        }
        if (!text[1]) {
            return -EINVAL;
        }
        domid =
            strtol(text + 1, &after, 0); /* strings end within the payload, which has a zero byte behind it */
        if (*after || domid < 0 || domid > UINT16_MAX) {
            return -EINVAL;
        }
        list[i] = (struct store_permission){(uint16_t)domid, (uint16_t)(letter - letters)};
        text = after + 1;
    }
    return 0;
}

uint32_t permissions_format(const struct store_permission *entry, char *text)
{
    return (uint32_t)snprintf(text, 8, "%c%u", "nrwb"[entry->rights & 3], entry -> domid) + 1;
}
