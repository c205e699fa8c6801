/* SPDX-License-Identifier: MIT */
/* Stacks and per-vCPU areas, and starting more vCPUs. */
#include "tests/abi/lib/test.h"
#include "tests/abi/lib/internal.h"

static char stacks[MAX_VCPUS][VCPU_STACK_SIZE] __attribute__((aligned(VCPU_STACK_SIZE)));

struct vcpu *this_vcpu(void)
{
    unsigned long rsp;

    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    return (struct vcpu *)(rsp & ~(VCPU_STACK_SIZE - 1ul));
}

vcpu_info_t *vcpu_info(void)
{
    return &shared()->vcpu_info[this_vcpu()->id];
}

void *vcpu_prepare(unsigned id)
{
    struct vcpu *v = (struct vcpu *)stacks[id];

    v->id = id;
    v->probe = NULL;
    v->upcalls = 0;
    return stacks[id] + VCPU_STACK_SIZE;
}

static struct {
    void (*fn)(void *arg);
    void *arg;
} jobs[MAX_VCPUS];

static void vcpu_main(void *arg)
{
    unsigned id = this_vcpu()->id;
    struct trap t;

    (void)arg;
    install_traps();
    t = PROBE(jobs[id].fn(jobs[id].arg));
    if (t.vector != NO_TRAP) {
        print("not ok vcpu %u: unexpected trap %ld, error %lx, cr2 %lx\n", id, t.vector, t.error, t.cr2);
    }
    vcpu_stop();
}

long vcpu_start(unsigned id, void (*fn)(void *arg), void *arg)
{
    static struct vcpu_guest_context context;
    char *top = vcpu_prepare(id);
    long error;

    jobs[id].fn = fn;
    jobs[id].arg = arg;
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (uint64_t)vcpu_main;
    context.user_regs.rsp = (uint64_t)top - 8;
    context.user_regs.rflags = 0x2;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = (uint64_t)top;
    context.ctrlreg[3] = xen_pfn_to_cr3(va_to_mfn((void *)start_info->pt_base));
    error = hcall(vcpu_op, VCPUOP_initialise, id, &context);
    return error != 0 ? error : hcall(vcpu_op, VCPUOP_up, id, NULL);
}

void vcpu_stop(void)
{
    for (;;) {
        hcall(vcpu_op, VCPUOP_down, this_vcpu()->id, NULL);
    }
}

bool wait_until(volatile unsigned long *word, unsigned long value)
{
    uint64_t end = now() + PATIENCE;

    while (*word != value) {
        if (now() > end) {
            return false;
        }
        hcall(sched_op, SCHEDOP_yield);
    }
    return true;
}
