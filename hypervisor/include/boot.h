/* SPDX-License-Identifier: MIT */
/*
 * The time between the loader and main.c's end: what may be called when.
 *
 *   boot/head.S enters boot_main() on boot_l4 with slot 0 mapping the first 4 GiB one to one; boot_identity()
 *   works until main.c removes that slot. Everything that reads the loader's or the firmware's memory
 *   (boot_info_decode, acpi_init, smp_prepare) comes before that.
 */
#ifndef HYPERVISOR_BOOT_H
#define HYPERVISOR_BOOT_H

#include "hypervisor/include/platform.h"
#include "hypervisor/include/types.h"

/* boot/head.S: the first tables; boot_l4 stays as the idle tables. The image's 16 MiB hang below
 * boot_l3_image. */
extern uint64_t boot_l4[512], boot_l3_low[512], boot_l3_image[512], boot_l2_image[512];
extern uint64_t boot_tsc; /* TSC at the first instruction */
extern char boot_block[]; /* the boot processor's first block (PERCPU_SIZE), until it moves to PERCPU_BASE */

/* hypervisor.ld: the image's parts, each on pages of its own. */
extern char __image_start[], __image_end[], __text_start[], __text_end[], __rodata_start[], __rodata_end[];
extern char __hidden_start[], __hidden_end[];
extern char __data_start[], __data_end[], __bss_start[], __bss_end[], __entry_start[], __entry_end[];

/* Machine address of something in the image. */
#ifdef CORACLE_HOST_TEST
paddr_t image_paddr(const void *p); /* the unit test supplies it */
#else
static inline paddr_t image_paddr(const void *p)
{
    return (paddr_t)p - IMAGE_BASE;
}
#endif

/*
 * [p, p+n) of physical memory through the identity map; NULL where it does not reach (4 GiB and above). Until
 * boot_identity_end(). The frames need not be RAM.
 */
void *boot_identity_range(paddr_t p, size_t n);
static inline void *boot_identity(paddr_t p)
{
    return boot_identity_range(p, 1);
}
/* The identity map is gone: any later use panics. The caller removes slot 0. */
void boot_identity_end(void);

/*
 * Decodes what a multiboot loader left (magic: its eax; info: its ebx) into boot_info, copying all text. 0,
 * or -EINVAL after a line that says what was expected and found. Nothing of the loader's is needed afterwards
 * but the modules, and the ACPI root pointer.
 */
int boot_info_decode(uint32_t magic, paddr_t info);
/* boot/main.c, called by head.S. */
_Noreturn void boot_main(uint32_t magic, paddr_t info);

/* Fills cpu_features from this processor. */
void cpu_features_init(void);
/* Does the processor that calls have the same? 0 or -EINVAL. */
int cpu_features_check(void);
/* This processor's APIC ID as CPUID tells it; works before apic_init. */
uint32_t apic_boot_id(void);
/*
 * The interrupt controllers: masks the legacy ones and the I/O APICs' pins, finds and sets up the boot
 * processor's local APIC. After acpi_init and paging_init (map_mmio), on the boot processor's final block.
 */
void apic_init(void);
/* The same for the local APIC of another processor, on that processor. */
void apic_init_local(void);
/*
 * Finds the clocks, calibrates the TSC and the APIC's timer (which waits some milliseconds), reads the date,
 * and starts this processor's timers. After apic_init.
 */
void clock_init(void);
/*
 * Starts the other processors that ACPI lists, as far as options allow; each ends in cpu_idle_loop(). Needs
 * the clock, the scheduler and the identity map.
 */
void smp_init(void);

/* Reads the options into `options`; a line for each unknown or malformed one. cmdline is not changed. */
void options_parse(const char *cmdline);

#endif
