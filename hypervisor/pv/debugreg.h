/* SPDX-License-Identifier: MIT */
#ifndef HYPERVISOR_PV_DEBUGREG_H
#define HYPERVISOR_PV_DEBUGREG_H

#include "hypervisor/include/domain.h"

/*
 * Debug register 0..7 of the running vCPU. 0; -ENODEV: no such register; -EINVAL: bad bits; -EPERM: not a
 * guest's to set.
 */
int debugreg_set(struct vcpu *v, unsigned reg, unsigned long value);
/* 0 or -ENODEV. */
int debugreg_get(const struct vcpu *v, unsigned reg, unsigned long *value);

#endif
