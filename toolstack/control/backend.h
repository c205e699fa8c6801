/* SPDX-License-Identifier: MIT */
/*
 * How backends of devices (disks, networks) learn of domains: each registers once, at start, and is asked in
 * that order whenever a run of a domain begins, before its first instruction.
 */
#ifndef TOOLSTACK_CONTROL_BACKEND_H
#define TOOLSTACK_CONTROL_BACKEND_H

#include "toolstack/control/domain.h"
#include "toolstack/lib/list.h"

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

/* Kinds of devices of domains, as xl.cfg has them. */
enum domain_device_kind { DEVICE_VIF, DEVICE_DISK };

/* Who wants to know of devices that are gone. */
struct device_observer {
    void (*gone)(struct device_observer *observer, uint16_t domid, enum domain_device_kind kind,
                 unsigned number);
    struct link link;
};
void domain_device_observe(struct device_observer *observer);
void domain_device_unobserve(struct device_observer *observer);

/* For backends: a device is gone, with its nodes. number: an interface's devid, a disk's virtual-device. */
void domain_device_gone(uint16_t domid, enum domain_device_kind kind, unsigned number);

/*
 * Adds a device to a domain that runs, as a line of vif= or disk= describes it, and to its configuration, so
 * that its next run has it too. 0 with *number, or a negative errno with *error filled.
 */
int domain_attach_device(struct domain *domain, enum domain_device_kind kind, const char *text,
                         unsigned *number, struct domain_error *error);

/*
 * Takes a device out of a domain's configuration, and asks its frontend to let go of it: it is gone when that
 * has (domain_device_gone()), perhaps within this call. force: without asking. 0, or -ENOENT with *error
 * filled.
 */
int domain_detach_device(struct domain *domain, enum domain_device_kind kind, unsigned number, bool force,
                         struct domain_error *error);

/* The structure stays. */
void domain_backend_register(struct domain_backend *backend);

#endif
