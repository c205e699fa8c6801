/* SPDX-License-Identifier: MIT */
/*
 * Keys on the hypervisor's console line. On a line that it shares with the initial domain, Ctrl-A typed three
 * times switches the input between the two, as on Xen; a line of its own always listens.
 */
#ifndef HYPERVISOR_DEBUG_KEY_H
#define HYPERVISOR_DEBUG_KEY_H

/* fn runs on the exit path of the processor that took the key, interrupts off. help: a literal. Boot. */
void debug_key_register(char key, const char *help, void (*fn)(void));
/* Queues a key as if typed (sysctl debug_keys); it runs after HAZARD_DUMP. Any context. */
void debug_key_push(char key);
/* Runs the keys that were queued: the exit path's and the idle loop's answer to HAZARD_DUMP. */
void debug_keys_run(void);

#endif
