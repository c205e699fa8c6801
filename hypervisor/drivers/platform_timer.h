/* SPDX-License-Identifier: MIT */
/* The reference clock: HPET (IA-PC HPET 1.0a), else ACPI's PM timer (ACPI 4.8.2.1). The PIT serves to
 * calibrate only. */
#ifndef HYPERVISOR_DRIVERS_PLATFORM_TIMER_H
#define HYPERVISOR_DRIVERS_PLATFORM_TIMER_H

#include "hypervisor/include/types.h"

/* Finds and starts the best one. After acpi_init; uses map_mmio. Boot. */
void platform_timer_init(void);
/* "HPET", "PM timer", or NULL: none. */
const char *platform_timer_name(void);
/*
 * Nanoseconds since some moment of boot. Must be read every PLATFORM_TIMER_MAX_NS at least (by any
 * processor), because its counter wraps. Any processor, no lock.
 */
uint64_t platform_timer_now(void);
#define PLATFORM_TIMER_MAX_NS 2000000000ul
/* How long calibration must look at it for an error of at most some 30 millionths. */
uint64_t platform_timer_window(void);
/* Starts a wait of PIT_WAIT_NS on the PIT's second channel; says whether it is over. */
#define PIT_WAIT_NS 10000152ul
void pit_start(void);
bool pit_done(void);

#endif
