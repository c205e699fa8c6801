/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers that a guest's kernel may read or write: those that stock Xen 4.17 offers to a
 * paravirtual domain, with its answers. The rest is #GP.
 */
#include "hypervisor/include/clock.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/pv.h"
#include "pvboot/build.h"

#define MSR_MISC_ENABLE    0x1a0
#define MC_BANKS           0x400 /* four registers each */
#define MC_BANKS_END       0x408
#define MC_BANKS_MAX       0x480
#define MSR_HYPERCALL_PAGE 0x40000000
#define MSR_EFER           0xc0000080
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_GS_OTHER       0xc0000102
#define MSR_TSC_AUX        0xc0000103

#define EFER_SHOWN       0x4d01ul /* SCE, LME, LMA, NXE, FFXSR: without SVME */
#define APIC_BASE        0xfee00800ul
#define APIC_BASE_FIRST  0x100ul
#define MISC_ENABLE_OFF  0x40080ul        /* performance monitoring, MONITOR */
#define MISC_ENABLE_ON   0x801800ul       /* BTS and PEBS unavailable, xTPR disabled */
#define GUEST_PAT        0x050100070406ul /* arch-x86/xen.h */
#define TRAP_TABLE_MAGIC 0x4000           /* upper half of the hypervisor's own numbers */

enum who { ANY, INTEL, AMD };
enum reading { FAULT, VALUE, HARDWARE };
enum writing { REFUSE, DROP, ZERO };

/* Ranges of registers with a fixed answer. */
static const struct rule {
    uint32_t first, last;
    uint8_t who, reading, writing;
    uint64_t value;
} rules[] = {
    {0x0, 0x1, ANY, VALUE, REFUSE, 0},               /* P5 machine check */
    {0x17, 0x17, INTEL, HARDWARE, REFUSE, 0},        /* platform id */
    {0x3a, 0x3a, INTEL, VALUE, REFUSE, 1},           /* feature control: locked */
    {0x8b, 0x8b, INTEL, HARDWARE, ZERO, 0},          /* microcode revision */
    {0x8b, 0x8b, AMD, HARDWARE, REFUSE, 0},          /* the same */
    {0xc1, 0xc8, INTEL, VALUE, DROP, 0},             /* performance counters */
    {0xce, 0xce, ANY, VALUE, REFUSE, 0},             /* platform info */
    {0xe7, 0xe8, ANY, FAULT, DROP, 0},               /* MPERF, APERF */
    {0x140, 0x140, ANY, VALUE, ZERO, 0},             /* miscellaneous features: no CPUID faulting */
    {0x179, 0x179, INTEL, VALUE, DROP, 0x1000c02},   /* machine check: two banks */
    {0x179, 0x179, ANY, VALUE, DROP, 2},             /* the same */
    {0x17a, 0x17b, ANY, VALUE, DROP, 0},             /* machine check: status, control */
    {0x186, 0x189, INTEL, VALUE, DROP, 0},           /* performance event selection */
    {0x198, 0x198, INTEL, VALUE, REFUSE, 0},         /* performance state */
    {0x199, 0x199, INTEL, VALUE, DROP, 0},           /* the same, control */
    {0x19a, 0x19a, INTEL, FAULT, DROP, 0},           /* thermal control */
    {0x19c, 0x19c, INTEL, VALUE, REFUSE, 0},         /* thermal status */
    {0x1b0, 0x1b0, INTEL, FAULT, DROP, 0},           /* energy bias */
    {0x277, 0x277, ANY, VALUE, REFUSE, GUEST_PAT},   /* page attributes */
    {0x280, 0x29f, ANY, VALUE, DROP, 0},             /* machine check: corrected errors */
    {0x309, 0x30b, INTEL, VALUE, DROP, 0},           /* fixed counters */
    {0x345, 0x345, ANY, VALUE, REFUSE, 0},           /* performance capabilities */
    {0x38d, 0x390, INTEL, VALUE, DROP, 0},           /* counter control */
    {0xc0010000, 0xc0010007, AMD, VALUE, DROP, 0},   /* performance events and counters */
    {0xc0010010, 0xc0010010, AMD, VALUE, REFUSE, 0}, /* SYSCFG: nothing to see of the memory's set-up */
    {0xc0010015, 0xc0010015, AMD, VALUE, DROP, 0},   /* HWCR */
    {0xc0010016, 0xc001001a, AMD, VALUE, REFUSE, 0}, /* IORRs, top of memory */
    {0xc001001d, 0xc001001d, AMD, VALUE, REFUSE, 0}, /* top of memory above 4 GiB */
    {0xc001001f, 0xc001001f, ANY, VALUE, DROP, 0},   /* NB_CFG */
    {0xc0010041, 0xc0010042, AMD, VALUE, DROP, 0},   /* frequency and voltage */
    {0xc0010061, 0xc001006b, AMD, VALUE, DROP, 0},   /* performance states */
    {0xc0010112, 0xc0010113, AMD, VALUE, REFUSE, 0}, /* TSEG */
    {0xc0010200, 0xc001020b, AMD, VALUE, DROP, 0},   /* performance events and counters */
    {0xc0011029, 0xc0011029, AMD, VALUE, DROP, 2},   /* DE_CFG: LFENCE is serializing */
};

static const struct rule *rule_find(uint32_t index)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct rule *r = &rules[i];

        if (index >= r->first && index <= r->last &&
            (r->who == ANY || (r->who == INTEL ? cpu_features.intel : cpu_features.amd))) {
            return r;
        }
    }
    return NULL;
}

/* rdmsr of a register that may be missing. */
static bool rdmsr_try(uint32_t index, uint64_t *value)
{
    uint32_t low = 0, high = 0;
    int failed = 0;

    __asm__ volatile("1:\trdmsr\n\t"
                     "jmp 3f\n"
                     "2:\tmovl $1, %0\n"
                     "3:\n\t"
                     ".pushsection .ex_table, \"a\"\n\t"
                     ".quad 1b, 2b\n\t"
                     ".popsection"
                     : "+r"(failed), "+a"(low), "+d"(high)
                     : "c"(index));
    *value = (uint64_t)high << 32 | low;
    return !failed;
}

/* Machine-check banks: two of them, in which nothing is ever reported; the rest of the range reads as 0. */
static bool is_bank(uint32_t index)
{
    return index >= MC_BANKS && index < MC_BANKS_MAX;
}

static bool read_known(const struct vcpu *v, uint32_t index, uint64_t *value)
{
    const struct rule *r;

    switch (index) {
    case MSR_TSC:
        *value = rdtsc();
        return true;
    case MSR_APIC_BASE:
        *value = APIC_BASE | (v->id == 0 ? APIC_BASE_FIRST : 0);
        return true;
    case MSR_MISC_ENABLE:
        if (!rdmsr_try(index, value)) {
            return false;
        }
        *value = (*value & ~MISC_ENABLE_OFF) | MISC_ENABLE_ON;
        return true;
    case MSR_HYPERCALL_PAGE:
        *value = 0;
        return true;
    case MSR_EFER:
        *value = rdmsr(index) & EFER_SHOWN;
        return true;
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_GS_OTHER:
        *value = rdmsr(index);
        return true;
    case MSR_TSC_AUX:
        *value = 0; /* as the processor has it: it is not switched with the vCPU */
        return cpu_features.rdtscp;
    default:
        break;
    }
    if (is_bank(index)) {
        *value = index < MC_BANKS_END && (index & 3) == 0 ? ~0ul : 0;
        return true;
    }
    r = rule_find(index);
    if (!r || r->reading == FAULT) {
        return false;
    }
    *value = r->value;
    return r->reading == VALUE || rdmsr_try(index, value);
}

bool emulate_rdmsr(struct vcpu *v, uint32_t index, uint64_t *value)
{
    if (read_known(v, index, value)) {
        return true;
    }
    /* Before a kernel has its #GP handler, it reads what the processor has, but nothing of what that holds.
     */
    if (vcpu_traps(v)[TRAP_PROTECTION].address == 0 && index >> 16 != TRAP_TABLE_MAGIC &&
        rdmsr_try(index, value)) {
        *value = 0;
        return true;
    }
    return false;
}

/* The page of hypercall entries, for guests that ask by MSR instead of by an ELF note. */
static bool hypercall_page_write(const struct domain *d, uint64_t value)
{
    mfn_t m = mfn(value >> PAGE_SHIFT);
    void *p;

    if ((value & ~PAGE_MASK) || frame_get_mapping(m, d->id, true) != 0) {
        return false;
    }
    p = map_frame(m);
    pvboot_fill_hypercall_page(p);
    unmap_frame(p);
    frame_put_mapping(m, true);
    return true;
}

bool emulate_wrmsr(struct vcpu *v, uint32_t index, uint64_t value)
{
    const struct rule *r;
    uint64_t now;

    switch (index) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_GS_OTHER:
        if (!is_canonical(value)) {
            return false;
        }
        wrmsr(index, value);
        return true;
    case MSR_EFER:
        return value == (rdmsr(index) & EFER_SHOWN);
    case MSR_MISC_ENABLE:
        return rdmsr_try(index, &now);
    case MSR_TSC_AUX:
        return cpu_features.rdtscp && value == 0;
    case MSR_HYPERCALL_PAGE:
        return hypercall_page_write(v->domain, value);
    default:
        break;
    }
    if (is_bank(index)) {
        /* Status, address and misc of the two banks can only be cleared. */
        return index >= MC_BANKS_END || (index & 3) == 0 || value == 0;
    }
    r = rule_find(index);
    return r && (r->writing == DROP || (r->writing == ZERO && value == 0));
}
