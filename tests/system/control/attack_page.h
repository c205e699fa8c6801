/* SPDX-License-Identifier: MIT */
/* Where a domain of the tests counts its hypercalls: in the page of its console's ring, behind the ring. */
#ifndef TESTS_SYSTEM_CONTROL_ATTACK_PAGE_H
#define TESTS_SYSTEM_CONTROL_ATTACK_PAGE_H

#include <stdint.h>

#define ATTACK_COUNT_OFFSET 3584u /* bytes; the ring ends before */
#define ATTACK_COUNTERS     8u    /* of 64 bits; the sum counts */

#endif
