/* SPDX-License-Identifier: MIT */
/*
 * FPU state: saved and loaded on every context switch, whoever used it (lazy switching leaks). With XSAVE all
 * states that guests may enable are switched under the full mask, whatever XCR0 the guest set; else FXSAVE.
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"

#define FXSAVE_SIZE  512
#define XSAVE_HEADER 64
#define FCW_INIT     0x37f
#define MXCSR_INIT   0x1f80
#define CR0_TS       (1ul << 3)

size_t fpu_area_size(void)
{
    return cpu_features.xsave ? cpu_features.xsave_size : FXSAVE_SIZE;
}

void fpu_area_init(void *area)
{
    uint16_t fcw = FCW_INIT;
    uint32_t mxcsr = MXCSR_INIT;

    memset(area, 0, FXSAVE_SIZE + XSAVE_HEADER); /* the header says that all else is as after reset */
    memcpy(area, &fcw, sizeof(fcw));
    memcpy((char *)area + 24, &mxcsr, sizeof(mxcsr));
}

static void xcr0_set(uint64_t mask)
{
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)));
}

void fpu_save(struct vcpu *v)
{
    void *area = vcpu_fpu(v);

    if (v->ctx->cr0_ts) {
        __asm__ volatile("clts");
    }
    if (cpu_features.xsave) {
        if (v->ctx->xcr0 != cpu_features.xcr0_mask) {
            xcr0_set(cpu_features.xcr0_mask);
        }
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(~0u), "d"(~0u) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
    }
}

void fpu_restore(struct vcpu *v)
{
    void *area = vcpu_fpu(v);
    unsigned long cr0;

    if (cpu_features.xsave) {
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(~0u), "d"(~0u) : "memory");
        if (v->ctx->xcr0 != cpu_features.xcr0_mask) {
            xcr0_set(v->ctx->xcr0);
        }
    } else {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
    }
    if (v->ctx->cr0_ts) {
        __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
        __asm__ volatile("mov %0, %%cr0" ::"r"(cr0 | CR0_TS));
    }
}
