/* SPDX-License-Identifier: MIT */
/*
 * The part of <string.h> that the hypervisor and the compiler use. memcpy and memset move 8 bytes a step:
 * each step of a REP instruction counts as one instruction in our measurements.
 */
#ifndef HYPERVISOR_STRING_H
#define HYPERVISOR_STRING_H

#ifdef CORACLE_HOST_TEST
#include <string.h>
#else
#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *p, int byte, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* A freestanding compiler takes these names for any function's; told that they are C's, it does small copies
 * in place. */
#ifndef memcpy
#define memcpy(dst, src, n)  __builtin_memcpy(dst, src, n)
#define memmove(dst, src, n) __builtin_memmove(dst, src, n)
#define memset(dst, byte, n) __builtin_memset(dst, byte, n)
#define memcmp(a, b, n)      __builtin_memcmp(a, b, n)
#define strlen(s)            __builtin_strlen(s)
#endif
#endif

#endif
