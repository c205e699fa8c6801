/* SPDX-License-Identifier: MIT */
/*
 * Random bytes for /dev/urandom, getentropy and newlib's arc4random. A ChaCha20 generator that replaces its
 * key with every request, so that what was handed out cannot be computed back. Its seed is taken at the first
 * use, from the processor's random instructions where CPUID shows them, the jitter of the time stamp counter,
 * and the clocks. On a processor without those instructions, in an emulator with a deterministic counter, the
 * result is only as good as the wall clock.
 */
#ifndef LIBOS_POSIX_RANDOM_H
#define LIBOS_POSIX_RANDOM_H

#include <stddef.h>

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/* Fills buf. Threads only. */
void random_fill(void *buf, size_t len);

/* Stirs bytes from outside in; they cannot make it worse. Threads only. */
void random_stir(const void *bytes, size_t len);

#pragma GCC visibility pop

#endif
