/* SPDX-License-Identifier: MIT */
/*
 * Machine checks (Intel SDM 3, "Machine-Check Architecture"; AMD64 APM 2, chapter 9). An error that the
 * processor could not correct may be anybody's, so the machine stops and says which bank reported what. What
 * an earlier run of the machine left in the banks is reported at the start.
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"

#define CPUID_MCE (1u << 7)
#define CPUID_MCA (1u << 14)
#define CR4_MCE   (1ul << 6)

#define MSR_MCG_CAP      0x179
#define MSR_MCG_STATUS   0x17a
#define MSR_MCG_CTL      0x17b
#define MSR_MC_CTL(i)    (0x400 + 4 * (i))
#define MSR_MC_STATUS(i) (0x401 + 4 * (i))
#define MSR_MC_ADDR(i)   (0x402 + 4 * (i))
#define MCG_CAP_BANKS    0xffu
#define MCG_CAP_CTL      (1u << 8)
#define STATUS_VALID     (1ul << 63)
#define STATUS_ADDRESS   (1ul << 58)

static unsigned banks(void)
{
    return (unsigned)(rdmsr(MSR_MCG_CAP) & MCG_CAP_BANKS);
}

/* Whose firmware owns the first bank's control register: Intel's family 6 before Nehalem. */
static bool bank_0_is_taken(uint32_t signature)
{
    unsigned family = signature >> 8 & 0xf, model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);

    return cpu_features.intel && family == 6 && model < 0x1a;
}

void machine_check_init_local(void)
{
    struct cpuid_regs r = cpuid(1, 0);
    unsigned long cr4;

    if ((r.edx & (CPUID_MCE | CPUID_MCA)) != (CPUID_MCE | CPUID_MCA)) {
        return;
    }
    if (rdmsr(MSR_MCG_CAP) & MCG_CAP_CTL) {
        wrmsr(MSR_MCG_CTL, ~0ul);
    }
    for (unsigned i = 0; i < banks(); i++) {
        uint64_t status = rdmsr(MSR_MC_STATUS(i));

        if (status & STATUS_VALID) {
            log_warn("processor %u: machine check bank %u holds an error of before: status %#lx",
                     this_cpu()->cpu, i, status);
        }
        if (i > 0 || !bank_0_is_taken(r.eax)) {
            wrmsr(MSR_MC_CTL(i), ~0ul);
        }
        wrmsr(MSR_MC_STATUS(i), 0);
    }
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | CR4_MCE));
}

/* One line, which takes no lock: the exception may come anywhere. */
void machine_check(struct cpu_user_regs *regs)
{
    uint64_t status = 0, address = 0;
    unsigned bank = 0;

    for (unsigned i = 0; i < banks() && !(status & STATUS_VALID); i++) {
        bank = i;
        status = rdmsr(MSR_MC_STATUS(i));
        address = status & STATUS_ADDRESS ? rdmsr(MSR_MC_ADDR(i)) : 0;
    }
    panic("machine check on processor %u at %04x:%016lx: machine status %#lx, bank %u, status %#lx, address "
          "%#lx",
          this_cpu()->cpu, regs->cs, (unsigned long)regs->rip, rdmsr(MSR_MCG_STATUS), bank, status, address);
}
