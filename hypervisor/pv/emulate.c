/* SPDX-License-Identifier: MIT */
/* Forced-emulation CPUID. */
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/string.h"
#include "hypervisor/pv/pv.h"

bool pv_emulate_cpuid(struct vcpu *v, struct cpu_user_regs *regs)
{
    static const uint8_t wanted[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};
    uint8_t code[sizeof(wanted)];
    uint32_t a, b, c, d;

    if (copy_from_guest(code, gva(regs->rip), sizeof(code)) != 0 || memcmp(code, wanted, sizeof(code)) != 0) {
        return false;
    }
    a = regs->eax;
    c = regs->ecx;
    pv_cpuid(v, &a, &b, &c, &d);
    regs->rax = a;
    regs->rbx = b;
    regs->rcx = c;
    regs->rdx = d;
    regs->rip += sizeof(code);
    return true;
}
bool pv_emulate_privileged(struct vcpu *v, struct cpu_user_regs *regs)
{
    (void)v;
    (void)regs;
    return false;
}
bool pv_emulate_pt_write(struct vcpu *v, struct cpu_user_regs *regs, unsigned long va)
{
    (void)v;
    (void)regs;
    (void)va;
    return false;
}
void pv_cpuid(const struct vcpu *v, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    (void)v;
    __asm__ volatile("cpuid" : "+a"(*eax), "=b"(*ebx), "+c"(*ecx), "=d"(*edx));
}
