/* SPDX-License-Identifier: MIT */
/* Making and ending domains and vCPUs. */
#ifndef HYPERVISOR_DOMAIN_CREATE_H
#define HYPERVISOR_DOMAIN_CREATE_H

#include "hypervisor/include/domain.h"

/* The domain whose vCPUs are the processors' idle loops; its area holds the windows of private sections. */
extern struct domain idle_domain;

/* Boot: the idle domain, with room for `cpus` vCPUs. Panics without memory. */
void idle_domain_create(unsigned cpus);
/* Its vCPU for processor cpu, set as percpu.idle and current there. 0 or -ENOMEM. */
int idle_vcpu_create(unsigned cpu);

/*
 * A new domain without memory and vCPUs, DOMAIN_BUILDING, found by its id from now on. max_pages: limit of
 * its memory. *rc: -EEXIST, -ENOMEM, -EINVAL. NULL on failure. The caller holds the creation reference, which
 * the end of the domain drops.
 */
struct domain *domain_create(domid_t id, unsigned max_vcpus, unsigned long max_pages, bool privileged,
                             int *rc);
/*
 * A new vCPU with an empty context, offline (PAUSE_DOWN). 0, -EEXIST, -EINVAL, -ENOMEM. LOCK_DOMAIN not held.
 */
int vcpu_create(struct domain *d, unsigned id);
/* Its end: the frames of its block go, registers with them. v runs nowhere and never will. */
void vcpu_free_pages(struct vcpu *v);
/*
 * First phase of the end (destroy.c): vCPUs stop, mappings and references go. Preemptible: -EAGAIN, call
 * again. The frames leave with their last reference; when the last of the domain's own is gone, too,
 * domains_reap() frees the rest. One caller at a time; d is not the current domain, whose address space is
 * active. 0: d is DOMAIN_DEAD.
 */
int domain_kill(struct domain *d);
/* The domain's wall clock is `seconds` ahead of ours from now on. */
void domain_set_time_offset(struct domain *d, int64_t seconds);
/* HAZARD_REAP: frees the domains whose last reference is gone. No lock held. */
void domains_reap(void);

/*
 * A foreign or stopped vCPU's context through a window (in a private section if it is another domain's).
 */
struct vcpu_context *vcpu_context_map(const struct vcpu *v);
void vcpu_context_unmap(const struct vcpu_context *ctx);

/*
 * Builds and starts the initial domain from the boot modules; panics with the reason when it cannot be built.
 */
void initial_domain_build(void);

#endif
