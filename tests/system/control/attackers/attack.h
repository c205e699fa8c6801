/* SPDX-License-Identifier: MIT */
/*
 * A bad neighbour: an ordinary domain on the ABI guests' library that does one kind of harm for ever, as fast
 * as it can, on all vCPUs that it has. The first word of its command line says which. It says "attack begins"
 * at its console, and counts its calls in the page of the console's ring, where the scenario reads them
 * (tests/system/control/attacks.c).
 */
#ifndef TESTS_SYSTEM_CONTROL_ATTACKERS_ATTACK_H
#define TESTS_SYSTEM_CONTROL_ATTACKERS_ATTACK_H

#include "tests/abi/lib/test.h"
#include <xen/grant_table.h>
#include <xen/io/console.h>
#include "tests/system/control/attack_page.h"

struct attacker {
    unsigned id; /* of the vCPU */
    uint64_t state;
};

/* The page of the console's ring, which the scenario sees, too. */
uint8_t *console_page(void);
/* Text at the console of this domain. */
void say(const char *text);
/* One more call. */
void counted(void);

/* A number below n. */
unsigned below(struct attacker *a, unsigned n);

/* The library's vCPUs all run body, for ever, and the caller too. */
void on_all_vcpus(void (*body)(struct attacker *a)) __attribute__((noreturn));

/*
 * grants.c: the largest grant table that can be had, and pages to grant. Its entries, 0 (and said so): none.
 */
#define GRANT_FIRST 8u /* those before it are the console's and the store's */
unsigned grant_table(void);
/* One of the pages, writable, to a domain. */
void grant_offer(unsigned ref, domid_t to);

/* What is done: each never returns. */
void attack_vcpus(void);  /* vcpus.c: more and more of them, that start and stop each other */
void attack_events(void); /* events.c: events to itself and to others, timers, yields */
void attack_ports(void);  /* events.c: all ports */
void attack_grants(void); /* grants.c: all entries, all mappings, copies */
void attack_maps(void);   /* maps.c: all handles for mappings, with another that does the same */
void attack_code(void);   /* code.c: code that overwrites itself */
void attack_vm86(void);   /* vm86.c: a mode that does not exist, but where it is emulated */
void attack_tables(void); /* tables.c: types of frames, pins, flushes, memory given back and forth */

#endif
