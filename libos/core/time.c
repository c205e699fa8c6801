/* SPDX-License-Identifier: MIT */
/*
 * Clocks. The hypervisor publishes for each vCPU a moment (system time and TSC) and the TSC's rate; now is
 * that moment plus what the TSC has advanced. It rewrites the record at any time, so readers repeat until the
 * version is even and the same before and after.
 */
#include "libos/core/time.h"
#include "coracle/clock.h"
#include "libos/core/cpu.h"
#include "libos/xen/events.h"

/* The latest time that anybody was told, so that it never goes back, not even between vCPUs. */
static uint64_t latest;

static uint64_t read_tsc(void)
{
    uint32_t low, high;
    /* Not before earlier loads, or the record could be newer than the TSC value. */
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static uint64_t system_time(void)
{
    const volatile struct vcpu_time_info *time = &cor_this_cpu()->info->time;
    uint32_t version;
    uint64_t ns;

    do {
        version = time->version;
        __asm__ volatile("" ::: "memory");
        ns = time->system_time +
             cor_tsc_to_ns(read_tsc() - time->tsc_timestamp, time->tsc_to_system_mul, time->tsc_shift);
        __asm__ volatile("" ::: "memory");
    } while ((version & 1) || version != time->version);
    return ns;
}

uint64_t cor_monotonic_ns(void)
{
    uint64_t now = system_time(), last = __atomic_load_n(&latest, __ATOMIC_RELAXED);

    while (now > last) {
        if (__atomic_compare_exchange_n(&latest, &last, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return now;
        }
    }
    return last;
}

uint64_t cor_monotonic_of_tsc(uint64_t tsc)
{
    const volatile struct vcpu_time_info *time = &cor_this_cpu()->info->time;
    uint64_t now = cor_monotonic_ns(), current = read_tsc();
    uint64_t ago = tsc < current ? cor_tsc_to_ns(current - tsc, time->tsc_to_system_mul, time->tsc_shift) : 0;

    return ago < now ? now - ago : 0;
}

uint64_t cor_monotonic_resolution(void)
{
    const volatile struct vcpu_time_info *time = &cor_this_cpu()->info->time;
    uint64_t ns = cor_tsc_to_ns(1, time->tsc_to_system_mul, time->tsc_shift);
    return ns ? ns : 1;
}

void cor_wall_clock(uint64_t *seconds, uint32_t *nanoseconds)
{
    const volatile struct shared_info *shared = cor_shared_info;
    uint32_t version;
    uint64_t sec, nsec;

    do {
        version = shared->wc_version;
        __asm__ volatile("" ::: "memory");
        sec = (uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec;
        nsec = shared->wc_nsec;
        __asm__ volatile("" ::: "memory");
    } while ((version & 1) || version != shared->wc_version);
    nsec += cor_monotonic_ns();
    *seconds = sec + nsec / 1000000000;
    *nanoseconds = (uint32_t)(nsec % 1000000000);
}
