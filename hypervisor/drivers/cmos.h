/* SPDX-License-Identifier: MIT */
/* The battery-backed clock (Motorola MC146818 and its descendants). */
#ifndef HYPERVISOR_DRIVERS_CMOS_H
#define HYPERVISOR_DRIVERS_CMOS_H

#include "hypervisor/include/types.h"

/* Seconds since 1970, as the clock shows them (UTC). 0: it shows no date. Never waits for the next second. */
uint64_t cmos_read_time(void);

#endif
