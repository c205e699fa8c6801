/* SPDX-License-Identifier: MIT */
/*
 * Every hypercall of the PV ABI, as a guest calls it: through the hypercall page, which the domain builder
 * fills (notes.S names it). Each wrapper has the name of its __HYPERVISOR_ number and returns what the
 * hypervisor leaves in rax: 0 or a positive result, or a negative Xen errno (xen/errno.h). Structures are
 * those of the public headers; wrappers whose argument depends on a sub-command take a void pointer and name
 * the header.
 *
 * Register convention (xen/arch-x86/xen-x86_64.h): number by position in the page, arguments in rdi, rsi,
 * rdx, r10 and r8, result in rax. rcx and r11 are lost to `syscall`, and the hypervisor may change the
 * argument registers too, so they are declared as written. Memory is clobbered: any call may read or write
 * what its arguments point to, and may run event handlers.
 *
 * The caller needs a valid stack (the page's entries push two words) and no red zone.
 */
#ifndef PVBOOT_HYPERCALL_H
#define PVBOOT_HYPERCALL_H

#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include "pvboot/abi.h"
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/nmi.h>
#include <xen/callback.h>
#include "pvboot/coracle_abi.h"

/* The page itself: 32 bytes of code for each number. Writable by nobody but the builder. */
extern uint8_t hypercall_page[4096];

/*
 * The five shapes of a call. They are macros because the number must reach the assembler as a constant even
 * without optimization.
 */
#define HYPERCALL_CODE "call hypercall_page + %c[nr] * 32"

#define HYPERCALL_0(number)                                                                                  \
    ({                                                                                                       \
        long ret_;                                                                                           \
        __asm__ volatile(HYPERCALL_CODE : "=a"(ret_) : [nr] "i"(number) : "rcx", "r11", "memory");           \
        ret_;                                                                                                \
    })

#define HYPERCALL_1(number, a1)                                                                              \
    ({                                                                                                       \
        long ret_;                                                                                           \
        unsigned long a1_ = (unsigned long)(a1);                                                             \
        __asm__ volatile(HYPERCALL_CODE                                                                      \
                         : "=a"(ret_), "+D"(a1_)                                                             \
                         : [nr] "i"(number)                                                                  \
                         : "rcx", "r11", "memory");                                                          \
        ret_;                                                                                                \
    })

#define HYPERCALL_2(number, a1, a2)                                                                          \
    ({                                                                                                       \
        long ret_;                                                                                           \
        unsigned long a1_ = (unsigned long)(a1), a2_ = (unsigned long)(a2);                                  \
        __asm__ volatile(HYPERCALL_CODE                                                                      \
                         : "=a"(ret_), "+D"(a1_), "+S"(a2_)                                                  \
                         : [nr] "i"(number)                                                                  \
                         : "rcx", "r11", "memory");                                                          \
        ret_;                                                                                                \
    })

#define HYPERCALL_3(number, a1, a2, a3)                                                                      \
    ({                                                                                                       \
        long ret_;                                                                                           \
        unsigned long a1_ = (unsigned long)(a1), a2_ = (unsigned long)(a2), a3_ = (unsigned long)(a3);       \
        __asm__ volatile(HYPERCALL_CODE                                                                      \
                         : "=a"(ret_), "+D"(a1_), "+S"(a2_), "+d"(a3_)                                       \
                         : [nr] "i"(number)                                                                  \
                         : "rcx", "r11", "memory");                                                          \
        ret_;                                                                                                \
    })

#define HYPERCALL_4(number, a1, a2, a3, a4)                                                                  \
    ({                                                                                                       \
        long ret_;                                                                                           \
        unsigned long a1_ = (unsigned long)(a1), a2_ = (unsigned long)(a2), a3_ = (unsigned long)(a3);       \
        register unsigned long a4_ __asm__("r10") = (unsigned long)(a4);                                     \
        __asm__ volatile(HYPERCALL_CODE                                                                      \
                         : "=a"(ret_), "+D"(a1_), "+S"(a2_), "+d"(a3_), "+r"(a4_)                            \
                         : [nr] "i"(number)                                                                  \
                         : "rcx", "r11", "memory");                                                          \
        ret_;                                                                                                \
    })

#define HYPERCALL_5(number, a1, a2, a3, a4, a5)                                                              \
    ({                                                                                                       \
        long ret_;                                                                                           \
        unsigned long a1_ = (unsigned long)(a1), a2_ = (unsigned long)(a2), a3_ = (unsigned long)(a3);       \
        register unsigned long a4_ __asm__("r10") = (unsigned long)(a4);                                     \
        register unsigned long a5_ __asm__("r8") = (unsigned long)(a5);                                      \
        __asm__ volatile(HYPERCALL_CODE                                                                      \
                         : "=a"(ret_), "+D"(a1_), "+S"(a2_), "+d"(a3_), "+r"(a4_), "+r"(a5_)                 \
                         : [nr] "i"(number)                                                                  \
                         : "rcx", "r11", "memory");                                                          \
        ret_;                                                                                                \
    })

/* ------------------------------------------------------------------ traps, callbacks, return */

/* traps: array that ends with an entry whose address is 0, or NULL to drop all handlers. */
static inline long hypercall_set_trap_table(const struct trap_info *traps)
{
    return HYPERCALL_1(__HYPERVISOR_set_trap_table, traps);
}

/* The entry points for events, for a failed return to the guest, and for user mode's `syscall`. */
static inline long hypercall_set_callbacks(void (*event)(void), void (*failsafe)(void), void (*syscall)(void))
{
    return HYPERCALL_3(__HYPERVISOR_set_callbacks, event, failsafe, syscall);
}

/* cmd: CALLBACKOP_*; arg: struct callback_register or callback_unregister (xen/callback.h). */
static inline long hypercall_callback_op(int cmd, const void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_callback_op, (long)cmd, arg);
}

/* op: XENNMI_*; arg: struct xennmi_callback (xen/nmi.h). */
static inline long hypercall_nmi_op(unsigned int op, const void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_nmi_op, op, arg);
}

/* The kernel stack for the next trap, event or syscall from user mode: ss:esp (stack_switch). */
static inline long hypercall_stack_switch(unsigned long ss, unsigned long esp)
{
    return HYPERCALL_2(__HYPERVISOR_stack_switch, ss, esp);
}

/*
 * Return through the hypervisor. frame is what an iretq would pop. The low bits of its cs say where to: 3 is
 * user mode (which needs user page tables), 0 kernel mode, so a kernel returns to itself with FLAT_KERNEL_CS
 * & ~3. flags is 0 or VGCF_in_syscall (then rcx and r11 are not restored). rax, rcx and r11 of the target are
 * undefined: code that must restore them builds struct iret_context on the stack itself and jumps to the
 * page's entry.
 */
struct hypercall_iret_frame {
    uint64_t rip, cs, rflags, rsp, ss;
};

static inline noreturn void hypercall_iret(uint64_t flags, const struct hypercall_iret_frame *frame)
{
    __asm__ volatile("pushq %c[ss](%[f])\n\t"
                     "pushq %c[rsp](%[f])\n\t"
                     "pushq %c[rflags](%[f])\n\t"
                     "pushq %c[cs](%[f])\n\t"
                     "pushq %c[rip](%[f])\n\t"
                     "pushq %[flags]\n\t"
                     "jmp hypercall_page + %c[nr] * 32"
                     :
                     : [f] "r"(frame), [flags] "r"(flags), [nr] "i"(__HYPERVISOR_iret),
                       [ss] "i"(offsetof(struct hypercall_iret_frame, ss)),
                       [rsp] "i"(offsetof(struct hypercall_iret_frame, rsp)),
                       [rflags] "i"(offsetof(struct hypercall_iret_frame, rflags)),
                       [cs] "i"(offsetof(struct hypercall_iret_frame, cs)),
                       [rip] "i"(offsetof(struct hypercall_iret_frame, rip))
                     : "memory");
    __builtin_unreachable();
}

/* ------------------------------------------------------------------ memory management */

/*
 * reqs: count updates (ptr carries MMU_NORMAL_PT_UPDATE, MMU_MACHPHYS_UPDATE or MMU_PT_UPDATE_PRESERVE_AD in
 * its low bits); *done receives how many succeeded (may be NULL); domid: DOMID_SELF or the owner of the
 * frames.
 */
static inline long hypercall_mmu_update(const struct mmu_update *reqs, unsigned int count, unsigned int *done,
                                        domid_t domid)
{
    return HYPERCALL_4(__HYPERVISOR_mmu_update, reqs, count, done, domid);
}

/* ops: count operations MMUEXT_*; *done as above. */
static inline long hypercall_mmuext_op(const struct mmuext_op *ops, unsigned int count, unsigned int *done,
                                       domid_t domid)
{
    return HYPERCALL_4(__HYPERVISOR_mmuext_op, ops, count, done, domid);
}

/* Sets the L1 entry that maps va; flags: UVMF_* and where to flush. */
static inline long hypercall_update_va_mapping(unsigned long va, uint64_t pte, unsigned long flags)
{
    return HYPERCALL_3(__HYPERVISOR_update_va_mapping, va, pte, flags);
}

static inline long hypercall_update_va_mapping_otherdomain(unsigned long va, uint64_t pte,
                                                           unsigned long flags, domid_t domid)
{
    return HYPERCALL_4(__HYPERVISOR_update_va_mapping_otherdomain, va, pte, flags, domid);
}

/* cmd: XENMEM_*; arg: its structure (xen/memory.h). */
static inline long hypercall_memory_op(unsigned int cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_memory_op, cmd, arg);
}

/* cmd: GNTTABOP_*; ops: count structures of its kind (xen/grant_table.h). */
static inline long hypercall_grant_table_op(unsigned int cmd, void *ops, unsigned int count)
{
    return HYPERCALL_3(__HYPERVISOR_grant_table_op, cmd, ops, count);
}

/* cmd: VMASST_CMD_*; type: VMASST_TYPE_*. */
static inline long hypercall_vm_assist(unsigned int cmd, unsigned int type)
{
    return HYPERCALL_2(__HYPERVISOR_vm_assist, cmd, type);
}

/* ------------------------------------------------------------------ processor state */

/* frames: the machine frames of the table's pages, entries: number of 8-byte descriptors, at most 7168. */
static inline long hypercall_set_gdt(const unsigned long *frames, unsigned int entries)
{
    return HYPERCALL_2(__HYPERVISOR_set_gdt, frames, entries);
}

/* maddr: machine address of the descriptor in a GDT or LDT frame. */
static inline long hypercall_update_descriptor(uint64_t maddr, uint64_t descriptor)
{
    return HYPERCALL_2(__HYPERVISOR_update_descriptor, maddr, descriptor);
}

/* which: SEGBASE_*. */
static inline long hypercall_set_segment_base(unsigned int which, unsigned long base)
{
    return HYPERCALL_2(__HYPERVISOR_set_segment_base, which, base);
}

static inline long hypercall_set_debugreg(int reg, unsigned long value)
{
    return HYPERCALL_2(__HYPERVISOR_set_debugreg, (long)reg, value);
}

/* The register's value, or a negative errno: the two cannot be told apart for a wild value. */
static inline unsigned long hypercall_get_debugreg(int reg)
{
    return (unsigned long)HYPERCALL_1(__HYPERVISOR_get_debugreg, (long)reg);
}

/* set: 1 sets CR0.TS, so that the next FPU instruction raises #NM; 0 clears it. */
static inline long hypercall_fpu_taskswitch(int set)
{
    return HYPERCALL_1(__HYPERVISOR_fpu_taskswitch, (long)set);
}

/* ------------------------------------------------------------------ scheduling, time, events */

/* cmd: SCHEDOP_*; arg: its structure (xen/sched.h) or NULL. */
static inline long hypercall_sched_op(int cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_sched_op, (long)cmd, arg);
}

/* cmd: VCPUOP_*; arg: its structure (xen/vcpu.h) or NULL. */
static inline long hypercall_vcpu_op(int cmd, unsigned int vcpu, void *arg)
{
    return HYPERCALL_3(__HYPERVISOR_vcpu_op, (long)cmd, vcpu, arg);
}

/* timeout: absolute system time in nanoseconds, 0 to stop. Fires VIRQ_TIMER once. */
static inline long hypercall_set_timer_op(uint64_t timeout)
{
    return HYPERCALL_1(__HYPERVISOR_set_timer_op, timeout);
}

/* cmd: EVTCHNOP_*; arg: its structure (xen/event_channel.h). */
static inline long hypercall_event_channel_op(int cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_event_channel_op, (long)cmd, arg);
}

/* ------------------------------------------------------------------ the rest */

/* calls: count calls, made in order; each result is stored in its entry. */
static inline long hypercall_multicall(struct multicall_entry *calls, unsigned int count)
{
    return HYPERCALL_2(__HYPERVISOR_multicall, calls, count);
}

/* cmd: CONSOLEIO_write (returns 0) or CONSOLEIO_read (returns how many bytes); count in bytes. */
static inline long hypercall_console_io(unsigned int cmd, unsigned int count, char *buffer)
{
    return HYPERCALL_3(__HYPERVISOR_console_io, cmd, count, buffer);
}

/* cmd: XENVER_*; arg: its structure (xen/version.h) or NULL. */
static inline long hypercall_xen_version(int cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_xen_version, (long)cmd, arg);
}

/* cmd: PHYSDEVOP_*; arg: its structure (xen/physdev.h). */
static inline long hypercall_physdev_op(int cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_physdev_op, (long)cmd, arg);
}

/* Privileged domains only; the structures need __XEN_TOOLS__ (xen/platform.h, domctl.h, sysctl.h). */
struct xen_platform_op;
struct xen_domctl;
struct xen_sysctl;

static inline long hypercall_platform_op(struct xen_platform_op *op)
{
    return HYPERCALL_1(__HYPERVISOR_platform_op, op);
}

static inline long hypercall_domctl(struct xen_domctl *op)
{
    return HYPERCALL_1(__HYPERVISOR_domctl, op);
}

static inline long hypercall_sysctl(struct xen_sysctl *op)
{
    return HYPERCALL_1(__HYPERVISOR_sysctl, op);
}

/* cmd and arguments as xen/kexec.h, xen/xenoprof.h, xen/xsm/flask_op.h, xen/hvm/hvm_op.h, xen/argo.h,
 * xen/pmu.h, xen/hvm/dm_op.h and xen/hypfs.h say. No guest here depends on them; they are complete for tests.
 */
static inline long hypercall_kexec_op(unsigned long cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_kexec_op, cmd, arg);
}

static inline long hypercall_xenoprof_op(int cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_xenoprof_op, (long)cmd, arg);
}

static inline long hypercall_xsm_op(void *op)
{
    return HYPERCALL_1(__HYPERVISOR_xsm_op, op);
}

static inline long hypercall_hvm_op(unsigned long cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_hvm_op, cmd, arg);
}

static inline long hypercall_tmem_op(void *op)
{
    return HYPERCALL_1(__HYPERVISOR_tmem_op, op);
}

static inline long hypercall_argo_op(unsigned int cmd, void *arg1, void *arg2, unsigned long arg3,
                                     unsigned long arg4)
{
    return HYPERCALL_5(__HYPERVISOR_argo_op, cmd, arg1, arg2, arg3, arg4);
}

static inline long hypercall_xenpmu_op(unsigned int cmd, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_xenpmu_op, cmd, arg);
}

static inline long hypercall_dm_op(domid_t domid, unsigned int nr_buffers, void *buffers)
{
    return HYPERCALL_3(__HYPERVISOR_dm_op, domid, nr_buffers, buffers);
}

static inline long hypercall_hypfs_op(unsigned int cmd, const char *path, unsigned long path_size,
                                      void *buffer, unsigned long buffer_size)
{
    return HYPERCALL_5(__HYPERVISOR_hypfs_op, cmd, path, path_size, buffer, buffer_size);
}

/* op: CORACLE_OP_* (coracle_abi.h). -ENOSYS on any other hypervisor. */
static inline long hypercall_coracle_op(unsigned int op, unsigned long arg)
{
    return HYPERCALL_2(__HYPERVISOR_coracle_op, op, arg);
}

#endif
