/* SPDX-License-Identifier: MIT */
/* Between the files of domctl and sysctl (domctl.h and sysctl.h of the ABI): the privileged calls. */
#ifndef HYPERVISOR_HYPERCALL_DOMCTL_H
#define HYPERVISOR_HYPERCALL_DOMCTL_H

#define __XEN_TOOLS__ 1
#include "pvboot/abi.h"
#include <xen/domctl.h>
#include "hypervisor/include/domain.h"
#include "hypervisor/include/errno.h"

#define DOMCTL_AGAIN (-0x2000000l) /* no errno */

/*
 * One operation on d, which has a reference and may be dying; a privileged domain calls, and no other domctl
 * runs meanwhile. Changes op where the ABI has results and sets *copy then. Returns the call's result;
 * DOMCTL_AGAIN: preempted, to be called again with the arguments as they are.
 */
typedef long domctl_fn(struct domain *d, struct xen_domctl *op, bool *copy);

/* domctl_build.c: d is NULL. */
domctl_fn domctl_create;
domctl_fn domctl_max_vcpus, domctl_hypercall_init, domctl_set_address_size, domctl_get_address_size;
domctl_fn domctl_page_info, domctl_set_tsc, domctl_get_tsc;
/* domctl_context.c */
domctl_fn domctl_set_context, domctl_get_context;
/* domctl_info.c */
domctl_fn domctl_domain_info, domctl_vcpu_info, domctl_scheduler, domctl_set_affinity, domctl_get_affinity;

/* Keeps d's vCPUs, which are not the caller's, off every processor until domctl_unstop(). */
void domctl_stop(struct domain *d);
void domctl_unstop(struct domain *d);
/* d's vCPU, if it exists and domain_kill() has not taken its registers; else NULL. */
struct vcpu *domctl_vcpu(const struct domain *d, unsigned id);
/* What the ABI tells about d. */
void domain_info_fill(struct domain *d, struct xen_domctl_getdomaininfo *info);

#endif
