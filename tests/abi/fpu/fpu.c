/* SPDX-License-Identifier: MIT */
/* Floating point state: what is there at first, that it survives everything, TS, and XSAVE where the
 * processor has it. */
#include "tests/abi/lib/test.h"

static uint8_t image[512] __attribute__((aligned(64)));

static void save(void)
{
    __asm__ volatile("fxsave64 %0" : "=m"(image));
}

static void initial(void)
{
    save();
    check_eq(*(uint16_t *)image, 0x37f, "x87 control word");
    check_eq(*(uint16_t *)(image + 2), 0, "x87 status word");
    check_eq(image[4], 0, "x87 tags: empty");
    check_eq(*(uint32_t *)(image + 24), 0x1f80, "MXCSR");
}

/* A pattern in all of xmm0..15 and st0..7. */
static void load_pattern(unsigned seed)
{
    static uint8_t pattern[512] __attribute__((aligned(64)));

    __asm__ volatile("fninit; fxsave64 %0" : "=m"(pattern));
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned b = 0; b < 10; b++) {
            pattern[32 + i * 16 + b] = (uint8_t)(seed + i * 16 + b);
        }
    }
    pattern[4] = 0xff;
    for (unsigned i = 160; i < 416; i++) {
        pattern[i] = (uint8_t)(seed * 3 + i);
    }
    __asm__ volatile("fxrstor64 %0" : : "m"(pattern));
}

static unsigned differences(unsigned seed)
{
    unsigned wrong = 0;

    save();
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned b = 0; b < 10; b++) {
            wrong += image[32 + i * 16 + b] != (uint8_t)(seed + i * 16 + b);
        }
    }
    for (unsigned i = 160; i < 416; i++) {
        wrong += image[i] != (uint8_t)(seed * 3 + i);
    }
    return wrong;
}

static void survives(void)
{
    struct vcpu_set_singleshot_timer timer = {0};

    load_pattern(1);
    for (unsigned i = 0; i < 100; i++) {
        hcall(xen_version, XENVER_version, NULL);
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    check_eq(differences(1), 0, "hypercalls");
    load_pattern(2);
    for (unsigned i = 0; i < 100; i++) {
        PROBE(__asm__ volatile("ud2"));
        probe_read(0);
    }
    check_eq(differences(2), 0, "traps");
    load_pattern(3);
    hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL);
    for (unsigned i = 0; i < 10; i++) {
        timer.timeout_abs_ns = now() + 2000000;
        hcall(vcpu_op, VCPUOP_set_singleshot_timer, 0, &timer);
        hcall(sched_op, SCHEDOP_poll, &(struct sched_poll){.timeout = now() + 2000000});
    }
    check_eq(differences(3), 0, "sleep");
}

static volatile unsigned long other_ready, other_wrong, other_done;

static void other_vcpu(void *arg)
{
    (void)arg;
    save();
    other_wrong = *(uint16_t *)image != 0x37f || *(uint32_t *)(image + 24) != 0x1f80;
    for (unsigned i = 160; i < 416; i++) {
        other_wrong += image[i] != 0;
    }
    load_pattern(77);
    other_ready = 1;
    while (other_done == 0) {
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    other_wrong += differences(77);
    other_ready = 2;
}

/* Two vCPUs, two states; a new vCPU begins with a clean one. */
static void two_vcpus(void)
{
    load_pattern(5);
    check_eq(vcpu_start(1, other_vcpu, NULL), 0, "start vcpu 1");
    check(wait_until(&other_ready, 1), "it runs");
    check_eq(differences(5), 0, "ours is ours");
    other_done = 1;
    check(wait_until(&other_ready, 2), "it ends");
    check_eq((long)other_wrong, 0, "its state was clean, and stayed its own");
}

static void task_switched(void)
{
    uint16_t status;
    struct trap t;

    check_eq(hcall(fpu_taskswitch, 1), 0, "set TS");
    t = PROBE(__asm__ volatile("fnstsw %0" : "=m"(status)));
    check_eq(t.vector, NM, "x87 traps");
    observe((long)t.error, "error code");
    /* The hypervisor clears TS as it delivers #NM. */
    check_eq(PROBE(__asm__ volatile("fnstsw %0" : "=m"(status))).vector, NO_TRAP, "once");
    check_eq(hcall(fpu_taskswitch, 1), 0, "set TS again");
    check_eq(PROBE(__asm__ volatile("movaps %%xmm0, %%xmm1" : : :)).vector, NM, "SSE traps");
    hcall(fpu_taskswitch, 1);
    check_eq(hcall(fpu_taskswitch, 0), 0, "clear TS");
    check_eq(PROBE(__asm__ volatile("movaps %%xmm0, %%xmm1" : : :)).vector, NO_TRAP, "no trap then");
    load_pattern(9);
    hcall(fpu_taskswitch, 1);
    hcall(sched_op, SCHEDOP_yield, NULL);
    hcall(fpu_taskswitch, 0);
    check_eq(differences(9), 0, "the state is kept through it");
    hcall(fpu_taskswitch, 1);
    check_eq(PROBE(__asm__ volatile("clts")).vector, NO_TRAP, "clts is emulated");
    check_eq(PROBE(__asm__ volatile("fnop")).vector, NO_TRAP, "and works");
}

static void exceptions(void)
{
    uint32_t unmasked = 0x1f80 & ~0x200u, normal = 0x1f80;

    /* TCG raises no SIMD exceptions of its own, but loading a bad MXCSR must fault. */
    check_eq(PROBE(__asm__ volatile("ldmxcsr %0; ldmxcsr %1"
                                    :
                                    : "m"(unmasked), "m"(normal)))
                 .vector,
             NO_TRAP, "unmask divide errors");
    unmasked = 0xffffffff;
    observe(PROBE(__asm__ volatile("ldmxcsr %0" : : "m"(unmasked))).vector, "a bad MXCSR");
    __asm__ volatile("ldmxcsr %0" : : "m"(normal));
}

static void xsave_state(void)
{
    static uint8_t area[4096] __attribute__((aligned(64)));
    uint32_t a, b, c, d, low, high;

    /* The forced-emulation prefix asks the hypervisor and not the processor. */
    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
                     : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                     : "a"(1), "c"(0));
    if ((c & (1u << 27)) == 0) {
        observe(PROBE(__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0))).vector, "no xgetbv");
        return;
    }
    check_eq(PROBE(__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0))).vector, NO_TRAP, "xgetbv");
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    check_eq(low & 1, 1, "x87 is enabled");
    observe(PROBE(__asm__ volatile("xsetbv" : : "a"(3), "d"(0), "c"(0))).vector, "xsetbv x87 and SSE");
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    check_eq(low, 3, "reads back");
    observe(PROBE(__asm__ volatile("xsetbv" : : "a"(2), "d"(0), "c"(0))).vector, "xsetbv without x87");
    observe(PROBE(__asm__ volatile("xsetbv"
                                   :
                                   : "a"(3), "d"(0x40000000), "c"(0)))
                .vector,
            "xsetbv unknown bits");
    observe(PROBE(__asm__ volatile("xsetbv" : : "a"(3), "d"(0), "c"(1))).vector, "xsetbv of register 1");
    load_pattern(31);
    check_eq(PROBE(__asm__ volatile("xsave64 %0" : "+m"(area) : "a"(3), "d"(0))).vector, NO_TRAP, "xsave");
    load_pattern(32);
    for (unsigned i = 0; i < 20; i++) {
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    check_eq(PROBE(__asm__ volatile("xrstor64 %0" : : "m"(area), "a"(3), "d"(0))).vector, NO_TRAP, "xrstor");
    check_eq(differences(31), 0, "brings the state back");
}

const struct test_case test_cases[] = {
    {"initial", initial, false},
    {"survives", survives, false},
    {"two_vcpus", two_vcpus, false},
    {"task_switched", task_switched, false},
    {"exceptions", exceptions, false},
    {"xsave_state", xsave_state, false},
    {0},
};
