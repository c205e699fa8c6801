/* SPDX-License-Identifier: MIT */
/* What the parent and the domain that it makes agree on: the child's layout and a page to talk through. */
#ifndef TESTS_ABI_DOMCTL_CHILD_H
#define TESTS_ABI_DOMCTL_CHILD_H

#define __XEN_TOOLS__ 1
#include "tests/abi/lib/test.h"
#include <xen/domctl.h>
#include <xen/grant_table.h>
#include <xen/sysctl.h>

#define CHILD_BASE 0x100000ul

/* The child's pseudo-physical pages; each is at CHILD_BASE + its number * 4096 but for the tables. */
enum { P_CODE, P_HYPERCALL, P_STACK, P_TALK, P_DATA, P_L1, P_L2, P_L3, P_L4, CHILD_PAGES };
/* Further places in its address space. */
enum { V_SHARED = 16, V_GRANTS, V_MAPPED };

#define TALK_MAGIC  0x7a1c7a1c7a1cul
#define GRANT_REF   9u /* of both */
#define DATA_PARENT 0x1111ul
#define DATA_CHILD  0x2222ul

enum { CALL_DOMCTL, CALL_SYSCTL, CALL_FOREIGN, CALL_CONSOLE, NR_CALLS };

struct talk {
    /* parent to child */
    unsigned long hypercalls, shared, mapped; /* addresses in the child */
    grant_entry_v1_t *grants;
    unsigned long data_mfn;
    uint32_t parent_port;
    unsigned reason; /* of its shutdown */
    bool spin;       /* never end */
    /* child to parent */
    volatile unsigned long state; /* counts the child's steps */
    unsigned long magic;
    long bind, send, map, poll, calls[NR_CALLS];
    unsigned long read; /* what it found in the page that the parent granted */
    /* arguments of the child's calls */
    struct evtchn_bind_interdomain bind_op;
    struct evtchn_send send_op;
    struct gnttab_map_grant_ref map_op;
    struct sched_poll poll_op;
    evtchn_port_t poll_port;
    struct sched_shutdown shutdown_op;
    struct xen_domctl domctl;
    struct xen_sysctl sysctl;
};
_Static_assert(sizeof(struct talk) <= PAGE_SIZE, "one page");

/* The child's whole program; runs wherever it is copied. */
void child_main(struct talk *t) __attribute__((noreturn));

#endif
