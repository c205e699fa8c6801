/* SPDX-License-Identifier: MIT */
/*
 * The only door to guest memory. Addresses are the running guest's own, used with its own page tables (its
 * kernel's); a fault on the way is recovered and reported. Shared memory is read once: copy, then check the
 * copy.
 */
#ifndef HYPERVISOR_GUEST_COPY_H
#define HYPERVISOR_GUEST_COPY_H

#include "pvboot/abi.h"
#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

/* Is [a, a+n) canonical and outside the hypervisor's range, the M2P included? */
static inline bool guest_range_ok(gva_t a, size_t n)
{
    return (a.v < 0x0000800000000000 && n <= 0x0000800000000000 - a.v) || (a.v >= HV_VIRT_END && n <= -a.v);
}

/* Both return 0 or -EFAULT; on a fault part of dst may be written. n: bytes. */
int copy_from_guest(void *dst, gva_t src, size_t n);
int copy_to_guest(gva_t dst, const void *src, size_t n);
/* Zeroes guest memory. */
int clear_guest(gva_t dst, size_t n);

/* A handle field or argument of the public headers as a guest address. */
#define HANDLE_GVA(h) gva((unsigned long)(h).p)

#endif
