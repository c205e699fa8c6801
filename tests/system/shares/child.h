/* SPDX-License-Identifier: MIT */
/* What the measuring guest and the domains that it makes agree on. */
#ifndef TESTS_SYSTEM_SHARES_CHILD_H
#define TESTS_SYSTEM_SHARES_CHILD_H

#define __XEN_TOOLS__ 1
#include "tests/abi/lib/test.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

#define CHILD_BASE  0x100000ul
#define CHILD_VCPUS 4
#define HOG_LOOP    1000

/* The child's pages; each is at CHILD_BASE + its number * 4096 but for the tables. */
enum { P_CODE, P_CODE2, P_HYPERCALL, P_TALK, P_L1, P_L2, P_L3, P_L4, CHILD_PAGES };
#define V_SHARED 16 /* and its shared info there */

/* A vCPU's run state, and the time at which it was asked for. */
struct sample {
    uint64_t at;
    struct vcpu_runstate_info state;
};

/* One vCPU's orders and what it found out. */
struct talk {
    unsigned long hypercalls;
    shared_info_t *shared;
    unsigned id;
    uint64_t burst, sleep;          /* ns that it runs and sleeps in turn; burst 0: it always runs */
    volatile uint64_t late, wakes;  /* the longest time from the end of a sleep to its first instruction */
    uint64_t loops;                 /* of those that always run: HOG_LOOP instructions each */
    struct sample sample[2];        /* of those that sleep, in turn */
    volatile unsigned long samples; /* the last is number samples - 1 */
    struct sched_poll poll;
    uint64_t stack[40];
};
_Static_assert(CHILD_VCPUS * sizeof(struct talk) <= PAGE_SIZE, "one page for all");

struct child {
    domid_t id;
    unsigned vcpus;
    xen_pfn_t mfn[CHILD_PAGES];
    struct talk *talk; /* of its vCPUs */
};

/* Where the parent sees the child's pages while it builds, and talk pages for good. */
#define VIEW_VA 0x40000000ul
#define TALK_VA 0x40200000ul

long domctl(struct xen_domctl *op, uint32_t cmd, domid_t id);
/* A domain with that many vCPUs, in the order in which they are made; not unpaused yet. 0 or what failed. */
long child_create(struct child *c, unsigned index, unsigned vcpus, uint64_t burst, uint64_t sleep);
/* Makes and starts the domains of these groups (shares.c); false: it said what failed. */
bool domains_start(const char *groups);
void sleep_until(uint64_t end);
/* Reads a number and the comma behind it. */
unsigned number(const char **p);
/* The other case (tables.c). */
void tables_case(void);
/* The program of each of its vCPUs; runs wherever it is copied. */
void child_main(struct talk *t) __attribute__((noreturn));

#endif
