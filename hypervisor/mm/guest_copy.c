/* SPDX-License-Identifier: MIT */
/* See guest_copy.h. */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/percpu.h"

int raw_copy(void *dst, const void *src, size_t n);
int raw_clear(void *dst, size_t n);

int copy_from_guest(void *dst, gva_t src, size_t n)
{
    return likely(guest_range_ok(src, n)) ? raw_copy(dst, (const void *)src.v, n) : -EFAULT;
}

int copy_to_guest(gva_t dst, const void *src, size_t n)
{
    return likely(guest_range_ok(dst, n)) ? raw_copy((void *)dst.v, src, n) : -EFAULT;
}

int clear_guest(gva_t dst, size_t n)
{
    return likely(guest_range_ok(dst, n)) ? raw_clear((void *)dst.v, n) : -EFAULT;
}
