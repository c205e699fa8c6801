/* SPDX-License-Identifier: MIT */
/*
 * Coracle's own extension to the Xen PV ABI: one hypercall on a number that the ABI reserves for the
 * architecture. Nothing here is needed for correctness; stock Xen answers -ENOSYS and a guest carries on.
 *
 * Discovery: CPUID leaf CORACLE_CPUID_LEAF, through the ABI's forced-emulation prefix, returns the signature
 * "CoracleVMM\0\0" in ebx, ecx, edx and the version of this interface in eax.
 */
#ifndef PVBOOT_CORACLE_ABI_H
#define PVBOOT_CORACLE_ABI_H

#include <stdint.h>

/* Hypercall number (__HYPERVISOR_arch_2). long coracle_op(unsigned op, unsigned long arg). */
#define __HYPERVISOR_coracle_op 50

#define CORACLE_CPUID_LEAF      0x40000100u
#define CORACLE_CPUID_SIGNATURE "CoracleVMM\0\0"
#define CORACLE_ABI_VERSION     3

/*
 * arg: 0..255, the exit status of the domain's program. Kept with the domain; the hypervisor prints
 * "(coracle) dN: exit status S" when the domain shuts down. 0, or -EINVAL for a larger value.
 */
#define CORACLE_OP_EXIT_STATUS 1

/*
 * arg: one of CORACLE_MARK_*. The hypervisor stamps the moment into the boot timeline that it prints when
 * the domain shuts down. 0, or -EINVAL.
 */
#define CORACLE_OP_MARK    2
#define CORACLE_MARK_ENTRY 1 /* the guest's first instructions in C */
#define CORACLE_MARK_MAIN  2 /* main() is about to be called */
#define CORACLE_MARK_EXIT  3 /* main() has returned, or exit() was called */

/*
 * For tests: the hypervisor walks the page tables that are active on this processor and returns how many
 * mappings show what this domain may not see: 0 is as it must be. arg: 0. -EPERM: the domain is not
 * privileged; -EINVAL; -E2BIG: more page tables than it looks at.
 */
#define CORACLE_OP_AUDIT 3

/*
 * For the toolstack: what the hypervisor knows of a domain by this interface, until the domain is gone
 * altogether. arg: address of a struct coracle_domain with the domid filled in; the rest is the answer. 0;
 * -EPERM: the caller is not privileged; -ESRCH; -EFAULT. Since version 2.
 */
#define CORACLE_OP_DOMAIN    4
#define CORACLE_MARK_CREATED 0 /* only here: XEN_DOMCTL_createdomain was called */
#define CORACLE_MARKS        4
struct coracle_domain {
    uint32_t domid;
    int32_t exit_status;           /* 0..255, or -1: it has not said (CORACLE_OP_EXIT_STATUS) */
    uint64_t marks[CORACLE_MARKS]; /* by CORACLE_MARK_*, in ticks of the TSC; 0: not reached */
    uint64_t overhead;             /* bytes of the hypervisor's objects that serve it */
};

/*
 * For the toolstack: where a domain's text lies, so that the dump of a crash has a backtrace. arg: address of
 * a struct coracle_text. 0; -EPERM; -ESRCH; -EFAULT. Since version 2.
 */
#define CORACLE_OP_TEXT 5
struct coracle_text {
    uint32_t domid, reserved;
    uint64_t start, end; /* virtual addresses in the domain */
};

/*
 * For tests: how many words on the stacks of all processors have the same upper 48 bits as the complement of
 * arg. A guest that carries marks in its registers finds 0. -EPERM: the domain is not privileged. Since
 * version 2.
 */
#define CORACLE_OP_STACKS 6

/*
 * For the toolstack: why the hypervisor ended a domain, until that is gone altogether. arg: address of a
 * struct coracle_crash with the domid filled in. 0; -EPERM; -ESRCH; -EFAULT. Since version 3.
 */
#define CORACLE_OP_CRASH  7
#define CORACLE_CRASH_MAX 120
struct coracle_crash {
    uint32_t domid, reserved;
    char reason[CORACLE_CRASH_MAX]; /* with a zero at its end; "": it has not */
};

#endif
