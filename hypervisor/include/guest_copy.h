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

/*
 * guest_read_64, guest_write_64 and so on: one access to guest memory at an address that was checked
 * (guest_range_ok); false: it faulted. Volatile: the access may fault, whoever needs what it reads.
 */
#define GUEST_ACCESS(bits)                                                                                   \
    GUEST_INLINE bool guest_read_##bits(uint##bits##_t *to, const void *from)                                \
    {                                                                                                        \
        uint##bits##_t value = 0;                                                                            \
                                                                                                             \
        __asm__ volatile goto(MAY_FAULT : "=r"(value) : "m"(*(const uint##bits##_t *)from) : : fault);       \
        __asm__(""); /* or gcc 12 takes value from before (its bug 113921) */                                \
        *to = value;                                                                                         \
        return true;                                                                                         \
    fault:                                                                                                   \
        return false;                                                                                        \
    }                                                                                                        \
    GUEST_INLINE bool guest_write_##bits(void *to, uint##bits##_t value)                                     \
    {                                                                                                        \
        __asm__ volatile goto(MAY_FAULT : "=m"(*(uint##bits##_t *)to) : "r"(value) : : fault);               \
        return true;                                                                                         \
    fault:                                                                                                   \
        return false;                                                                                        \
    }
GUEST_ACCESS(64)
GUEST_ACCESS(32)
GUEST_ACCESS(16)

/* Copies of n bytes: a constant, even, at most GUEST_INLINE_MAX. */
GUEST_INLINE bool guest_read_few(void *to, const void *from, size_t n)
{
    uint64_t *t = to;
    const uint64_t *f = from;

#define WORD(i) (n < ((i) + 1) * 8 || guest_read_64(&t[i], &f[i]))
    return WORD(0) && WORD(1) && WORD(2) && WORD(3) && WORD(4) && WORD(5) && WORD(6) && WORD(7) && WORD(8) &&
           (!(n & 4) || guest_read_32((uint32_t *)&t[n / 8], &f[n / 8])) &&
           (!(n & 2) || guest_read_16((uint16_t *)to + n / 4 * 2, (const uint16_t *)from + n / 4 * 2));
#undef WORD
}

GUEST_INLINE bool guest_write_few(void *to, const void *from, size_t n)
{
    uint64_t *t = to;
    const uint64_t *f = from;

#define WORD(i) (n < ((i) + 1) * 8 || guest_write_64(&t[i], f[i]))
    return WORD(0) && WORD(1) && WORD(2) && WORD(3) && WORD(4) && WORD(5) && WORD(6) && WORD(7) && WORD(8) &&
           (!(n & 4) || guest_write_32(&t[n / 8], *(const uint32_t *)&f[n / 8])) &&
           (!(n & 2) || guest_write_16((uint16_t *)to + n / 4 * 2, ((const uint16_t *)from)[n / 4 * 2]));
#undef WORD
}

#define GUEST_IS_FEW(n) (__builtin_constant_p(n) && (n) <= GUEST_INLINE_MAX && (n) % 2 == 0)

GUEST_INLINE int copy_from_guest(void *dst, gva_t src, size_t n)
{
    const void *from = (const void *)src.v;

    if (unlikely(!guest_range_ok(src, n))) {
        return -EFAULT;
    }
    return GUEST_IS_FEW(n) ? (guest_read_few(dst, from, n) ? 0 : -EFAULT) : raw_copy(dst, from, n);
}

GUEST_INLINE int copy_to_guest(gva_t dst, const void *src, size_t n)
{
    void *to = (void *)dst.v;

    if (unlikely(!guest_range_ok(dst, n))) {
        return -EFAULT;
    }
    return GUEST_IS_FEW(n) ? (guest_write_few(to, src, n) ? 0 : -EFAULT) : raw_copy(to, src, n);
}

static inline int clear_guest(gva_t dst, size_t n)
{
    return likely(guest_range_ok(dst, n)) ? raw_clear((void *)dst.v, n) : -EFAULT;
}
#endif

/* A handle field or argument of the public headers as a guest address. */
#define HANDLE_GVA(h) gva((unsigned long)(h).p)

#endif
