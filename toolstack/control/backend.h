/* SPDX-License-Identifier: MIT */
/*
 * How backends of devices (disks, networks) learn of domains: each registers once, at start, and is asked in
 * that order whenever a run of a domain begins, before its first instruction.
 */
#ifndef TOOLSTACK_CONTROL_BACKEND_H
#define TOOLSTACK_CONTROL_BACKEND_H

#include "toolstack/control/domain.h"

struct domain_backend {
    /*
     * Takes from the configuration what is this backend's, writes the nodes of both ends, and watches them.
     * 0, or a negative errno with *error filled: the domain is not started then, and detach is not called for
     * it.
     */
    int (*attach)(uint16_t domid, const struct domain_config *config, struct domain_error *error);
    /*
     * The run is over: lets go of everything of the domain's, at once. Its nodes and memory go right after.
     */
    void (*detach)(uint16_t domid);
    struct domain_backend *next;
};

/* The structure stays. */
void domain_backend_register(struct domain_backend *backend);

#endif
