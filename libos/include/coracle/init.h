/* SPDX-License-Identifier: MIT */
/*
 * What the start of the libOS offers to the other rooms: settings from the command line, the initrd, and the
 * hooks by which the POSIX room joins the ordered list of init calls (libos/init/start.c).
 */
#ifndef CORACLE_INIT_H
#define CORACLE_INIT_H

#include <stddef.h>
#include <stdint.h>

/*
 * The value of the libOS setting `name=VALUE` on the domain's command line, NULL if it was not given. The
 * last one wins. A setting without `=` has the value "". The string lives as long as the domain.
 */
const char *cor_setting(const char *name);

/*
 * Start and length in bytes of the domain's initrd, which is mapped writable and belongs to the caller
 * (the root file system). NULL and 0 when the domain has none.
 */
void *cor_initrd(size_t *length);

/* True for the initial domain (SIF_INITDOMAIN in start_info.flags). */
int cor_is_initial_domain(void);

/*
 * Hooks that the POSIX room defines; each has an empty weak definition, so that a libOS without that room
 * links.
 *
 * cor_posix_init: after memory, threads, clock and console work and `environ` is set, before constructors.
 *   Runs on the main thread, events enabled; may allocate.
 * cor_posix_exit: first thing of cor_exit, on the thread that exits, events enabled.
 */
void cor_posix_init(void);
void cor_posix_exit(void);

/*
 * The control domain wants the program to end: the POSIX room sends SIGTERM. In interrupt context. Weak and
 * empty, too.
 */
void cor_posix_terminate(void);

/*
 * The same for devices: after cor_posix_exit, on the thread that exits, events enabled. libos/xen/xenbus.c
 * has it.
 */
void cor_devices_exit(void);

#endif
