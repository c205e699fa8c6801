/* SPDX-License-Identifier: MIT */
/*
 * Starting the other processors, one after the other. The boot processor makes a block, sends INIT and
 * start-up IPIs, answers the newcomer's questions about the TSC, and counts it in once it says that it is
 * ready.
 */
#include "hypervisor/cpu/apic.h"
#include "hypervisor/cpu/clock.h"
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/domain/create.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"
#include "hypervisor/include/timer.h"
#include "hypervisor/mm/paging.h"

#define SYNC_ROUNDS 16
#define MILLISECOND 1000000ul
#define READY_WAIT  (5000 * MILLISECOND) /* long: a virtual processor starts when its host lets it */
#define SIPI_WAIT   (MILLISECOND / 4)
#define EFER_LME    0x100u
#define EFER_NXE    0x800u

extern char smp_trampoline[], smp_trampoline_end[], smp_trampoline_gdtr[], smp_trampoline_far[];
extern char smp_trampoline_cr3[], smp_trampoline_efer[];

enum start_state { START_NONE, START_ALIVE, START_READY, START_REFUSED };

/* For the one processor that is starting. */
unsigned long smp_stack; /* smp_entry.S reads it */
static uint64_t smp_l4[512] __attribute__((aligned(4096)));
static uint32_t state; /* enum start_state: atomic, the newcomer's */
static struct {
    uint32_t asked, answered; /* rounds: atomic */
    uint64_t tsc;             /* the boot processor's, for round `answered` */
    int64_t offset;           /* what the newcomer found */
    uint64_t precision;
} sync;

static unsigned nr_online = 1;

unsigned cpu_count(void)
{
    return read_once(nr_online);
}

void hazard_raise_on(unsigned cpu, uint32_t bits)
{
    __atomic_fetch_or(&percpu_of(cpu)->hazard, bits, __ATOMIC_SEQ_CST);
    if (cpu != this_cpu()->cpu) {
        apic_send_ipi(cpu, bits & HAZARD_FLUSH ? VECTOR_FLUSH : VECTOR_HAZARD);
    }
}

/* A 32-bit word of the trampoline's copy, by its place in the original. */
static void patch(char *copy, const char *where, uint32_t add)
{
    uint32_t value;

    copy += image_paddr(where) - image_paddr(smp_trampoline);
    memcpy(&value, copy, sizeof(value));
    value += add;
    memcpy(copy, &value, sizeof(value));
}

/* The first instructions, below 1 MiB; false: no room for them. */
static bool copy_trampoline(void)
{
    char *copy = boot_info.trampoline ? boot_identity(boot_info.trampoline) : NULL;

    if (!copy) {
        return false;
    }
    memcpy(copy, smp_trampoline, image_paddr(smp_trampoline_end) - image_paddr(smp_trampoline));
    patch(copy, smp_trampoline_gdtr + 2, (uint32_t)boot_info.trampoline);
    patch(copy, smp_trampoline_far, (uint32_t)boot_info.trampoline);
    patch(copy, smp_trampoline_cr3, (uint32_t)image_paddr(smp_l4));
    patch(copy, smp_trampoline_efer, EFER_LME | (cpu_features.nx ? EFER_NXE : 0));
    memcpy(smp_l4, boot_l4, sizeof(smp_l4));
    smp_l4[0] = image_paddr(boot_l3_low) | 3;
    return true;
}

/* The newcomer asks for the boot processor's TSC some times; the quickest answer tells most. */
static void sync_ask(void)
{
    uint64_t shortest = ~0ul;

    for (uint32_t round = 1; round <= SYNC_ROUNDS; round++) {
        uint64_t before = rdtsc(), took;

        __atomic_store_n(&sync.asked, round, __ATOMIC_RELEASE);
        while (__atomic_load_n(&sync.answered, __ATOMIC_ACQUIRE) != round) {
            cpu_relax();
        }
        took = rdtsc() - before;
        if (took < shortest) {
            shortest = took;
            sync.offset = (int64_t)(sync.tsc - (before + took / 2));
        }
    }
    sync.precision = shortest / 2;
    /* A difference that the question's own time explains is none. */
    if ((uint64_t)(sync.offset < 0 ? -sync.offset : sync.offset) <= sync.precision) {
        sync.offset = 0;
    }
}

static void sync_answer(void)
{
    uint32_t asked = __atomic_load_n(&sync.asked, __ATOMIC_ACQUIRE);

    if (asked != sync.answered) {
        sync.tsc = rdtsc();
        __atomic_store_n(&sync.answered, asked, __ATOMIC_RELEASE);
    }
}

_Noreturn void smp_main(void);

/* First C of a started processor, on its own stack. */
_Noreturn void smp_main(void)
{
    cpu_init_local();
    if (cpu_features_check()) {
        __atomic_store_n(&state, START_REFUSED, __ATOMIC_RELEASE);
        for (;;) {
            __asm__ volatile("cli; hlt");
        }
    }
    __atomic_store_n(&state, START_ALIVE, __ATOMIC_RELEASE);
    sync_ask();
    clock_init_secondary(sync.offset);
    apic_init_local();
    sched_init_cpu();
    clock_start_adjusting();
    this_cpu()->online = true;
    __atomic_store_n(&state, START_READY, __ATOMIC_RELEASE);
    cpu_idle_loop();
}

/* Waits until the newcomer says `wanted` or more, answering it meanwhile; false: it did not within that time.
 */
static bool wait_for(enum start_state wanted, uint64_t ns)
{
    uint64_t start = rdtsc(), end = clock_now() + ns;
    bool there;

    do {
        sync_answer();
        cpu_relax();
        there = __atomic_load_n(&state, __ATOMIC_ACQUIRE) >= wanted;
    } while (!there && clock_now() < end);
    timeline_wait(rdtsc() - start);
    return there;
}

static bool start(unsigned cpu, uint32_t id)
{
    uint8_t page = (uint8_t)(boot_info.trampoline >> PAGE_SHIFT);

    memset(&sync, 0, sizeof(sync));
    state = START_NONE;
    smp_stack = percpu_stack_top(cpu);
    apic_send_startup(id, page);
    if (!wait_for(START_ALIVE, SIPI_WAIT)) {
        apic_send_startup(id, page);
    }
    if (!wait_for(START_READY, READY_WAIT) || state == START_REFUSED) {
        log_warn("smp: processor with APIC ID %u: expected it to start, %s: it stays off", id,
                 state == START_REFUSED ? "found other features than the boot processor's"
                 : state == START_ALIVE ? "found it stuck"
                                        : "found no answer");
        apic_send_init(id);
        return false;
    }
    if (sync.offset) {
        log_info("smp: processor %u: its TSC is %ld ticks behind (known to %lu): corrected", cpu, sync.offset,
                 sync.precision);
    }
    return true;
}

/*
 * Must INIT be followed by the 10 ms that the old specification asks for (MultiProcessor 1.4, B.4)? Intel's
 * P6 family and all 64-bit processors of AMD's take a start-up IPI at once; NetBurst is not known to.
 */
static bool init_is_slow(void)
{
    uint32_t signature = cpuid(1, 0).eax;

    return !cpu_features.amd && !(cpu_features.intel && (signature >> 8 & 0xf) == 6);
}

/* A block, a clock, a timer queue and an idle vCPU for one more processor. */
static int create(unsigned cpu, uint32_t id)
{
    int rc = percpu_create(cpu, id);

    rc = rc ? rc : clock_create(percpu_of(cpu));
    rc = rc ? rc : timer_create_queue(percpu_of(cpu));
    return rc ? rc : idle_vcpu_create(cpu);
}

void smp_init(void)
{
    unsigned limit = options.nosmp ? 1 : options.maxcpus ? options.maxcpus : CPU_MAX;
    bool created = false;

    this_cpu()->online = true;
    if (limit == 1 || acpi.nr_cpus <= 1) {
        return;
    }
    if (!copy_trampoline()) {
        log_warn(
            "smp: expected a free page below 640 KiB to start processors from, found none: one processor");
        return;
    }
    for (unsigned i = 0; i < acpi.nr_cpus; i++) {
        if (acpi.cpu_apic_id[i] != this_cpu()->apic_id) {
            apic_send_init(acpi.cpu_apic_id[i]);
        }
    }
    if (init_is_slow()) {
        state = START_NONE;
        wait_for(START_READY, 10 * MILLISECOND);
    }
    for (unsigned i = 0; i < acpi.nr_cpus && nr_online < limit; i++) {
        uint32_t id = acpi.cpu_apic_id[i];

        if (id == this_cpu()->apic_id) {
            continue;
        }
        if (!created && create(nr_online, id) != 0) {
            log_warn("smp: no memory for processor %u: the rest stays off", nr_online);
            break;
        }
        percpu_of(nr_online)->apic_id = id;
        created = !start(nr_online, id);
        if (!created) {
            write_once(nr_online, nr_online + 1);
        }
    }
    log_info("smp: %u of %u processors online", nr_online, acpi.nr_cpus);
}
