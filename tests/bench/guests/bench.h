/* SPDX-License-Identifier: MIT */
/*
 * Micro-benchmarks: one PV guest that times operations of the ABI on whatever hypervisor it runs. It stands
 * on the library of the ABI guests (tests/abi/lib/test.h); its cases are groups of operations.
 *
 * Under QEMU's -icount the TSC counts instructions, so a difference of two readings is the number of
 * instructions between them, in the guest and in the hypervisor together. Each line of results is
 *
 *     bench NAME MIN MEDIAN MAX ROUNDS
 *
 * in instructions for one operation, the cost of an empty measurement taken off.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "tests/abi/lib/test.h"

#define ROUNDS 64

/* markers.S: both return the TSC. The second pair is the same code at addresses of its own:
 * tests/bench/profile counts what runs between them. */
uint64_t stamp_begin(void);
uint64_t stamp_end(void);
uint64_t profiled_begin(void);
uint64_t profiled_end(void);

/* One operation being measured. */
struct meter {
    uint64_t (*begin)(void), (*end)(void);
    uint64_t samples[ROUNDS];
    unsigned count;
};

/* Starts the measurement of NAME; the profiled markers serve if the command line asks for that name. */
struct meter *meter_start(const char *name);
/* Adds one difference of two stamps. */
void meter_add(uint64_t ticks);
/* Prints the line of the operation; each sample covers `per` of them. */
void meter_report(const char *name, unsigned per);

/*
 * Runs `prepare; operation; clean up` ROUNDS times and times the operation alone. Round i is at hand as
 * `round`.
 */
#define MEASURE_PREPARED(name, per, prepare, operation, cleanup)                                             \
    do {                                                                                                     \
        struct meter *meter_ = meter_start(name);                                                            \
        for (unsigned round = 0; round < ROUNDS; round++) {                                                  \
            uint64_t begin_;                                                                                 \
            prepare;                                                                                         \
            begin_ = meter_->begin();                                                                        \
            operation;                                                                                       \
            meter_add(meter_->end() - begin_);                                                               \
            cleanup;                                                                                         \
        }                                                                                                    \
        meter_report(name, per);                                                                             \
    } while (0)
#define MEASURE(name, operation) MEASURE_PREPARED(name, 1, (void)round, operation, )

/* A set-up step: its failure ends the case, and the missing lines show it. */
#define MUST(call)                                                                                           \
    do {                                                                                                     \
        long error_ = (call);                                                                                \
        if (error_ != 0) {                                                                                   \
            print("not ok %s: %ld\n", #call, error_);                                                        \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)

/* The groups. */
void bench_calls(void);
void bench_mmu(void);
void bench_tables(void);
void bench_traps(void);
void bench_events(void);
void bench_grants(void);
void bench_memory(void);
void bench_user(void);

#endif
