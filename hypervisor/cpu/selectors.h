/* SPDX-License-Identifier: MIT */
/*
 * Selectors. A guest's GDT has 14 pages of its own; the ABI reserves what follows, from selector 0xe000 on,
 * for us, and fixes the guest's flat segments there (arch-x86/xen-x86_64.h, FLAT_RING3_*).
 */
#ifndef HYPERVISOR_CPU_SELECTORS_H
#define HYPERVISOR_CPU_SELECTORS_H

#define SEL_HV_CS      0xe008
#define SEL_HV_SS      0xe010
#define SEL_GUEST_CS32 0xe023
#define SEL_GUEST_SS32 0xe02b
#define SEL_GUEST_SS64 0xe02b
#define SEL_GUEST_CS64 0xe033
#define SEL_TSS        0xe040 /* two slots */
#define SEL_LDT        0xe050 /* two slots */
#define GDT_OUR_FIRST  0xe000
#define GDT_LIMIT      0xefff

#define HYPERCALL_COUNT 64 /* rows of hypercall_table */

#endif
