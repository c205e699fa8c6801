/* SPDX-License-Identifier: MIT */
/*
 * Builds a domain from an image, with pvboot's library: what the hypervisor does for the initial domain, done
 * here for all others through privileged calls. The new domain is paused.
 *
 * Everything of image and sizes is decoded before anything is created. What costs is the memory: it comes in
 * extents of 2 MiB, frames are mapped many at a time, and nothing is written that pvboot does not have to
 * write (the hypervisor hands out scrubbed frames).
 */
#ifndef TOOLSTACK_CONTROL_BUILDER_H
#define TOOLSTACK_CONTROL_BUILDER_H

#include <stddef.h>
#include <stdint.h>
#include "toolstack/control/domain.h"

/* What is to be built. */
struct builder_plan {
    const void *kernel, *ramdisk; /* ramdisk NULL: none */
    size_t kernel_size, ramdisk_size;
    const char *cmdline; /* NULL: empty */
    uint64_t memory_kib, max_memory_kib;
    unsigned max_vcpus;
    uint8_t uuid[16];
};

/* What was built: the caller maps the ring pages and binds the ports. */
struct built_domain {
    uint16_t domid;
    uint64_t store_mfn, console_mfn;   /* the rings' machine frames */
    uint32_t store_port, console_port; /* the domain's ports, which domain 0 may bind */
    uint64_t text_start, text_end;     /* where its image has code, for backtraces */
};

/*
 * Builds. 0 with *built filled, or a negative errno with *error filled; then there is no such domain.
 * -EINVAL: the image is broken or does not fit its memory; -ENOMEM: the host has too little memory.
 */
int builder_build(const struct builder_plan *plan, struct built_domain *built, struct domain_error *error);

#endif
