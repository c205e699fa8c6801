/* SPDX-License-Identifier: MIT */
/* A set is a page of sorted ranges that do not touch each other; it exists once a domain has an exception. */
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/string.h"

struct range {
    uint64_t first, last;
};

#define RANGES_MAX ((PAGE_SIZE - sizeof(uint64_t)) / sizeof(struct range))

struct io_set {
    uint64_t n;
    struct range range[RANGES_MAX];
};
_Static_assert(sizeof(struct io_set) <= PAGE_SIZE, "one page");

static struct spinlock lock = SPINLOCK(LOCK_RIGHTS);

/* The first range that ends at `at` or after it. */
static uint64_t find(const struct io_set *s, uint64_t at)
{
    uint64_t i = 0;

    while (i < s->n && s->range[i].last < at) {
        i++;
    }
    return i;
}

bool io_allowed(struct domain *d, enum io_kind kind, uint64_t first, uint64_t last)
{
    const struct io_set *s = read_once(d->io_set[kind]);
    bool allowed = d->privileged;

    if (s) {
        uint64_t i;

        spin_lock(&lock);
        i = find(s, first);
        if (i < s->n) {
            /* Exceptions: for the privileged one is too many, for others one must cover all. */
            allowed = d->privileged ? s->range[i].first > last
                                    : s->range[i].first <= first && s->range[i].last >= last;
        }
        spin_unlock(&lock);
    }
    return allowed;
}

/* Makes first..last members, or none of it. -ENOMEM: too many ranges. */
static int change(struct io_set *s, uint64_t first, uint64_t last, bool member)
{
    /* i..j-1 are the ranges that overlap; those that only touch count for a union. */
    uint64_t i = find(s, member && first ? first - 1 : first), j = i, pieces = 0;
    struct range piece[2];

    while (j < s->n && s->range[j].first <= last + member) {
        j++;
    }
    if (member) {
        piece[0] = (struct range){first, last};
        if (j > i) {
            piece[0] = (struct range){MIN(first, s->range[i].first), MAX(last, s->range[j - 1].last)};
        }
        pieces = 1;
    } else if (j > i) {
        if (s->range[i].first < first) {
            piece[pieces++] = (struct range){s->range[i].first, first - 1};
        }
        if (s->range[j - 1].last > last) {
            piece[pieces++] = (struct range){last + 1, s->range[j - 1].last};
        }
    }
    if (s->n - (j - i) + pieces > RANGES_MAX) {
        return -ENOMEM;
    }
    memmove(&s->range[i + pieces], &s->range[j], (s->n - j) * sizeof(struct range));
    memcpy(&s->range[i], piece, pieces * sizeof(struct range));
    s->n = s->n - (j - i) + pieces;
    return 0;
}

int io_allow(struct domain *d, enum io_kind kind, uint64_t first, uint64_t last, bool allow)
{
    struct io_set *fresh = NULL;
    int rc;

    if (!read_once(d->io_set[kind])) {
        if (allow == d->privileged) {
            return 0; /* as it is without exceptions */
        }
        fresh = heap_alloc(sizeof(*fresh), d);
        if (!fresh) {
            return -ENOMEM;
        }
    }
    spin_lock(&lock);
    if (!d->io_set[kind]) {
        write_once(d->io_set[kind], fresh);
        fresh = NULL;
    }
    rc = change(d->io_set[kind], first, last, allow != d->privileged);
    spin_unlock(&lock);
    if (fresh) {
        heap_free(fresh, sizeof(*fresh), d);
    }
    return rc;
}

void io_rights_free(struct domain *d)
{
    for (unsigned kind = 0; kind < IO_KINDS; kind++) {
        if (d->io_set[kind]) {
            heap_free(d->io_set[kind], sizeof(struct io_set), d);
            d->io_set[kind] = NULL;
        }
    }
}
