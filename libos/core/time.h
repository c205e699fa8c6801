/* SPDX-License-Identifier: MIT */
/* Conversions of the hypervisor's clock, apart from the machine so that the host's unit tests run them. */
#ifndef LIBOS_CORE_TIME_H
#define LIBOS_CORE_TIME_H

#include <stdint.h>

/*
 * Nanoseconds for a difference of TSC values, by the two constants of struct vcpu_time_info (xen/xen.h):
 * (delta << shift) * mul >> 32, where a negative shift is to the right.
 */
static inline uint64_t cor_tsc_to_ns(uint64_t delta, uint32_t mul, int8_t shift)
{
    delta = shift >= 0 ? delta << shift : delta >> -shift;
    return (uint64_t)((unsigned __int128)delta * mul >> 32);
}

#endif
