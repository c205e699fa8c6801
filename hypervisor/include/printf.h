/* SPDX-License-Identifier: MIT */
/*
 * Formatting, a subset of C's: %d %i %u %x %X %o %c %s %p %%, lengths hh h l ll z t j, flags '-' '0' '+' ' '
 * '#', width and precision as numbers or '*'. No floating point. Anything else is copied as it stands.
 */
#ifndef HYPERVISOR_PRINTF_H
#define HYPERVISOR_PRINTF_H

#include <stdarg.h>
#include <stddef.h>

#ifdef CORACLE_HOST_TEST /* beside the host's own */
#include <stdio.h>
#define snprintf  hv_snprintf
#define vsnprintf hv_vsnprintf
#endif

/* As C99: at most n bytes with the final 0 (n may be 0); returns the length that the whole text has. Any
 * context. */
int snprintf(char *out, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *out, size_t n, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));

#endif
