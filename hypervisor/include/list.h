/* SPDX-License-Identifier: MIT */
/* Doubly linked, circular lists with the link inside the element. The caller holds the list's lock. */
#ifndef HYPERVISOR_LIST_H
#define HYPERVISOR_LIST_H

#include "hypervisor/include/types.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_add_tail(struct list *head, struct list *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

/* Removes the element; a second removal of the same element is harmless. */
static inline void list_del(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define list_entry(link, type, member) container_of(link, type, member)
#define list_for_each(pos, head)       for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

#endif
