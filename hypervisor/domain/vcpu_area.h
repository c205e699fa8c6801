/* SPDX-License-Identifier: MIT */
/* The areas of guest memory that a vCPU registers for the hypervisor to write. */
#ifndef HYPERVISOR_DOMAIN_VCPU_AREA_H
#define HYPERVISOR_DOMAIN_VCPU_AREA_H

#include "hypervisor/include/domain.h"

/*
 * VCPUOP_register_vcpu_info: v's vcpu_info moves to `offset` in frame m, once in its life. v is the running
 * vCPU or down. 0; -ENXIO: crosses the page or is unaligned; -EINVAL: moved before, up, or not a page that d
 * may write. LOCK_DOMAIN, LOCK_EVENT.
 */
int vcpu_register_info(struct vcpu *v, mfn_t m, uint32_t offset);
/* The end of v: gives the registered page back. v runs nowhere; its info is NULL afterwards. */
void vcpu_release_info(struct vcpu *v);
/* Has v's time written anew before it runs guest code again. */
void vcpu_republish_clock(struct vcpu *v);

#endif
