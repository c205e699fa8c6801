/* SPDX-License-Identifier: MIT */
/* Between the files of memory_op: who is meant, and the commands that have a file of their own. */
#ifndef HYPERVISOR_HYPERCALL_MEMORY_H
#define HYPERVISOR_HYPERCALL_MEMORY_H

#define __XEN_TOOLS__ 1 /* the commands of the privileged domain, too */
#include "pvboot/abi.h"
#include <xen/memory.h>
#include "hypervisor/include/domain.h"

/*
 * The domain that a command names, with a reference (domain_put): DOMID_SELF, the caller's own id, or, for
 * the privileged, any. NULL: *rc is -ESRCH or -EPERM.
 */
struct domain *memory_domain_get(domid_t id, int *rc);
/* The largest extent (log2 of frames) that the caller may ask for. */
unsigned memory_max_order(void);
/*
 * Address width of the frames that mem_flags ask for (XENMEMF_*); 64: any. 0: flags that make no sense or are
 * not the caller's to use.
 */
unsigned memory_address_bits(unsigned mem_flags);

/* XENMEM_exchange; arg: guest address of struct xen_memory_exchange. */
long memory_exchange(unsigned long arg);
/* The commands that describe memory, not change it: maps, M2P. -ENOSYS for a command that is none of them. */
long memory_describe(unsigned cmd, unsigned long arg);

#endif
