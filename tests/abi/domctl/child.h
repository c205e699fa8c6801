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
/* Its limits. */
#define CHILD_MAX_PORT        90u
#define CHILD_GRANT_FRAMES    4u
#define CHILD_MAPTRACK_FRAMES 1u

/* The child's pseudo-physical pages; each is at CHILD_BASE + its number * 4096 but for the tables. */
enum { P_CODE, P_HYPERCALL, P_STACK, P_TALK, P_DATA, P_L1, P_L2, P_L3, P_L4, CHILD_PAGES };
/* Further places in its address space. */
enum { V_SHARED = 16, V_GRANTS, V_MAPPED };

#define TALK_MAGIC  0x7a1c7a1c7a1cul
#define GRANT_REF   9u /* of both */
#define DATA_PARENT 0x1111ul
#define DATA_CHILD  0x2222ul

enum { CALL_DOMCTL, CALL_SYSCTL, CALL_FOREIGN, CALL_CONSOLE, NR_CALLS };

/* A call of a script: what the child is to ask, and the answer. */
struct command {
    unsigned long nr, arg[5];
    long result;
};
#define COMMANDS 24
/* The same call for all numbers of a sub-command below `end`. */
struct sweep {
    unsigned long nr, arg[3];
    unsigned long counter; /* address in the child of the word to count up; 0: it is arg[0] */
    unsigned end;
    int16_t result[100];
};

struct talk {
    /* parent to child */
    unsigned long hypercalls, shared, mapped; /* addresses in the child */
    grant_entry_v1_t *grants;
    unsigned long data_mfn;
    uint32_t parent_port;
    unsigned reason; /* of its shutdown */
    bool spin;       /* never end */
    bool crash;      /* end with an exception that nobody handles */
    bool script;     /* only make the calls below, and shut down */
    unsigned commands;
    struct command command[COMMANDS];
    struct sweep sweep;
    unsigned long scratch[96]; /* arguments of the script's calls */
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

/* A field of the talk page by its address in the child. */
#define THERE(field) (CHILD_BASE + P_TALK * PAGE_SIZE + offsetof(struct talk, field))

/* Registers of a child that crashes, as multiples of this: rax 1, rbx 2, rcx 3, rdx 4. */
#define CRASH_VALUE 0x1234567890ul

/* The child's whole program; runs wherever it is copied. */
void child_main(struct talk *t) __attribute__((noreturn));

#endif
