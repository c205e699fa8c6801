/* SPDX-License-Identifier: MIT */
/* Amounts of memory as users write them: 16M, 512k, 1G. */
#ifndef TOOLSTACK_LIB_SIZE_H
#define TOOLSTACK_LIB_SIZE_H

#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Room for any text of format_size. */
#define SIZE_TEXT_MAX 32

/*
 * Reads a decimal number with an optional suffix K, M or G (either case, powers of 1024, optionally followed
 * by "B" or "iB"). A plain number counts MiB, as xl.cfg and QEMU take it. Returns NULL and sets *bytes, or
 * returns what is wrong as a phrase ("is zero") and leaves *bytes alone.
 */
const char *parse_size(const char *text, uint64_t *bytes);

/* Writes bytes in the largest unit that divides it ("16 MiB", "20 KiB", "123 bytes") into text and returns
 * text. */
const char *format_size(uint64_t bytes, char text[SIZE_TEXT_MAX]);

#endif
