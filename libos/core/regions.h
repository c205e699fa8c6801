/* SPDX-License-Identifier: MIT */
/* Addresses of the regions' range, for what is mapped there otherwise than by cor_map. Internal to
 * libos/core. */
#ifndef LIBOS_CORE_REGIONS_H
#define LIBOS_CORE_REGIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Takes length bytes (a multiple of a page) of free addresses, with at least one free page on either side,
 * and gives them back. Nothing is mapped or unmapped. cor_take_addresses returns 0 if memory for the
 * bookkeeping or addresses are short. The memory lock is held.
 */
uint64_t cor_take_addresses(uint64_t length);
void cor_give_addresses(uint64_t start, uint64_t length);

/*
 * Which of some mapped pages were written since they were asked for the last time, or were mapped or
 * protected: the processor marks them. The marks are cleared; what is read from the pages afterwards has
 * all that was written before.
 */
void cor_take_marks(const void *address, size_t pages, bool *marks);

#endif
