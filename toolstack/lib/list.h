/* SPDX-License-Identifier: MIT */
/* Lists whose links lie in their members: a ring with the list itself as one link. */
#ifndef TOOLSTACK_LIB_LIST_H
#define TOOLSTACK_LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A list that is empty from the start; others begin with list_init(). */
#define LIST_EMPTY(name)                                                                                     \
    {                                                                                                        \
        &(name), &(name)                                                                                     \
    }

struct link {
    struct link *next, *prev;
};

static inline void list_init(struct link *list)
{
    list->next = list->prev = list;
}

static inline bool list_empty(const struct link *list)
{
    return list->next == list;
}

static inline void list_append(struct link *list, struct link *link)
{
    link->next = list;
    link->prev = list->prev;
    list->prev->next = link;
    list->prev = link;
}

/* Taking out a link that is in no list (initialized) does nothing. */
static inline void list_remove(struct link *link)
{
    link->next->prev = link->prev;
    link->prev->next = link->next;
    list_init(link);
}

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
