/* SPDX-License-Identifier: MIT */
/* A fork bomb: every vCPU that the domain may have, and each starts and stops others. */
#include "tests/system/control/attackers/attack.h"

#define MOST      128u
#define INFOS     (PAGE_SIZE / sizeof(vcpu_info_t))
#define STACK_TOP (PAGE_SIZE - 8) /* as after a call */

static unsigned running = 1;

static void bomb(unsigned id)
{
    struct attacker a = {id, id * 0x9e3779b97f4a7c15 + 1};
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = 1};
    struct vcpu_set_periodic_timer period = {.period_ns = 1000000};

    for (;;) {
        unsigned other = 1 + below(&a, MOST - 1);

        switch (below(&a, 8)) {
        case 0:
            hcall(vcpu_op, VCPUOP_down, other, NULL);
            break;
        case 1:
            hcall(vcpu_op, VCPUOP_set_singleshot_timer, id, &timer);
            break;
        case 2:
            hcall(vcpu_op, VCPUOP_set_periodic_timer, id, &period);
            break;
        case 3:
            hcall(vcpu_op, VCPUOP_stop_periodic_timer, id, NULL);
            break;
        case 4:
            hcall(sched_op, SCHEDOP_yield);
            break;
        default:
            hcall(vcpu_op, VCPUOP_up, other, NULL);
            break;
        }
        counted();
        for (unsigned spin = below(&a, 2000); spin > 0; spin--) {
            __asm__ volatile("");
        }
    }
}

/* One more vCPU, with a stack of its own, without handlers, upcalls masked. */
static bool fork(unsigned id)
{
    static struct vcpu_guest_context context;
    static vcpu_info_t *infos;
    vcpu_info_t *info = &shared()->vcpu_info[id % XEN_LEGACY_MAX_VCPUS];
    char *stack = page_alloc();

    if (id >= XEN_LEGACY_MAX_VCPUS) {
        struct vcpu_register_vcpu_info op;

        if (id % INFOS == 0 || infos == NULL) {
            infos = page_alloc();
        }
        op = (struct vcpu_register_vcpu_info){.mfn = va_to_mfn(infos),
                                              .offset = id % INFOS * sizeof(vcpu_info_t)};
        if (hcall(vcpu_op, VCPUOP_register_vcpu_info, id, &op) != 0) {
            return false;
        }
        info = &infos[id % INFOS];
    }
    info->evtchn_upcall_mask = 1;
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (uint64_t)bomb;
    context.user_regs.rdi = id;
    context.user_regs.rsp = context.kernel_sp = (uint64_t)stack + STACK_TOP;
    context.user_regs.rflags = 0x2;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.ctrlreg[3] = xen_pfn_to_cr3(va_to_mfn((void *)start_info->pt_base));
    return hcall(vcpu_op, VCPUOP_initialise, id, &context) == 0 && hcall(vcpu_op, VCPUOP_up, id, NULL) == 0;
}

void attack_vcpus(void)
{
    while (running < MOST && fork(running)) {
        running++;
    }
    say(running == MOST ? "128 vCPUs run\n" : "too few vCPUs\n");
    bomb(0);
}
