/* SPDX-License-Identifier: MIT */
/* A second domain: made, started, looked at and destroyed by this one. */
#ifndef TESTS_ABI_DOMCTL_DOMAIN_H
#define TESTS_ABI_DOMCTL_DOMAIN_H

#include "tests/abi/domctl/child.h"

/* Where the parent sees the child's page i while it builds, and the talk page until it lets go. */
#define VIEW_VA  0x40000000ul
#define GRANT_VA (VIEW_VA + 64 * PAGE_SIZE)
#define TABLE_VA (VIEW_VA + 65 * PAGE_SIZE)

struct child {
    domid_t id;
    xen_pfn_t mfn[CHILD_PAGES];
    struct talk *talk;
};

/* A domctl on id with op's cmd and arguments filled in. */
long domctl(struct xen_domctl *op, uint32_t cmd, domid_t id);
/* One without arguments. */
long domctl_plain(uint32_t cmd, domid_t id);
long sysctl(struct xen_sysctl *op, uint32_t cmd);
/* Flags of the domain, or -1: there is none. */
long domain_flags(domid_t id);
unsigned long free_pages(void);
unsigned processors(void);

/* Once: page tables for the views. */
void domain_setup(void);
/* A domain with memory, page tables and a vCPU, ready to be unpaused. 0, or what failed, which is printed. */
long child_create(struct child *c, evtchn_port_t port);
/* Ends it; the talk page's view must be gone first for it to leave altogether. */
long child_destroy(const struct child *c);
void child_let_go(struct child *c);

/* Yields until the port is pending, and clears it; false: not within two seconds. */
bool wait_pending(unsigned port);
/* Yields until the domain's flags (-1: it is gone) under mask are as wanted; false: not within 2 seconds. */
bool wait_flags(domid_t id, long mask, long want);
bool is_coracle(void);

/* A case of info.c: what the toolstack is told. */
void info(void);
/* Cases in scripts.c: children that make the calls that they are told to. */
void forbidden(void);
void ordinary(void);
void limits(void);
void maptrack(volatile grant_entry_v1_t *grants);
void crash(void);

#endif
