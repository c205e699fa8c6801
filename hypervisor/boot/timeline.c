/* SPDX-License-Identifier: MIT */
#include "pvboot/coracle_abi.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/platform.h"

#define MARKS 24

static struct {
    const char *name;
    uint64_t tsc, waited;
} marks[MARKS];
static unsigned nr_marks;
static uint64_t waited;

void timeline_wait(uint64_t ticks)
{
    waited += ticks;
}

void timeline_mark(const char *name)
{
    if (nr_marks < MARKS) {
        marks[nr_marks].name = name;
        marks[nr_marks].tsc = rdtsc();
        marks[nr_marks++].waited = waited;
    }
}

static void print_mark(const char *name, uint64_t tsc, uint64_t wait)
{
    log_info("timeline: %s tsc=%lu waited=%lu", name, tsc - boot_tsc, wait);
}

void timeline_print(struct domain *d)
{
    static const char *const guest_marks[] = {
        [CORACLE_MARK_ENTRY] = "guest_entry", [CORACLE_MARK_MAIN] = "main", [CORACLE_MARK_EXIT] = "exit"};

    for (unsigned i = 0; i < nr_marks; i++) {
        print_mark(marks[i].name, marks[i].tsc, marks[i].waited);
    }
    for (unsigned i = CORACLE_MARK_ENTRY; d && i <= CORACLE_MARK_EXIT; i++) {
        if (d->marks[i]) {
            print_mark(guest_marks[i], d->marks[i], waited);
        }
    }
    print_mark("end", rdtsc(), waited);
}
