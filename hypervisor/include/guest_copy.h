/* SPDX-License-Identifier: MIT */
/*
 * The only door to guest memory. Addresses are the running guest's own, used with its own page tables (its
 * kernel's); a fault on the way is recovered and reported. Shared memory is read once: copy, then check the
 * copy.
 */
#ifndef HYPERVISOR_GUEST_COPY_H
#define HYPERVISOR_GUEST_COPY_H

#include "pvboot/abi.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

#define GUEST_LOW_END 0x0000800000000000ul /* end of the lower canonical half */

/* Is [a, a+n) canonical and outside the hypervisor's range, the M2P included? */
static inline bool guest_range_ok(gva_t a, size_t n)
{
    return (a.v <= GUEST_LOW_END - n && n <= GUEST_LOW_END && (n != 0 || a.v != GUEST_LOW_END)) ||
           (a.v >= HV_VIRT_END && n <= -a.v);
}

/*
 * copy_from_guest, copy_to_guest: n bytes; 0 or -EFAULT; on a fault part of dst may be written. clear_guest
 * zeroes guest memory.
 */
#ifdef CORACLE_HOST_TEST
int copy_from_guest(void *dst, gva_t src, size_t n);
int copy_to_guest(gva_t dst, const void *src, size_t n);
int clear_guest(gva_t dst, size_t n);
#else
/*
 * Nearly all copies are of a few words whose number the compiler knows: a move for each, and an entry in the
 * table of instructions that may fault (cpu/traps.c). For the rest there is mm/guest_copy.S.
 */
#define GUEST_INLINE static inline __attribute__((always_inline))

#define GUEST_INLINE_MAX 79 /* bytes */

/* The loops in assembly, for addresses that were checked: 0 or -EFAULT. */
int raw_copy(void *dst, const void *src, size_t n);
int raw_clear(void *dst, size_t n);

#define MAY_FAULT "1: mov %1, %0\n\t.pushsection .ex_table, \"a\"\n\t.quad 1b, %l[fault]\n\t.popsection"

/* One word, half word, quarter: false if the guest's side faulted. */
#define GUEST_ACCESS(type)                                                                                   \
    GUEST_INLINE bool type##_read(void *to, const void *from)                                                \
    {                                                                                                        \
        type value = 0;                                                                                      \
                                                                                                             \
        __asm__ goto(MAY_FAULT : "=r"(value) : "m"(*(const type *)from) : : fault);                          \
        *(type *)to = value;                                                                                 \
        return true;                                                                                         \
    fault:                                                                                                   \
        return false;                                                                                        \
    }                                                                                                        \
    GUEST_INLINE bool type##_write(void *to, const void *from)                                               \
    {                                                                                                        \
        __asm__ goto(MAY_FAULT : "=m"(*(type *)to) : "r"(*(const type *)from) : : fault);                    \
        return true;                                                                                         \
    fault:                                                                                                   \
        return false;                                                                                        \
    }
GUEST_ACCESS(uint64_t)
GUEST_ACCESS(uint32_t)
GUEST_ACCESS(uint16_t)

/* n: a constant, even, at most GUEST_INLINE_MAX. */
#define GUEST_FEW(access)                                                                                    \
    GUEST_INLINE bool few_##access(void *to, const void *from, size_t n)                                     \
    {                                                                                                        \
        size_t at = n & ~7ul;                                                                                \
        uint64_t *t = to;                                                                                    \
        const uint64_t *f = from;                                                                            \
                                                                                                             \
        return (n < 8 || uint64_t_##access(&t[0], &f[0])) && (n < 16 || uint64_t_##access(&t[1], &f[1])) &&  \
               (n < 24 || uint64_t_##access(&t[2], &f[2])) && (n < 32 || uint64_t_##access(&t[3], &f[3])) && \
               (n < 40 || uint64_t_##access(&t[4], &f[4])) && (n < 48 || uint64_t_##access(&t[5], &f[5])) && \
               (n < 56 || uint64_t_##access(&t[6], &f[6])) && (n < 64 || uint64_t_##access(&t[7], &f[7])) && \
               (n < 72 || uint64_t_##access(&t[8], &f[8])) &&                                                \
               (!(n & 4) || uint32_t_##access((char *)to + at, (const char *)from + at)) &&                  \
               (!(n & 2) || uint16_t_##access((char *)to + (n & ~3ul), (const char *)from + (n & ~3ul)));    \
    }
GUEST_FEW(read)
GUEST_FEW(write)

#define GUEST_IS_FEW(n) (__builtin_constant_p(n) && (n) <= GUEST_INLINE_MAX && (n) % 2 == 0)

GUEST_INLINE int copy_from_guest(void *dst, gva_t src, size_t n)
{
    const void *from = (const void *)src.v;

    if (unlikely(!guest_range_ok(src, n))) {
        return -EFAULT;
    }
    return GUEST_IS_FEW(n) ? (few_read(dst, from, n) ? 0 : -EFAULT) : raw_copy(dst, from, n);
}

GUEST_INLINE int copy_to_guest(gva_t dst, const void *src, size_t n)
{
    void *to = (void *)dst.v;

    if (unlikely(!guest_range_ok(dst, n))) {
        return -EFAULT;
    }
    return GUEST_IS_FEW(n) ? (few_write(to, src, n) ? 0 : -EFAULT) : raw_copy(to, src, n);
}

static inline int clear_guest(gva_t dst, size_t n)
{
    return likely(guest_range_ok(dst, n)) ? raw_clear((void *)dst.v, n) : -EFAULT;
}
#endif

/* A handle field or argument of the public headers as a guest address. */
#define HANDLE_GVA(h) gva((unsigned long)(h).p)

#endif
