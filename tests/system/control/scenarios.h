/* SPDX-License-Identifier: MIT */
/* All scenarios, by file. tests/system/test_control.py says which of them share a boot. */
#ifndef TESTS_SYSTEM_CONTROL_SCENARIOS_H
#define TESTS_SYSTEM_CONTROL_SCENARIOS_H

#include "tests/system/control/test.h"

/* life.c */
void scenario_hello(void);
void scenario_refused(void);
void scenario_obey(void);
void scenario_long_line(void);
void scenario_restart(void);
void scenario_storm(void);
void scenario_preserve(void);
void scenario_destroy(void);
void scenario_crash(void);
void scenario_autostart(void);

/* many.c */
void scenario_rounds(void);
void scenario_crowd(void);
void scenario_large(void);
void scenario_full(void);
void scenario_cost(void);

/* neighbours.c */
void scenario_storms(void);
void scenario_flood(void);
void scenario_readers(void);

/* attacks.c */
void scenario_attack_vcpus(void);
void scenario_attack_events(void);
void scenario_attack_ports(void);
void scenario_attack_grants(void);
void scenario_attack_maps(void);
void scenario_attack_code(void);
void scenario_attack_vm86(void);
void scenario_attack_tables(void);
void scenario_attack_store(void);
void scenario_attack_console(void);
void scenario_fuzz(void);

/* store.c */
void scenario_ends(void);
void scenario_deaf(void);
void scenario_balloon(void);
void scenario_grow(void);
void scenario_storeuser(void);

/* given.c */
void scenario_given(void);

/* net.c */
void scenario_net(void);
void scenario_net_hotplug(void);
void scenario_net_refused(void);
void scenario_net_evil(void);
/* Registers netback, once. */
void begin_net(void);

/* foreign.c */
void scenario_grub(void);

/* evil_blkback.c */
void scenario_evil_blkback(void);

/* linux.c */
void scenario_linux(void);

#endif
