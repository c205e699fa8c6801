/* SPDX-License-Identifier: MIT */
/*
 * The frontend's side of a split device's life (xen/io/xenbus.h): two directories in the store, ours and the
 * backend's, each with a node `state`. Both ends step through the states together:
 *
 *     frontend  Initialising            -> Initialised        -> Connected ...  Closing -> Closed
 *     backend   Initialising, InitWait                        -> Connected ...  Closing -> Closed
 *
 * Threads only. Errors as in coracle/store.h.
 */
#ifndef CORACLE_XENBUS_H
#define CORACLE_XENBUS_H

#include <stdint.h>
#include "coracle/store.h"

#define COR_XENBUS_PATH 128 /* longest path of a directory, the zero byte included */

/* A set of states (enum xenbus_state), for cor_xenbus_wait. */
#define COR_XENBUS_STATE(state) (1u << (state))

struct cor_xenbus_device {
    char frontend[COR_XENBUS_PATH]; /* our directory, such as device/vif/0 */
    char backend[COR_XENBUS_PATH];  /* the backend's */
    uint16_t backend_id;            /* its domain */
    /* private */
    char backend_state[COR_XENBUS_PATH + 8];
    struct cor_store_watch watch; /* of the backend's state */
    struct cor_xenbus_device *next;
};

/*
 * Finds the device's backend and watches its state. The structure stays valid until cor_xenbus_close
 * returned. -ENOENT: there is no such device; -ENAMETOOLONG.
 */
int cor_xenbus_open(struct cor_xenbus_device *device, const char *frontend);

/* The backend's state now: an enum xenbus_state, XenbusStateUnknown if it has none. */
int cor_xenbus_backend_state(const struct cor_xenbus_device *device);

/*
 * Waits until the backend's state is in the set; which it is, or -ETIMEDOUT at the deadline (monotonic
 * nanoseconds, COR_FOREVER: none), -EINTR, -ENODEV when the backend is gone (and XenbusStateUnknown is not in
 * the set).
 */
int cor_xenbus_wait(struct cor_xenbus_device *device, unsigned states, uint64_t deadline);

/* Says our state. */
int cor_xenbus_set_state(const struct cor_xenbus_device *device, int state);

/* A number that the backend offers, such as "feature-sg"; fallback if it does not say. */
long cor_xenbus_backend_number(const struct cor_xenbus_device *device, const char *name, long fallback);

/*
 * Ends a device: Closing, waits for the backend to close, Closed; gives up waiting at the deadline. Grants
 * may be revoked afterwards. Devices that are open when the program ends are closed so, with a second for
 * all.
 */
int cor_xenbus_close(struct cor_xenbus_device *device, uint64_t deadline);

#endif
