/* SPDX-License-Identifier: MIT */
/*
 * For unit tests of hypervisor objects: one processor, three domains, a heap that is counted, locks that may
 * not be taken twice. Include it once, after cmocka.h.
 */
#ifndef TESTS_UNIT_HV_MACHINE_H
#define TESTS_UNIT_HV_MACHINE_H

#include <stdlib.h>
#include "hypervisor/include/assert.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/map.h"

#define DOMAINS 3

static struct percpu cpu;
static struct domain domain[DOMAINS];
static unsigned heap_pages;

struct percpu *this_cpu(void)
{
    return &cpu;
}

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    (void)lock;
    (void)ticket;
    fail_msg("a lock is taken twice");
}

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

void *heap_alloc(size_t n, struct domain *d)
{
    (void)d;
    heap_pages++;
    return calloc(1, (n + PAGE_SIZE - 1) & PAGE_MASK);
}

void heap_free(void *p, size_t n, struct domain *d)
{
    (void)n;
    (void)d;
    heap_pages--;
    free(p);
}

struct domain *domain_get(domid_t id)
{
    struct domain *d = id == DOMID_SELF ? current_domain() : id < DOMAINS ? &domain[id] : NULL;

    if (d) {
        d->refs++;
    }
    return d;
}

void domain_put(struct domain *d)
{
    assert_true(d->refs > 1);
    d->refs--;
}

#endif
