/* SPDX-License-Identifier: MIT */
/*
 * A guest that means no good: on each of its processors it makes random moves, which are single hypercalls
 * with arguments from pools of values that matter, or sequences of calls, stores and user code that make
 * sense so far as to reach what lies behind the first check. The hypervisor must survive all of it; what
 * becomes of the guest is its own affair. The same seed makes the same moves on one processor.
 *
 * The command line: fuzz seed=N calls=N reckless=1. A reckless guest also does what mostly ends itself.
 *
 * Left out is what would only end the run: shutdowns, waiting for ever, output on the console.
 */
#ifndef TESTS_FUZZ_HYPERCALLS_FUZZ_H
#define TESTS_FUZZ_HYPERCALLS_FUZZ_H

#include "tests/abi/lib/test.h"

#define PAGES   24           /* what all processors fight about */
#define TABLES  4            /* the tables that map the guest itself */
#define SPARES  16           /* pages of arguments of one processor */
#define FREE_VA 0x20000000ul /* an otherwise empty 2 MiB with a page table of its own */

struct fuzzer {
    unsigned id;
    bool reckless;
    uint64_t state; /* of the generator */
    uint64_t
        *scratch; /* argument structures are made here; a call may take the page away: then comes the next */
    unsigned scratch_nr;
    unsigned long calls, good;
};

/* Shared by all processors, without any lock: races are welcome. */
extern uint64_t *pages[PAGES];
extern volatile uint64_t page_mfn[PAGES];

/* values.c: the pools. */
void values_init(void);
uint64_t next(struct fuzzer *f);
unsigned below(struct fuzzer *f, unsigned n);
uint64_t any_mfn(struct fuzzer *f);
uint64_t any_pte(struct fuzzer *f);
uint64_t pointer(struct fuzzer *f);
uint64_t number(struct fuzzer *f);
uint64_t value(struct fuzzer *f);

/* fuzz.c: one call, counted, unless it is left out (then 0). */
long call(struct fuzzer *f, unsigned long nr, unsigned long a1, unsigned long a2, unsigned long a3,
          unsigned long a4, unsigned long a5);
/* Whether a reckless guest does now what mostly ends it: rarely, so that it gets far. */
bool dares(struct fuzzer *f);
bool left_out(struct fuzzer *f, unsigned long nr, unsigned long cmd);

/* A move may end in a trap: each runs in a probe of its own. */
typedef void (*move_fn)(struct fuzzer *f);
/* moves_memory.c: page tables, frames, grants, descriptors. */
extern const move_fn memory_moves[];
extern const unsigned nr_memory_moves;
/* Makes plain writable pages of as many of pages[] as can be had. */
void repair(struct fuzzer *f);
/* moves_cpu.c: events, vCPUs, timers, traps, user mode. cpu_init: once, before others start. */
extern const move_fn cpu_moves[];
extern const unsigned nr_cpu_moves;
void cpu_init(void);
/* On each processor, before its first move. */
void cpu_start(struct fuzzer *f);

#endif
