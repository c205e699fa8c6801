/* SPDX-License-Identifier: MIT */
/* What both ways of `coracle run` share: run.c boots the image itself, run_host.c as a domain of a host. */
#ifndef TOOLSTACK_CLI_RUN_H
#define TOOLSTACK_CLI_RUN_H

#include "toolstack/cli/arguments.h"
#include "toolstack/lib/disk_images.h"
#include "toolstack/lib/forward.h"
#include "toolstack/lib/machine.h"

#include <stdbool.h>

#define EXIT_TIMEOUT 124
#define EXIT_CRASH   134

enum run_way { RUN_BY_IMAGE, RUN_DIRECT, RUN_VIA_HOST };

struct run_request {
    struct guest_request guest;
    const char *cpu;
    const char *xen_path;
    const char *options; /* for the hypervisor */
    unsigned cpus, timeout, gdb_port;
    enum run_way way;
    const char *disks[DISK_IMAGES_MAX]; /* as --disk gives them */
    unsigned nr_disks;
    struct network_request network;
    bool xen, verbose, quiet, timeline;
};

/* Settings that tell the libOS what its console is (libos/posix/tty.h). */
struct console_settings {
    const char *list[5]; /* ends with NULL */
    char winsize[32];
};

/* What is done with stdin for this image, and the settings that say so. */
enum machine_input choose_input(const struct image *image);
void describe_console(struct console_settings *settings, enum machine_input input, bool xen);

/* The archive of --root in memory: a descriptor, or -1 with a message. */
int make_root(const char *directory);

/* Says what boots where, unless the user wants quiet. symbols: of the hypervisor, for gdb, or NULL. */
void announce(const struct run_request *request, const struct machine *machine, const char *symbols);

/* Boots a host for this run with the image as its one domain. The exit status of the tool. */
int run_via_host(const struct run_request *request, const struct image *image);

#endif
