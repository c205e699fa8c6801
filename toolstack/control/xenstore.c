/* SPDX-License-Identifier: MIT */
/* The host's store on the loop; see xenstore.h. */
#include "toolstack/control/xenstore.h"
#include <errno.h>
#include <stddef.h>
#include <sys/random.h>
#include "coracle/event.h"

static struct store *store;

/* A piece of the store's work at a time, behind the others. */
static void dispatch(struct loop_task *task)
{
    if (store_dispatch(store)) {
        loop_post(task);
    }
}

static struct loop_task dispatch_task = {.run = dispatch};

int xenstore_init(void)
{
    struct store_limits limits;

    store_limits_default(&limits);
    if (getrandom(&limits.seed, sizeof(limits.seed), 0) != (ssize_t)sizeof(limits.seed)) {
        return -EIO;
    }
    store = store_create(&limits);
    if (!store) {
        return -ENOMEM;
    }
    return store_printf(store, "/local/domain/0/domid", "0");
}

struct store *xenstore(void)
{
    return store;
}

void xenstore_changed(void)
{
    loop_post(&dispatch_task);
}

static void ring_event(struct loop_task *task)
{
    struct xenstore_ring *ring = (struct xenstore_ring *)task; /* the task is the first thing in it */

    store_event(store, ring->domid);
    loop_post(&dispatch_task);
}

static void notify(void *context)
{
    const struct xenstore_ring *ring = context;

    if (ring->port.port) {
        cor_event_send(ring->port.port);
    }
}

int xenstore_connect(struct xenstore_ring *ring, uint16_t domid, struct xenstore_domain_interface *page,
                     uint32_t remote_port)
{
    int error;

    ring->domid = domid;
    ring->port.task.run = ring_event;
    error = loop_port_bind(&ring->port, domid, remote_port);
    if (!error) {
        error = store_introduce(store, domid, page, notify, ring);
        if (error) {
            loop_port_close(&ring->port);
        }
        loop_post(&dispatch_task);
    }
    return error;
}

void xenstore_disconnect(struct xenstore_ring *ring)
{
    if (ring->port.port) {
        loop_port_close(&ring->port);
        (void)store_release(store, ring->domid, false); /* it was introduced: it cannot fail */
        loop_post(&dispatch_task);
    }
}

_Static_assert(offsetof(struct xenstore_ring, port.task) == 0, "ring_event() finds its ring by the task");
