/* SPDX-License-Identifier: MIT */
/*
 * Images by name; see image.h. A list in order of name: there are few, and they are looked up once a domain.
 */
#include "toolstack/control/image.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/control/names.h"

struct entry {
    struct image image; /* first: an image is its entry */
    struct entry *next;
    void *owned; /* data to be freed, NULL if it stays for ever */
    char name[];
};

static struct entry *first;

/* The link that leads to the first entry whose name is not before name. */
static struct entry **place(const char *name)
{
    struct entry **link = &first;

    while (*link && strcmp((*link)->name, name) < 0) {
        link = &(*link)->next;
    }
    return link;
}

struct image *image_find(const char *name)
{
    struct entry *entry = *place(name);

    return entry && !strcmp(entry->name, name) ? &entry->image : NULL;
}

struct image *image_next(struct image *after)
{
    struct entry *entry = after ? ((struct entry *)after)->next : first;

    return entry ? &entry->image : NULL;
}

static int add(const char *name, const void *data, size_t size, void *owned)
{
    struct entry **link, *entry;

    if (!image_name_valid(name)) {
        return -EINVAL;
    }
    link = place(name);
    if (*link && !strcmp((*link)->name, name)) {
        return -EEXIST;
    }
    entry = malloc(sizeof(*entry) + strlen(name) + 1);
    if (!entry) {
        return -ENOMEM;
    }
    strcpy(entry->name, name);
    entry->image = (struct image){.name = entry->name, .data = data, .size = size};
    entry->owned = owned;
    entry->next = *link;
    *link = entry;
    return 0;
}

int image_add(const char *name, void *data, size_t size)
{
    return add(name, data, size, data);
}

int image_add_static(const char *name, const void *data, size_t size)
{
    return add(name, data, size, NULL);
}

int image_remove(const char *name)
{
    struct entry **link = place(name), *entry = *link;

    if (!entry || strcmp(entry->name, name) != 0) {
        return -ENOENT;
    }
    if (entry->image.users) {
        return -EBUSY;
    }
    *link = entry->next;
    free(entry->owned);
    free(entry);
    return 0;
}
