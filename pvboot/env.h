/* SPDX-License-Identifier: MIT */
/*
 * What the builder library takes from its surroundings: four memory functions and two bulk moves. The
 * hypervisor and guests bring the functions themselves; on the host they are libc's, so that the sanitizers
 * watch every access. In the control domain the functions are libc's, and the bulk moves ours.
 */
#ifndef PVBOOT_ENV_H
#define PVBOOT_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
#endif

#if __STDC_HOSTED__ && !defined(__coracle__)

static inline void pvboot_copy(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}

static inline void pvboot_zero(void *to, size_t size)
{
    memset(to, 0, size);
}

#else

/* Copies size bytes, eight at a time; the two areas do not overlap. */
static inline void pvboot_copy(void *to, const void *from, size_t size)
{
    size_t words = size / 8, rest = size % 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
}

/* Zeroes size bytes, eight at a time. */
static inline void pvboot_zero(void *to, size_t size)
{
    size_t words = size / 8, rest = size % 8;

    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(0UL) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(0UL) : "memory");
}

#endif

#define PVBOOT_PAGE_SIZE  4096ul
#define PVBOOT_PAGE_SHIFT 12

#endif
