/* SPDX-License-Identifier: MIT */
/* The loop of each processor, the calls that are left out, and the call that knows nothing. See fuzz.h. */
#include "tests/fuzz/hypercalls/fuzz.h"
#include "pvboot/coracle_abi.h"
#include "tests/system/control/attack_page.h"

#define PROGRESS     5000
#define REPAIR_EVERY 400

static struct fuzzer fuzzers[MAX_VCPUS];
/* One page more than is used: structures that begin at the end of the last reach beyond it. */
static uint64_t spare[MAX_VCPUS][SPARES + 1][512] __attribute__((aligned(4096)));
static unsigned long calls_wanted;
static volatile unsigned long finished;

bool dares(struct fuzzer *f)
{
    return f->reckless && below(f, 64) == 0;
}

bool left_out(struct fuzzer *f, unsigned long nr, unsigned long cmd)
{
    switch (nr) {
    case __HYPERVISOR_set_callbacks:
    case __HYPERVISOR_callback_op:
    case __HYPERVISOR_set_trap_table:
    case __HYPERVISOR_stack_switch:
        return !dares(f);
    case __HYPERVISOR_iret:      /* takes its frame from the stack: see the moves of user mode */
    case __HYPERVISOR_multicall: /* its list would name calls that are left out: see multicall() */
    case __HYPERVISOR_console_io:
    case __HYPERVISOR_sched_op_compat:
        return true;
    case __HYPERVISOR_sched_op:
        return (int)cmd != SCHEDOP_yield && (unsigned)cmd < 16;
    case __HYPERVISOR_vcpu_op:
        return (int)cmd == VCPUOP_down ||
               (((int)cmd == VCPUOP_initialise || (int)cmd == VCPUOP_up) && !dares(f));
    default:
        return false;
    }
}

/*
 * An ordinary domain, which nobody hears, counts its calls where the scenario that made it reads them
 * (tests/system/control/attacks.c): the page stays mapped there whatever becomes of it here.
 */
static uint64_t *count_page;

static void note_call(const struct fuzzer *f)
{
    if (count_page) {
        count_page[f->id]++;
    }
}

long call(struct fuzzer *f, unsigned long nr, unsigned long a1, unsigned long a2, unsigned long a3,
          unsigned long a4, unsigned long a5)
{
    register unsigned long r10 __asm__("r10") = a4;
    register unsigned long r8 __asm__("r8") = a5;
    long rax = (long)nr;

    f->calls++;
    if (left_out(f, nr, a1)) {
        return 0;
    }
    note_call(f);
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                     :
                     : "rcx", "r11", "r9", "memory");
    f->good += rax >= 0;
    return rax;
}

/* Any number, any arguments. */
static void random_call(struct fuzzer *f)
{
    unsigned long nr = below(f, 56), a[5];

    for (unsigned j = 0; j < 5; j++) {
        a[j] = j == 0 || below(f, 3) ? value(f) : number(f);
    }
    if (below(f, 2)) {
        a[0] = below(f, 32); /* a command */
        a[1] = below(f, 2) ? (unsigned long)f->scratch : a[1];
    }
    call(f, nr, a[0], a[1], a[2], a[3], a[4]);
}

/* A list of calls, some of which know nothing and some of which continue themselves. */
static void multicall(struct fuzzer *f)
{
    /* Not in the page of arguments, or its own entries would write calls into it that are left out. */
    static multicall_entry_t lists[MAX_VCPUS][16];
    multicall_entry_t *list = lists[f->id];
    unsigned n = 1 + below(f, 12);

    for (unsigned i = 0; i < n; i++) {
        list[i].op = below(f, 56);
        for (unsigned j = 0; j < 6; j++) {
            list[i].args[j] = below(f, 2) ? value(f) : number(f);
        }
        list[i].args[0] = below(f, 2) ? below(f, 32) : list[i].args[0];
        if (left_out(f, list[i].op, list[i].args[0])) {
            list[i].op = __HYPERVISOR_update_va_mapping;
            list[i].args[0] = (unsigned long)pages[below(f, PAGES)];
            list[i].args[1] = any_pte(f);
            list[i].args[2] = below(f, 3);
        }
    }
    f->calls++;
    note_call(f);
    f->good += hcall(multicall, list, n) >= 0;
}

static void move(struct fuzzer *f)
{
    unsigned kind = below(f, 10);

    if (kind < 4) {
        random_call(f);
    } else if (kind < 5) {
        multicall(f);
    } else if (kind < 8) {
        memory_moves[below(f, nr_memory_moves)](f);
    } else {
        cpu_moves[below(f, nr_cpu_moves)](f);
    }
}

/*
 * Fills the argument page with values; takes the next one if it cannot be written any more. false: none is
 * left.
 */
static bool scratch_fill(struct fuzzer *f)
{
    struct trap t;

    do {
        t = PROBE(for (unsigned j = 0; j < 64; j++) { f->scratch[below(f, 500)] = value(f); });
        if (t.vector != NO_TRAP) {
            f->scratch = spare[f->id][++f->scratch_nr % SPARES];
        }
    } while (t.vector != NO_TRAP && f->scratch_nr < SPARES);
    return f->scratch_nr < SPARES;
}

static void processor(void *arg)
{
    struct fuzzer *f = arg;
    unsigned long told = 0, repaired = 0;

    f->scratch = spare[f->id][0];
    (void)PROBE(cpu_start(f));
    while (f->calls < calls_wanted && scratch_fill(f)) {
        (void)PROBE(move(f));
        events_off();
        f->calls++;
        if (f->calls - repaired > REPAIR_EVERY) {
            repaired = f->calls;
            install_traps();
            (void)PROBE(repair(f));
        }
        if (f->calls - told > PROGRESS) {
            told = f->calls;
            print("fuzz: processor %u: %lu calls, %lu without error\n", f->id, f->calls, f->good);
        }
    }
    print("fuzz: processor %u ends after %lu calls, %lu without error\n", f->id, f->calls, f->good);
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
    if (f->id != 0) {
        vcpu_stop();
    }
}

static unsigned long argument(const char *name, unsigned long otherwise)
{
    unsigned long n = 0;

    for (const char *p = test_args; *p; p++) {
        if (strncmp(p, name, strlen(name)) == 0) {
            for (p += strlen(name); *p >= '0' && *p <= '9'; p++) {
                n = n * 10 + (unsigned long)(*p - '0');
            }
            return n;
        }
    }
    return otherwise;
}

static void fuzz(void)
{
    unsigned long seed = argument("seed=", 1), reckless = argument("reckless=", 0), started = 1;

    calls_wanted = argument("calls=", 300000);
    print("fuzz: seed=%lu calls=%lu reckless=%lu\n", seed, calls_wanted, reckless);
    if ((start_info->flags & SIF_INITDOMAIN) == 0) {
        count_page =
            (uint64_t *)((char *)pfn_to_va(mfn_to_pfn(start_info->console.domU.mfn)) + ATTACK_COUNT_OFFSET);
    }
    values_init();
    cpu_init();
    for (unsigned i = 0; i < MAX_VCPUS; i++) {
        fuzzers[i].id = i;
        fuzzers[i].reckless = reckless != 0;
        fuzzers[i].state = (seed * MAX_VCPUS + i) * 0x9e3779b97f4a7c15 | 1;
    }
    while (started < MAX_VCPUS && vcpu_start((unsigned)started, processor, &fuzzers[started]) == 0) {
        started++;
        hcall(sched_op, SCHEDOP_yield); /* vcpu_start() has one context for all */
    }
    processor(&fuzzers[0]);
    (void)PROBE(for (unsigned i = 0; i < 30 && !wait_until(&finished, started); i++){});
    print("fuzz: all done, audit %ld\n", hypercall(__HYPERVISOR_coracle_op, CORACLE_OP_AUDIT, 0, 0, 0, 0));
    check(fuzzers[0].good > fuzzers[0].calls / 100, "the guest is still there");
}

const struct test_case test_cases[] = {{"fuzz", fuzz, false}, {0}};
