/* SPDX-License-Identifier: MIT */
/*
 * Where the tool's companions are, found from the tool's own place, so that a build tree and an installation
 * both work and can be moved:
 *
 *                   build tree                              installation
 *   the tool        BUILD/coracle                           PREFIX/bin/coracle
 *   compiler        BUILD/bin/coracle-cc                    PREFIX/bin/coracle-cc
 *   hypervisor      BUILD/hypervisor/coracle.elf            PREFIX/lib/coracle/coracle.elf
 *   control domain  BUILD/control/control.elf               PREFIX/lib/coracle/control.elf
 *   stock Xen       BUILD/xen/xen-4.17 or Debian's /boot/xen-4.17-amd64.gz
 */
#ifndef TOOLSTACK_LIB_PATHS_H
#define TOOLSTACK_LIB_PATHS_H

#include <stdbool.h>

/* Each returns a path that the caller frees, or NULL after saying on stderr what was looked for and what to
 * do. */
char *find_compiler(void);
char *find_hypervisor(void);
char *find_control(void);
char *find_xen(void);

/*
 * The file with the symbols of the hypervisor at path: coracle.64 beside coracle.elf, which as a 32-bit file
 * cannot hold them. NULL when it is not there; the caller frees it.
 */
char *find_hypervisor_symbols(const char *path);

/* Whether a program of that name is in PATH (or is executable, when the name has a slash). */
bool have_program(const char *name);

#endif
