/* SPDX-License-Identifier: MIT */
/* What this processor can do, as far as the hypervisor cares (Intel SDM 2A, CPUID; AMD64 APM 3, appendix E).
 */
#include "hypervisor/include/boot.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"

#define XCR0_X87_SSE 0x3ul
#define XCR0_GUEST   0xe7ul /* x87, SSE, AVX, and the three of AVX-512 */
#define FXSAVE_SIZE  512u
#define XSAVE_FIXED  576u /* legacy area and header */

#define MSR_ARCH_CAPABILITIES 0x10a
#define RDCL_NO               (1ul << 0) /* neither Meltdown nor L1TF (Intel SDM 4, table 2-2) */

struct cpu_features cpu_features;

static bool bit(uint32_t word, unsigned n)
{
    return word >> n & 1;
}

/* States that guests may use, and the size of the area (standard format) that holds them. */
static void read_xsave(struct cpu_features *f)
{
    struct cpuid_regs r = cpuid(0xd, 0);

    f->xcr0_mask = (r.eax | (uint64_t)r.edx << 32) & XCR0_GUEST;
    f->xsave_size = XSAVE_FIXED;
    for (unsigned state = 2; state < 8; state++) {
        if (f->xcr0_mask >> state & 1) {
            r = cpuid(0xd, state);
            f->xsave_size = MAX(f->xsave_size, r.eax + r.ebx);
        }
    }
    r = cpuid(0xd, 1);
    f->xsaveopt = bit(r.eax, 0);
    f->xsavec = bit(r.eax, 1);
    if (f->xsave_size > (VCPU_FPU_PAGES + 1) * PAGE_SIZE - VCPU_FPU_OFFSET) {
        /* Larger than any known: keep to what surely fits. */
        f->xcr0_mask = XCR0_X87_SSE;
        f->xsave_size = XSAVE_FIXED;
    }
}

/*
 * L1 terminal fault: Intel's processors but those that say RDCL_NO, and the Atoms and Phis that do not run
 * ahead of a terminal fault (Intel's list of affected processors, INTEL-SA-00161). Family and model as CPUID
 * leaf 1 gives them.
 */
static bool has_l1tf(uint32_t signature, bool arch_capabilities)
{
    static const uint8_t safe[] = {
        0x1c, 0x26, 0x27, 0x35, 0x36,       /* Bonnell, Saltwell: in order */
        0x37, 0x4a, 0x4c, 0x4d, 0x5a, 0x5d, /* Silvermont, Airmont */
        0x6e, 0x75, 0x5c, 0x5f, 0x7a, 0x86, /* Airmont, Goldmont, Goldmont Plus, Tremont */
        0x57, 0x85,                         /* Xeon Phi */
    };
    unsigned family = signature >> 8 & 0xf, model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);

    if (arch_capabilities && (rdmsr(MSR_ARCH_CAPABILITIES) & RDCL_NO)) {
        return false;
    }
    for (unsigned i = 0; family == 6 && i < sizeof(safe); i++) {
        if (model == safe[i]) {
            return false;
        }
    }
    return true;
}

static void read_features(struct cpu_features *f)
{
    struct cpuid_regs r = cpuid(0, 0);
    uint32_t max = r.eax, max_ext = cpuid(0x80000000, 0).eax;
    uint32_t signature;
    bool arch_capabilities = false;

    memset(f, 0, sizeof(*f));
    f->intel = r.ebx == 0x756e6547 && r.edx == 0x49656e69 && r.ecx == 0x6c65746e;   /* GenuineIntel */
    f->amd = (r.ebx == 0x68747541 && r.edx == 0x69746e65 && r.ecx == 0x444d4163) || /* AuthenticAMD */
             (r.ebx == 0x6f677948 && r.edx == 0x6e65476e && r.ecx == 0x656e6975);   /* HygonGenuine */
    r = cpuid(1, 0);
    signature = r.eax;
    f->pge = bit(r.edx, 13);
    f->sysenter = bit(r.edx, 11) && !f->amd; /* AMD's has none in long mode */
    f->monitor = bit(r.ecx, 3);
    f->pcid = bit(r.ecx, 17);
    f->x2apic = bit(r.ecx, 21);
    f->tsc_deadline = bit(r.ecx, 24);
    f->xsave = bit(r.ecx, 26);
    if (max >= 7) {
        r = cpuid(7, 0);
        f->fsgsbase = bit(r.ebx, 0);
        f->smep = bit(r.ebx, 7);
        f->invpcid = bit(r.ebx, 10);
        f->smap = bit(r.ebx, 20);
        f->umip = bit(r.ecx, 2);
        arch_capabilities = bit(r.edx, 29);
    }
    f->l1tf = f->intel && has_l1tf(signature, arch_capabilities);
    r = cpuid(0x80000001, 0);
    f->nx = bit(r.edx, 20);
    f->page1gb = bit(r.edx, 26);
    f->rdtscp = bit(r.edx, 27);
    f->syscall32 = f->amd;
    if (max_ext >= 0x80000007) {
        f->tsc_invariant = bit(cpuid(0x80000007, 0).edx, 8);
    }
    f->phys_bits = max_ext >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
    f->phys_bits = MIN(MAX(f->phys_bits, 32u), 52u);
    f->xsave &= max >= 0xd;
    f->xsave_size = FXSAVE_SIZE;
    f->xcr0_mask = XCR0_X87_SSE;
    if (f->xsave) {
        read_xsave(f);
    }
}

void cpu_features_init(void)
{
    read_features(&cpu_features);
}

/* The flags stand in a row, the first `nx`, the last `amd`. */
static bool flags_equal(const struct cpu_features *a, const struct cpu_features *b)
{
    size_t first = offsetof(struct cpu_features, nx), last = offsetof(struct cpu_features, amd);

    return memcmp((const char *)a + first, (const char *)b + first, last - first + 1) == 0;
}

int cpu_features_check(void)
{
    struct cpu_features mine;

    read_features(&mine);
    return flags_equal(&mine, &cpu_features) && mine.phys_bits == cpu_features.phys_bits &&
                   mine.xsave_size == cpu_features.xsave_size && mine.xcr0_mask == cpu_features.xcr0_mask
               ? 0
               : -EINVAL;
}
