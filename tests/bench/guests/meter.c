/* SPDX-License-Identifier: MIT */
/* Samples and their report, and the list of all groups. */
#include "tests/bench/guests/bench.h"

static struct meter meter;
static uint64_t empty; /* ticks between two stamps with nothing between them */

struct meter *meter_start(const char *name)
{
    bool profiled = test_args[0] != 0 && strcmp(name, test_args) == 0;

    meter.begin = profiled ? profiled_begin : stamp_begin;
    meter.end = profiled ? profiled_end : stamp_end;
    meter.count = 0;
    if (empty == 0) {
        uint64_t begin = meter.begin();

        empty = meter.end() - begin;
    }
    return &meter;
}

/* Keeps the samples sorted. */
void meter_add(uint64_t ticks)
{
    unsigned i = meter.count++;

    for (; i > 0 && meter.samples[i - 1] > ticks; i--) {
        meter.samples[i] = meter.samples[i - 1];
    }
    meter.samples[i] = ticks;
}

static unsigned long net(unsigned index, unsigned per)
{
    return (meter.samples[index] - empty + per / 2) / per;
}

void meter_report(const char *name, unsigned per)
{
    print("bench %s %lu %lu %lu %u\n", name, net(0, per), net(meter.count / 2, per),
          net(meter.count - 1, per), meter.count);
}

static void bench_empty(void)
{
    MEASURE("empty", );
}

const struct test_case test_cases[] = {
    {"empty", bench_empty, false},   {"calls", bench_calls, false},
    {"mmu", bench_mmu, false},       {"tables", bench_tables, false},
    {"traps", bench_traps, false},   {"events", bench_events, false},
    {"grants", bench_grants, false}, {"memory", bench_memory, false},
    {"user", bench_user, false},     {0},
};
