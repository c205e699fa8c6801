/* SPDX-License-Identifier: MIT */
/* Inside of cpu/: the local APIC beyond what platform.h shows (Intel SDM 3, chapter 11; AMD64 APM 2, chapter
 * 16). */
#ifndef HYPERVISOR_CPU_APIC_H
#define HYPERVISOR_CPU_APIC_H

#include "hypervisor/include/types.h"

/* This processor's APIC ID. */
uint32_t apic_id(void);
/* Sends INIT, or a start-up IPI for code at physical page << 12, to a processor that is not running. */
void apic_send_init(uint32_t id);
void apic_send_startup(uint32_t id, uint8_t page);
/* The timer as a free-running counter, for calibration: starts it from its largest value; reads how far it
 * came. */
void apic_timer_count_start(void);
uint32_t apic_timer_count(void);
/* Its frequency, once known. */
void apic_timer_calibrated(uint64_t hz);

/* cpu/irq.c: the I/O APICs and the debug key. */
void irq_init(void);

#endif
