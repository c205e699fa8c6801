/* SPDX-License-Identifier: MIT */
/*
 * What a domain of the tests and the scenario that made it tell each other in the page of its console's ring,
 * behind the ring: how many hypercalls the domain has made, which other one belongs to it, and when
 * it may take what there is.
 */
#ifndef TESTS_SYSTEM_CONTROL_ATTACK_PAGE_H
#define TESTS_SYSTEM_CONTROL_ATTACK_PAGE_H

#include <stdint.h>

#define ATTACK_COUNT_OFFSET   3584u                                        /* bytes; the ring ends before */
#define ATTACK_COUNTERS       8u                                           /* of 64 bits; the sum counts */
#define ATTACK_PARTNER_OFFSET (ATTACK_COUNT_OFFSET + ATTACK_COUNTERS * 8u) /* 32 bits: its domid + 1 */
/* 32 bits: what it may do. Those that need the same locks take turns when they take what there is. */
#define ATTACK_GO_OFFSET (ATTACK_PARTNER_OFFSET + 4u)
#define ATTACK_GO_TAKE   1u
#define ATTACK_GO_ATTACK 2u /* all have taken theirs */

#endif
