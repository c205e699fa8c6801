/* SPDX-License-Identifier: MIT */
/*
 * The local APIC, by memory (xAPIC) or by MSRs (x2APIC, where CPUID shows it). All destinations are physical.
 */
#include "hypervisor/cpu/apic.h"
#include "hypervisor/cpu/clock_math.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"

#define REG_ID      0x20
#define REG_TPR     0x80
#define REG_EOI     0xb0
#define REG_SVR     0xf0
#define REG_ISR     0x100 /* 8 words, 16 bytes apart */
#define REG_ESR     0x280
#define REG_ICR     0x300
#define REG_ICR_TO  0x310
#define REG_TIMER   0x320
#define REG_THERMAL 0x330
#define REG_PERF    0x340
#define REG_LINT0   0x350
#define REG_LINT1   0x360
#define REG_ERROR   0x370
#define REG_INITIAL 0x380
#define REG_CURRENT 0x390
#define REG_DIVIDE  0x3e0
#define REG_VERSION 0x30

#define BASE_ENABLE  (1u << 11)
#define BASE_X2APIC  (1u << 10)
#define SVR_ENABLE   0x100u
#define LVT_MASKED   0x10000u
#define LVT_NMI      0x400u
#define LVT_DEADLINE 0x40000u
#define ICR_NMI      0x400u
#define ICR_INIT     0x500u
#define ICR_STARTUP  0x600u
#define ICR_PENDING  0x1000u
#define ICR_ASSERT   0x4000u
#define DIVIDE_BY_1  0xbu

static volatile uint32_t *registers; /* NULL: x2APIC, or not initialised */
static bool x2apic, ready;
static uint64_t timer_ticks_per_ns; /* << 32 */

static uint32_t apic_read(unsigned reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : registers[reg / 4];
}

static void apic_write(unsigned reg, uint32_t value)
{
    if (x2apic) {
        wrmsr(MSR_X2APIC + reg / 16, value);
    } else {
        registers[reg / 4] = value;
    }
}

uint32_t apic_id(void)
{
    return x2apic ? apic_read(REG_ID) : apic_read(REG_ID) >> 24;
}

uint32_t apic_boot_id(void)
{
    return cpuid(1, 0).ebx >> 24;
}

void apic_eoi(void)
{
    apic_write(REG_EOI, 0);
}

static void send(uint32_t id, uint32_t command)
{
    if (!ready) {
        return;
    }
    if (x2apic) {
        /* The write is not serializing: what the receiver is to see must be visible before (Intel SDM
         * 3, 11.12.3). */
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(MSR_X2APIC_ICR, (uint64_t)id << 32 | command);
        return;
    }
    while (apic_read(REG_ICR) & ICR_PENDING) {
        cpu_relax();
    }
    apic_write(REG_ICR_TO, id << 24);
    apic_write(REG_ICR, command);
}

void apic_send_ipi(unsigned cpu, uint8_t vector)
{
    send(percpu_of(cpu)->apic_id, ICR_ASSERT | vector);
}

/* One by one: a broadcast would reach processors that firmware has parked and that we never started. */
static void send_all_but_self(uint32_t command)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        if (cpu != this_cpu()->cpu) {
            send(percpu_of(cpu)->apic_id, command);
        }
    }
}

void apic_send_ipi_all_but_self(uint8_t vector)
{
    send_all_but_self(ICR_ASSERT | vector);
}

void apic_send_nmi_all_but_self(void)
{
    send_all_but_self(ICR_ASSERT | ICR_NMI);
}

void apic_send_init(uint32_t id)
{
    send(id, ICR_ASSERT | ICR_INIT);
}

void apic_send_startup(uint32_t id, uint8_t page)
{
    send(id, ICR_ASSERT | ICR_STARTUP | page);
}

void apic_timer_count_start(void)
{
    apic_write(REG_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(REG_DIVIDE, DIVIDE_BY_1);
    apic_write(REG_INITIAL, ~0u);
}

uint32_t apic_timer_count(void)
{
    return ~0u - apic_read(REG_CURRENT);
}

/* The timer of this processor, off but ready. */
static void timer_prepare(void)
{
    apic_write(REG_INITIAL, 0);
    if (cpu_features.tsc_deadline) {
        apic_write(REG_TIMER, LVT_DEADLINE | VECTOR_TIMER);
        /* The mode must be in force before the first deadline is written (Intel SDM 3, 11.5.4.1). */
        __asm__ volatile("mfence" ::: "memory");
    } else {
        apic_write(REG_DIVIDE, DIVIDE_BY_1);
        apic_write(REG_TIMER, VECTOR_TIMER);
    }
}

void apic_timer_calibrated(uint64_t hz)
{
    timer_ticks_per_ns = clock_divide(hz >> 32, hz << 32, 1000000000u);
    timer_prepare();
}

void apic_timer_set(uint64_t when)
{
    uint64_t now, ticks;

    if (cpu_features.tsc_deadline) {
        wrmsr(MSR_TSC_DEADLINE, when ? clock_tsc_at(when) : 0);
        return;
    }
    if (!when) {
        apic_write(REG_INITIAL, 0);
        return;
    }
    now = clock_now();
    ticks = when > now ? clock_scale(when - now, timer_ticks_per_ns) + 1 : 1;
    apic_write(REG_INITIAL, ticks > ~0u ? ~0u : (uint32_t)ticks);
}

/* Ends what firmware or a loader left in service. */
static void finish_stale(void)
{
    for (unsigned tries = 0; tries < 256; tries++) {
        uint32_t in_service = 0;

        for (unsigned word = 0; word < 8; word++) {
            in_service |= apic_read(REG_ISR + word * 16);
        }
        if (!in_service) {
            return;
        }
        apic_eoi();
    }
}

void apic_init_local(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    unsigned last_lvt;

    base |= BASE_ENABLE;
    wrmsr(MSR_APIC_BASE, base);
    if (x2apic) {
        wrmsr(MSR_APIC_BASE, base | BASE_X2APIC);
    }
    apic_write(REG_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(REG_TPR, 0);
    last_lvt = apic_read(REG_VERSION) >> 16 & 0xff;
    apic_write(REG_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(REG_LINT0, LVT_MASKED);
    apic_write(REG_LINT1, this_cpu()->cpu == 0 ? LVT_NMI : LVT_MASKED | LVT_NMI);
    apic_write(REG_ERROR, LVT_MASKED);
    if (last_lvt >= 4) {
        apic_write(REG_PERF, LVT_MASKED);
    }
    if (last_lvt >= 5) {
        apic_write(REG_THERMAL, LVT_MASKED);
    }
    finish_stale();
    if (timer_ticks_per_ns || this_cpu()->cpu) {
        timer_prepare();
    }
}

void apic_init(void)
{
    irq_init();
    if (!(cpuid(1, 0).edx & 1u << 9)) {
        panic("expected a local APIC, CPUID shows none");
    }
    /* Firmware that left x2APIC mode on does not let us go back without a reset of the APIC: stay. */
    x2apic = cpu_features.x2apic;
    if (!x2apic) {
        registers = map_mmio(acpi.lapic ? acpi.lapic : rdmsr(MSR_APIC_BASE) & 0xffffff000ul, PAGE_SIZE);
        if (!registers) {
            panic("no room to map the local APIC's registers");
        }
    }
    apic_init_local();
    ready = true;
    this_cpu()->apic_id = apic_id();
    log_debug("apic: %s, ID %u", x2apic ? "x2APIC" : "xAPIC", this_cpu()->apic_id);
}
