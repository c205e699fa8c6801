/* SPDX-License-Identifier: MIT */
/*
 * Compiled with -D__XEN_TOOLS__, which the first header of xen/ must see already.
 *
 * The privileged calls (domctl.h, sysctl.h, memory.h, event_channel.h of xen/) as functions with arguments.
 * Each fills in the interface version of the headers that it was compiled with, and turns the hypervisor's
 * errno, whose numbers are not newlib's, into newlib's: 0 or a negative errno, unless it says otherwise.
 */
#ifndef TOOLSTACK_CONTROL_XC_H
#define TOOLSTACK_CONTROL_XC_H

#include <stddef.h>
#include <stdint.h>
#include "pvboot/abi.h"
#include "pvboot/coracle_abi.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

/* newlib's negative errno for what a hypercall returned; 0 and positive results as they are. */
long xc_error(long result);

/* Any domctl or sysctl: *op holds the arguments, and afterwards the results. */
int xc_domctl(struct xen_domctl *op, uint32_t command, uint16_t domid);
int xc_sysctl(struct xen_sysctl *op, uint32_t command);

/* ------------------------------------------------------------------ life cycle */

/* A domain without memory and with max_vcpus vCPUs that do not run; it begins paused. *domid: its number. */
int xc_create(const uint8_t uuid[16], unsigned max_vcpus, uint16_t *domid);
/* The pauses of pause and unpause count. */
int xc_pause(uint16_t domid);
int xc_unpause(uint16_t domid);
/* Ends the domain; returns when all is given back that nobody else holds. */
int xc_destroy(uint16_t domid);

/* What the hypervisor knows of this domain; -ESRCH: there is none. */
int xc_domain_info(uint16_t domid, struct xen_domctl_getdomaininfo *info);
/*
 * The same for up to count domains from number first on, in order. How many there were, or a negative errno.
 */
int xc_domain_list(uint16_t first, unsigned count, struct xen_domctl_getdomaininfo *list);

/* A vCPU's registers; the domain does not run meanwhile. */
int xc_get_context(uint16_t domid, unsigned vcpu, struct vcpu_guest_context *context);
int xc_set_context(uint16_t domid, unsigned vcpu, struct vcpu_guest_context *context);

/* What only this hypervisor knows of a domain (pvboot/coracle_abi.h). */
int xc_coracle_info(uint16_t domid, struct coracle_domain *info);
/* Why the hypervisor ended it. */
int xc_crash_reason(uint16_t domid, struct coracle_crash *crash);
/* Tells the hypervisor where a domain's code lies, for the backtraces of its own dumps. */
int xc_set_text(uint16_t domid, uint64_t start, uint64_t end);

/* ------------------------------------------------------------------ memory */

/* The most memory that the domain may have. */
int xc_max_memory(uint16_t domid, uint64_t kib);
/*
 * Gives the domain memory: count extents of 2^order pages, the i-th at pseudo-physical frame frames[i], which
 * becomes its first machine frame. How many extents it got, fewer when memory is short or above the domain's
 * limit.
 */
unsigned xc_populate(uint16_t domid, uint64_t *frames, unsigned count, unsigned order);
/* Vets and pins the domain's page tables below this root. */
int xc_pin_l4(uint16_t domid, uint64_t mfn);

/* ------------------------------------------------------------------ events */

/* A port of domid's that domain remote may bind to. */
int xc_alloc_port(uint16_t domid, uint16_t remote, uint32_t *port);

/* ------------------------------------------------------------------ scheduling */

/* weight 0: as it is. cap in percent of one processor, 0: none, ~0u: as it is. */
int xc_schedule(uint16_t domid, unsigned weight, unsigned cap);
/* cpus: bit i stands for processor i; nr_cpus bits. */
int xc_pin(uint16_t domid, unsigned vcpu, const uint8_t *cpus, unsigned nr_cpus);

/* ------------------------------------------------------------------ the machine */

int xc_physinfo(struct xen_sysctl_physinfo *info);

#endif
