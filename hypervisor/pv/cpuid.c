/* SPDX-License-Identifier: MIT */
/*
 * CPUID as a paravirtual guest sees it through the forced-emulation prefix (arch-x86/xen.h): the processor's
 * answers less what only a hypervisor can use, in the selection of stock Xen 4.17; the leaves of the ABI
 * (arch-x86/cpuid.h); and our own. A plain CPUID is the processor's: these processors cannot intercept it.
 *
 * Hidden here though stock Xen shows them, because we do not switch what they need with the vCPU: FSGSBASE,
 * RDTSCP and RDPID (TSC_AUX), IBRS and its like.
 */
#include "hypervisor/include/clock.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"
#include "hypervisor/pv/pv.h"
#include "pvboot/coracle_abi.h"
#include <xen/arch-x86/cpuid.h>

#define BIT(n) (1u << (n))

#define MAX_BASIC    0xdu
#define MAX_EXTENDED 0x80000008u

/* Leaf 1. ecx: SSE3, PCLMUL, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, AVX, F16C, RDRAND.
 */
#define F1C_SHOWN                                                                                            \
    (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) | BIT(25) |        \
     BIT(26) | BIT(28) | BIT(29) | BIT(30))
#define F1C_XSAVE      BIT(26)
#define F1C_OSXSAVE    BIT(27)
#define F1C_AVX        BIT(28)
#define F1C_AVX_OTHERS (BIT(12) | BIT(29)) /* FMA, F16C */
#define F1C_HYPERVISOR BIT(31)
/* edx: without VME, PSE, MTRR, PGE, PSE36, serial number, DS, thermal monitor, PBE. */
#define F1D_SHOWN 0x1fc9cff5u
#define F1D_SEP   BIT(11)
#define F1D_MTRR  BIT(12)
/* Those of them that AMD's leaf 0x80000001 repeats. */
#define F1D_COMMON 0x0183f3ffu

/* Leaf 7. ebx: BMI1, AVX2, BMI2, ERMS, RDSEED, ADX, CLFLUSHOPT, CLWB, SHA; AVX-512 F, DQ, IFMA, CD, BW, VL.
 */
#define F7B_SHOWN                                                                                            \
    (BIT(3) | BIT(5) | BIT(8) | BIT(9) | BIT(18) | BIT(19) | BIT(23) | BIT(24) | BIT(29) | F7B_AVX512)
#define F7B_AVX2   BIT(5)
#define F7B_AVX512 (BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31))
/* ecx: VBMI, VBMI2, GFNI, VAES, VPCLMUL, VNNI, BITALG, VPOPCNT, CLDEMOTE. */
#define F7C_SHOWN  (BIT(8) | BIT(25) | F7C_AVX | F7C_AVX512)
#define F7C_AVX    (BIT(9) | BIT(10))
#define F7C_AVX512 (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
/* edx: FSRM, MD_CLEAR, SERIALIZE. */
#define F7D_SHOWN (BIT(4) | BIT(10) | BIT(14))

/* Leaf 0x80000001. ecx: LAHF, CMP_LEGACY, ABM, SSE4A, misaligned SSE, PREFETCHW, XOP, FMA4, TBM. */
#define FEC_SHOWN (BIT(0) | BIT(1) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(16) | BIT(21))
#define FEC_AVX   (BIT(11) | BIT(16))
/* edx: SYSCALL, NX, MMXEXT, FFXSR, long mode, 3DNow!. */
#define FED_SHOWN      (BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(29) | BIT(30) | BIT(31))
#define F80000007_ITSC BIT(8)
#define F80000008_B    (BIT(0) | BIT(2)) /* CLZERO, FP error pointers are always saved */

#define LINEAR_BITS 48u

#define XCR0_AVX    0x4ul
#define XCR0_AVX512 0xe0ul
#define CR4_OSXSAVE BIT(18)

static const struct cpuid_regs nothing;

static bool has_avx(void)
{
    return cpu_features.xsave && (cpu_features.xcr0_mask & XCR0_AVX);
}

static bool has_avx512(void)
{
    return cpu_features.xsave && (cpu_features.xcr0_mask & XCR0_AVX512) == XCR0_AVX512;
}

/* MTRRs are not a guest's, but the privileged domain's kernel knows by the bit that it may ask about them. */
static uint32_t mtrr_shown(const struct vcpu *v, uint32_t native_edx)
{
    return v->domain->privileged && v->kernel_mode ? native_edx & F1D_MTRR : 0;
}

static struct cpuid_regs features(const struct vcpu *v, struct cpuid_regs r)
{
    uint32_t mtrr = mtrr_shown(v, r.edx);

    r.eax &= 0x0fff0fff; /* without the processor's type */
    r.ebx &= 0x00ffffff; /* the APIC id is the machine's affair */
    r.ecx = (r.ecx & F1C_SHOWN) | F1C_HYPERVISOR;
    if (!has_avx()) {
        r.ecx &= ~(F1C_AVX | F1C_AVX_OTHERS);
    }
    if (!cpu_features.xsave) {
        r.ecx &= ~F1C_XSAVE;
    } else if (v->kernel_mode || (v->ctx->cr4 & CR4_OSXSAVE)) {
        r.ecx |= F1C_OSXSAVE; /* kernels count on seeing our setting, as on stock Xen */
    }
    r.edx = (r.edx & F1D_SHOWN & ~(cpu_features.sysenter ? 0 : F1D_SEP)) | mtrr;
    return r;
}

static struct cpuid_regs more_features(uint32_t subleaf)
{
    struct cpuid_regs r = cpuid(7, 0);

    if (subleaf != 0) {
        return nothing;
    }
    r.eax = 0;
    r.ebx &= F7B_SHOWN;
    r.ecx &= F7C_SHOWN;
    r.edx &= F7D_SHOWN;
    if (!has_avx()) {
        r.ebx &= ~F7B_AVX2;
        r.ecx &= ~F7C_AVX;
    }
    if (!has_avx512()) {
        r.ebx &= ~F7B_AVX512;
        r.ecx &= ~F7C_AVX512;
    }
    return r;
}

static struct cpuid_regs xsave_states(uint32_t subleaf)
{
    struct cpuid_regs r;

    if (!cpu_features.xsave || (subleaf >= 2 && (subleaf > 63 || !(cpu_features.xcr0_mask >> subleaf & 1)))) {
        return nothing;
    }
    r = cpuid(0xd, subleaf);
    if (subleaf == 0) {
        /* ebx: the area's size under the vCPU's XCR0, which is loaded. */
        return (struct cpuid_regs){(uint32_t)cpu_features.xcr0_mask, r.ebx, cpu_features.xsave_size,
                                   (uint32_t)(cpu_features.xcr0_mask >> 32)};
    }
    if (subleaf == 1) {
        return (struct cpuid_regs){r.eax & 7, r.eax & 2 ? r.ebx : 0, 0, 0}; /* not XSAVES */
    }
    return (struct cpuid_regs){r.eax, r.ebx, r.ecx & 2, 0};
}

static struct cpuid_regs basic(const struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = cpuid(0, 0);

    if (leaf > MIN(r.eax, MAX_BASIC)) {
        return nothing;
    }
    switch (leaf) {
    case 0:
        r.eax = MIN(r.eax, MAX_BASIC);
        return r;
    case 1:
        return features(v, cpuid(1, 0));
    case 2:
    case 4:
        return cpu_features.intel ? cpuid(leaf, subleaf) : nothing;
    case 7:
        return more_features(subleaf);
    case 0xd:
        return xsave_states(subleaf);
    default:
        return nothing;
    }
}

static struct cpuid_regs extended_features(const struct vcpu *v, struct cpuid_regs r)
{
    struct cpuid_regs one = cpuid(1, 0);

    r.eax = cpu_features.amd ? r.eax & 0x0fff0fff : 0;
    r.ebx = 0;
    r.ecx &= FEC_SHOWN & ~(has_avx() ? 0 : FEC_AVX);
    r.edx &= FED_SHOWN & ~(cpu_features.nx ? 0 : BIT(20));
    r.edx |= mtrr_shown(v, one.edx) | (cpu_features.amd ? features(v, one).edx & F1D_COMMON : 0);
    return r;
}

static struct cpuid_regs extended(const struct vcpu *v, uint32_t leaf)
{
    struct cpuid_regs r = cpuid(0x80000000, 0);
    uint32_t max = MIN(r.eax, MAX_EXTENDED);

    if (leaf > max) {
        return nothing;
    }
    switch (leaf) {
    case 0x80000000:
        return cpu_features.amd ? (struct cpuid_regs){max, r.ebx, r.ecx, r.edx}
                                : (struct cpuid_regs){max, 0, 0, 0};
    case 0x80000001:
        return extended_features(v, cpuid(leaf, 0));
    case 0x80000002 ... 0x80000004: /* name */
        return cpuid(leaf, 0);
    case 0x80000005: /* caches */
        return cpu_features.amd ? cpuid(leaf, 0) : nothing;
    case 0x80000006:
        r = cpuid(leaf, 0);
        return cpu_features.amd ? r : (struct cpuid_regs){0, 0, r.ecx, 0};
    case 0x80000007:
        r = cpuid(leaf, 0);
        return (struct cpuid_regs){0, 0, 0, v->domain->privileged ? r.edx & F80000007_ITSC : 0};
    case 0x80000008: /* address widths */
        r = cpuid(leaf, 0);
        return (struct cpuid_regs){(r.eax & 0xff) | LINEAR_BITS << 8, r.ebx & F80000008_B,
                                   cpu_features.amd ? r.ecx & 0x3f0ff : 0, 0};
    default:
        return nothing;
    }
}

/* Width of a machine address of RAM. */
static uint32_t machine_address_bits(void)
{
    return 64u - (uint32_t)__builtin_clzl(frame_count - 1) + PAGE_SHIFT;
}

/* The ABI's leaves; there is no more than its version 4.17 needs for a paravirtual guest. */
static struct cpuid_regs hypervisor_leaf(uint32_t index, uint32_t subleaf)
{
    switch (index) {
    case 0:
        return (struct cpuid_regs){XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES, XEN_CPUID_SIGNATURE_EBX,
                                   XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
    case 1:
        return (struct cpuid_regs){4 << 16 | 17, 0, 0, 0};
    case 2: /* one hypercall page, by this MSR */
        return (struct cpuid_regs){1, 0x40000000, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
    case 3:
        if (subleaf == 0) {
            return (struct cpuid_regs){cpu_features.tsc_invariant ? 2 : 0, 0, 0, 0};
        }
        return subleaf == 2 ? (struct cpuid_regs){(uint32_t)(clock_tsc_hz() / 1000), 0, 0, 0} : nothing;
    case 5:
        return subleaf == 0 ? (struct cpuid_regs){0, machine_address_bits(), 0, 0} : nothing;
    default:
        return nothing;
    }
}

static struct cpuid_regs coracle_leaf(void)
{
    struct cpuid_regs r = {.eax = CORACLE_ABI_VERSION};

    memcpy(&r.ebx, CORACLE_CPUID_SIGNATURE, 4);
    memcpy(&r.ecx, CORACLE_CPUID_SIGNATURE + 4, 4);
    memcpy(&r.edx, CORACLE_CPUID_SIGNATURE + 8, 4);
    return r;
}

void pv_cpuid(const struct vcpu *v, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    uint32_t leaf = *eax;
    struct cpuid_regs r = nothing;

    if (leaf < 0x40000000) {
        r = basic(v, leaf, *ecx);
    } else if (leaf == CORACLE_CPUID_LEAF) {
        r = coracle_leaf();
    } else if (leaf < CORACLE_CPUID_LEAF) {
        r = hypervisor_leaf(leaf - XEN_CPUID_FIRST_LEAF, *ecx);
    } else if (leaf >= 0x80000000) {
        r = extended(v, leaf);
    }
    *eax = r.eax;
    *ebx = r.ebx;
    *ecx = r.ecx;
    *edx = r.edx;
}
