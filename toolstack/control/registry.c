/* SPDX-License-Identifier: MIT */
/*
 * Domains by name (a hash table) and by number (pages of pointers, made on demand and kept): both cost the
 * same with one domain and with a thousand.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "pvboot/abi.h"
#include "toolstack/control/domain_internal.h"

#define BUCKETS  1024u
#define IDS_PAGE 256u
#define PAGES    (DOMID_FIRST_RESERVED / IDS_PAGE + 1)

struct page {
    unsigned count;
    struct domain *domains[IDS_PAGE];
};

static struct domain *buckets[BUCKETS];
static struct page *pages[PAGES];
static struct domain_observer *observers, *observer_cursor;

static struct domain **bucket(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a: names come from the host's owner, not from guests */

    for (; *name; name++) {
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    }
    return &buckets[hash % BUCKETS];
}

struct domain *domain_find(const char *name)
{
    for (struct domain *domain = *bucket(name); domain; domain = domain->next_name) {
        if (!strcmp(domain->config.name, name)) {
            return domain;
        }
    }
    return NULL;
}

struct domain *domain_find_id(uint16_t domid)
{
    const struct page *page = domid < DOMID_FIRST_RESERVED ? pages[domid / IDS_PAGE] : NULL;

    return page ? page->domains[domid % IDS_PAGE] : NULL;
}

struct domain *domain_next(struct domain *after)
{
    unsigned id = after ? after->built.domid + 1u : 1;

    while (id < DOMID_FIRST_RESERVED) {
        const struct page *page = pages[id / IDS_PAGE];

        if (!page) {
            id = (id / IDS_PAGE + 1) * IDS_PAGE;
        } else if (page->domains[id % IDS_PAGE]) {
            return page->domains[id % IDS_PAGE];
        } else {
            id++;
        }
    }
    return NULL;
}

int registry_add_name(struct domain *domain)
{
    struct domain **head = bucket(domain->config.name);

    if (domain_find(domain->config.name)) {
        return -EEXIST;
    }
    domain->next_name = *head;
    *head = domain;
    return 0;
}

void registry_remove_name(struct domain *domain)
{
    struct domain **link = bucket(domain->config.name);

    while (*link && *link != domain) {
        link = &(*link)->next_name;
    }
    if (*link) {
        *link = domain->next_name;
    }
}

int registry_add_id(struct domain *domain)
{
    uint16_t domid = domain->built.domid;
    struct page **page = &pages[domid / IDS_PAGE];

    if (!*page) {
        *page = calloc(1, sizeof(**page));
    }
    if (!*page) {
        return -ENOMEM;
    }
    (*page)->domains[domid % IDS_PAGE] = domain;
    (*page)->count++;
    return 0;
}

void registry_remove_id(struct domain *domain)
{
    struct page **page = &pages[domain->built.domid / IDS_PAGE];

    if (domain_find_id(domain->built.domid) == domain) {
        (*page)->domains[domain->built.domid % IDS_PAGE] = NULL;
        if (--(*page)->count == 0) {
            free(*page);
            *page = NULL;
        }
    }
}

/* ------------------------------------------------------------------ observers */

void domain_observe(struct domain_observer *observer)
{
    observer->next = observers;
    observers = observer;
}

void domain_unobserve(struct domain_observer *observer)
{
    struct domain_observer **link = &observers;

    while (*link && *link != observer) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = observer->next;
        if (observer_cursor == observer) {
            observer_cursor = observer->next;
        }
    }
}

void registry_changed(const char *name, struct domain *domain, const struct domain_end *end)
{
    for (struct domain_observer *o = observers; o; o = observer_cursor) {
        observer_cursor = o->next; /* domain_unobserve() finds it here */
        o->changed(o, name, domain, end);
    }
}
