/* SPDX-License-Identifier: MIT */
/*
 * System time. Each processor has a line from its TSC to nanoseconds (clock_math.h). Where the TSC is
 * invariant, all have the same slope for ever. Elsewhere a processor moves its line to the platform timer
 * once a second, and when it wakes from a halt in which its TSC may have stood still.
 */
#include "hypervisor/cpu/clock.h"
#include "hypervisor/cpu/apic.h"
#include "hypervisor/cpu/clock_math.h"
#include "hypervisor/drivers/cmos.h"
#include "hypervisor/drivers/platform_timer.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/string.h"
#include "hypervisor/include/timer.h"

#define SECOND         1000000000ul
#define SAMPLE_TRIES   8
#define WAKE_TOLERANCE 10000 /* ns by which a clock may be off after a halt without a correction */

struct clock_local {
    struct clock_line line;
    struct clock_sample last; /* where the slope was measured last */
    uint32_t version;         /* different for each line of any processor */
    struct timer adjust;
};

static struct clock_local boot_clock;
static uint32_t versions; /* atomic */
static uint64_t tsc_hz, apic_hz;
static uint64_t reference_offset; /* from the platform timer's time to system time */
static bool adjusting;            /* lines move after boot */
static uint64_t wall_sec;
static uint32_t wall_nsec;

uint64_t clock_tsc_hz(void)
{
    return tsc_hz;
}

uint64_t clock_now(void)
{
    const struct clock_local *c = this_cpu()->clock;

    return c ? clock_at(&c->line, rdtsc()) : 0;
}

uint64_t clock_tsc_at(uint64_t when)
{
    return clock_inverse(&this_cpu()->clock->line, when);
}

void clock_wall_at_boot(uint64_t *sec, uint32_t *nsec)
{
    *sec = wall_sec;
    *nsec = wall_nsec;
}

/*
 * Both clocks at one moment: tried again while something (a host's scheduler, an SMI) comes between the
 * readings. Returns the ticks that the best try took: the sample is off by half of that at most.
 */
static uint64_t sample(struct clock_sample *best)
{
    uint64_t shortest = ~0ul, enough = tsc_hz / 100000;

    for (unsigned i = 0; i < SAMPLE_TRIES && shortest > enough; i++) {
        uint64_t before = rdtsc(), ns = platform_timer_now(), took = rdtsc() - before;

        if (took < shortest) {
            shortest = took;
            best->tsc = before + took / 2;
            best->ns = ns + reference_offset;
        }
    }
    return shortest;
}

/* To the reference, unless it cannot be read quickly enough just now to be of use. */
static void follow_reference(struct clock_local *c)
{
    struct clock_sample now = {0};

    if (sample(&now) < tsc_hz / 1000) {
        clock_adjust(&c->line, &c->last, now);
        c->version = __atomic_add_fetch(&versions, 1, __ATOMIC_RELAXED);
        hazard_raise(HAZARD_CLOCK);
    }
}

static void adjust(void *data)
{
    struct clock_local *c = data;

    follow_reference(c);
    timer_set(&c->adjust, clock_now() + SECOND);
}

void clock_wake(void)
{
    struct clock_local *c = this_cpu()->clock;
    int64_t behind;
    uint64_t tsc;

    if (!adjusting) {
        return;
    }
    tsc = rdtsc();
    behind = (int64_t)(platform_timer_now() + reference_offset - clock_at(&c->line, tsc));
    if (behind > WAKE_TOLERANCE || behind < -WAKE_TOLERANCE) {
        follow_reference(c);
    }
}

/* What CPUID tells, in Hz; 0: nothing. */
static void frequencies_from_cpuid(void)
{
    struct cpuid_regs r = cpuid(0, 0);

    if (r.eax >= 0x15) {
        r = cpuid(0x15, 0);
        if (r.eax && r.ebx && r.ecx) {
            tsc_hz = (uint64_t)r.ecx * r.ebx / r.eax;
            apic_hz = r.ecx;
            return;
        }
    }
    /* The timing leaf that VMware began and KVM took over, in kHz. */
    if ((cpuid(1, 0).ecx >> 31) && cpuid(0x40000000, 0).eax >= 0x40000010 &&
        cpuid(0x40000000, 0).eax < 0x40001000) {
        r = cpuid(0x40000010, 0);
        tsc_hz = (uint64_t)r.eax * 1000;
        apic_hz = (uint64_t)r.ebx * 1000;
    }
}

/* The count of the APIC's timer at one moment of the TSC, by the quickest of some tries, as in sample(). */
static uint32_t sample_apic(uint64_t *tsc)
{
    uint64_t shortest = ~0ul;
    uint32_t best = 0;

    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = rdtsc();
        uint32_t count = apic_timer_count();
        uint64_t took = rdtsc() - before;

        if (took < shortest) {
            shortest = took;
            *tsc = before + took / 2;
            best = count;
        }
    }
    return best;
}

/* Looks at the reference for a while, and counts the TSC and the APIC's timer meanwhile. */
static void measure_frequencies(void)
{
    bool reference = platform_timer_name() != NULL;
    struct clock_sample start = {0}, end = {0};
    uint64_t apic_start = 0, apic_end = 0, span, ticks;
    unsigned __int128 product;
    uint32_t apic_count;

    if (reference) {
        sample(&start);
    } else {
        pit_start();
        start.tsc = rdtsc();
    }
    apic_timer_count_start();
    apic_count = sample_apic(&apic_start);
    if (reference) {
        while (platform_timer_now() + reference_offset - start.ns < platform_timer_window()) {
        }
        sample(&end);
    } else {
        while (!pit_done()) {
        }
        end.tsc = rdtsc();
        end.ns = PIT_WAIT_NS;
    }
    apic_count = sample_apic(&apic_end) - apic_count;
    ticks = end.tsc - start.tsc;
    span = MAX(end.ns - start.ns, 1ul);
    timeline_wait(ticks);
    if (!tsc_hz) {
        tsc_hz = ticks * SECOND / span;
    }
    product = (unsigned __int128)apic_count * tsc_hz;
    apic_hz = clock_divide((uint64_t)(product >> 64), (uint64_t)product, apic_end - apic_start);
}

void clock_start_adjusting(void)
{
    struct clock_local *c = this_cpu()->clock;

    if (adjusting) {
        timer_init(&c->adjust, adjust, c);
        timer_set(&c->adjust, clock_now() + SECOND);
    }
}

void clock_init(void)
{
    struct clock_local *c = &boot_clock;
    uint64_t now;

    platform_timer_init();
    frequencies_from_cpuid();
    if (!tsc_hz || (!apic_hz && !cpu_features.tsc_deadline)) {
        measure_frequencies();
    }
    apic_timer_calibrated(apic_hz);
    clock_set_slope(&c->line, tsc_hz, SECOND);
    c->line.tsc = boot_tsc;
    c->line.ns = 0;
    c->version = ++versions;
    this_cpu()->clock = c;
    adjusting = !cpu_features.tsc_invariant && platform_timer_name();
    if (adjusting) {
        sample(&c->last);
        reference_offset = clock_at(&c->line, c->last.tsc) - c->last.ns;
        c->last.ns += reference_offset;
    }
    wall_sec = cmos_read_time();
    now = clock_now();
    if (wall_sec > now / SECOND) {
        wall_sec -= now / SECOND + 1;
        wall_nsec = (uint32_t)(SECOND - 1 - now % SECOND);
    } else {
        log_warn("clock: expected a date in the CMOS clock, found none: it is 1970");
    }
    timers_init();
    clock_start_adjusting();
    log_info("clock: TSC %lu kHz%s, APIC timer %lu kHz%s, reference %s", tsc_hz / 1000,
             cpu_features.tsc_invariant ? " (invariant)" : "", apic_hz / 1000,
             cpu_features.tsc_deadline ? " (TSC deadline)" : "",
             platform_timer_name() ? platform_timer_name() : "PIT");
}

int clock_create(struct percpu *cpu)
{
    cpu->clock = heap_alloc(sizeof(*cpu->clock), NULL);
    return cpu->clock ? 0 : -ENOMEM;
}

void clock_init_secondary(int64_t offset)
{
    struct clock_local *c = this_cpu()->clock;

    c->line = boot_clock.line;
    c->line.tsc -= (uint64_t)offset;
    c->last = boot_clock.last;
    c->last.tsc -= (uint64_t)offset;
    c->version = __atomic_add_fetch(&versions, 1, __ATOMIC_RELAXED);
}

void clock_publish(struct vcpu *v)
{
    const struct clock_local *c = this_cpu()->clock;
    struct vcpu_time_info t = {
        .tsc_timestamp = c->line.tsc,
        .system_time = c->line.ns,
        .tsc_to_system_mul = c->line.mul,
        .tsc_shift = c->line.shift,
    };
    struct vcpu_time_info *shown = &v->info->time;

    if (v->clock_version == c->version || !v->info) {
        return;
    }
    v->clock_version = c->version;
    /* Odd while it changes; another vCPU of the guest may be reading. */
    t.version = (read_once(shown->version) | 1) + 2;
    write_once(shown->version, t.version);
    __asm__ volatile("" ::: "memory");
    shown->tsc_timestamp = t.tsc_timestamp;
    shown->system_time = t.system_time;
    shown->tsc_to_system_mul = t.tsc_to_system_mul;
    shown->tsc_shift = t.tsc_shift;
    shown->flags = 0;
    __asm__ volatile("" ::: "memory");
    write_once(shown->version, t.version + 1);
    if (v->time_va.v) {
        /* The guest's own memory: it may fault at any point, which then is the guest's affair. */
        gva_t version = gva(v->time_va.v + offsetof(struct vcpu_time_info, version));
        uint32_t even = t.version + 1;

        if (copy_to_guest(version, &t.version, sizeof(t.version)) == 0 &&
            copy_to_guest(v->time_va, &t, sizeof(t)) == 0) {
            copy_to_guest(version, &even, sizeof(even));
        }
    }
}
