/* SPDX-License-Identifier: MIT */
/*
 * Guest descriptors: what a segment descriptor may say (xen.h, update_descriptor; checked against stock Xen).
 */
#ifndef HYPERVISOR_PV_DESCRIPTOR_H
#define HYPERVISOR_PV_DESCRIPTOR_H

#include "hypervisor/include/types.h"

/*
 * Vets one descriptor and fixes its privilege (DPL 3). false: not allowed (system descriptors but empty ones
 * and call gates).
 */
bool descriptor_check(uint64_t *d);
/* Vets a whole page of 512 in place, for FRAME_SEG. 0 or -EINVAL. The frame can be mapped. */
int descriptor_page_validate(mfn_t m);

#endif
