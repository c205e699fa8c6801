/* SPDX-License-Identifier: MIT */
/*
 * netfront: interfaces that the store names (device/vif/N). One thread follows the store: interfaces that
 * appear, what their backends are willing to do, and when they end. Another moves frames; events wake it.
 *
 * FOUND -- backend InitWait: rings are made and told --> TOLD -- Connected --> LIVE -- Closing --> ENDED
 *
 * An interface that has ended begins anew when its backend is in InitWait again, and is forgotten with
 * its directory.
 */
#include "libos/front/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/clock.h"
#include "coracle/event.h"
#include "coracle/init.h"
#include "coracle/shutdown.h"
#include "coracle/store.h"
#include "coracle/sync.h"
#include "coracle/xenbus.h"
#include "libos/front/net_queue.h"
#include "libos/net/device.h"
#include "libos/net/stack.h"
#include "libos/posix/thread.h"

#include <xen/io/xenbus.h>

#define QUEUES_MOST 8u
#define BATCH       64u /* frames between two releases of the core lock */
#define CLOSE_NS    (5 * NS_PER_S)
#define VIF         "device/vif"

enum stage { FOUND, TOLD, LIVE, ENDED };

struct netfront {
    struct net_device device; /* first member */
    struct netfront *next;    /* guarded by the core lock, and changed by the store's thread alone */
    long id;
    enum stage stage;
    bool expected; /* counted by net_device_expect */
    bool closed;   /* the store knows that we are done with it */
    bool went;     /* ENDED: the backend has been in another state than the one in which we gave up */
    bool seen;     /* in the directory at the last look */
    struct cor_xenbus_device xenbus;
    struct cor_store_watch backend_watch;
    char backend_state[COR_XENBUS_PATH + 8];
    unsigned queue_count;
    struct net_queue *queues[QUEUES_MOST];
};

static struct netfront *fronts;
static volatile uint32_t store_changes, frames_due; /* what the two threads wait for */

static void count_up(volatile uint32_t *word)
{
    __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
    cor_wake(word, 1);
}

static void on_store(struct cor_store_watch *watch, const char *path)
{
    (void)watch, (void)path;
    count_up(&store_changes);
}

static void on_event(uint32_t port, void *argument)
{
    (void)port, (void)argument;
    count_up(&frames_due);
}

/* Frames ------------------------------------------------------------------------------------------------ */

/*
 * A connection's frames stay on one queue, so that they stay in order: by the last bytes of addresses and
 * ports.
 */
static unsigned choose_queue(const struct netfront *front, const struct pbuf *frame)
{
    unsigned sum = 0;

    if (front->queue_count == 1)
        return 0;
    for (u16_t at = 26; at < 38 && at < frame->tot_len; at++)
        sum = sum * 31 + pbuf_get_at(frame, at);
    return sum % front->queue_count;
}

static bool transmit(struct net_device *device, struct pbuf *frame)
{
    struct netfront *front = (struct netfront *)device;

    if (front->stage != LIVE && front->stage != TOLD) /* TOLD: it is being added */
        return true;                                  /* dropped, as on a cable that is not plugged in */
    return net_queue_transmit(front->queues[choose_queue(front, frame)], frame);
}

static void receive(void *context, struct pbuf *frame, bool checked)
{
    net_device_receive(context, frame, checked);
}

/* Moves what there is, up to BATCH frames of each queue. True when there may be more. Core lock. */
static bool move(struct netfront *front)
{
    bool more = false, room = false;

    for (unsigned i = 0; i < front->queue_count; i++) {
        room |= net_queue_sent(front->queues[i]);
        more |= net_queue_receive(front->queues[i], BATCH, receive, &front->device);
    }
    if (room)
        net_device_room(&front->device);
    return more;
}

static void move_frames(void)
{
    for (;;) {
        uint32_t seen = __atomic_load_n(&frames_due, __ATOMIC_SEQ_CST);
        bool more;

        do {
            more = false;
            LOCK_TCPIP_CORE();
            for (struct netfront *front = fronts; front; front = front->next) {
                if (front->stage == LIVE)
                    more |= move(front);
            }
            UNLOCK_TCPIP_CORE();
        } while (more);
        cor_wait(&frames_due, seen, COR_FOREVER, COR_WAIT_UNINTERRUPTIBLE);
    }
}

/* The store --------------------------------------------------------------------------------------------- */

static void expect(struct netfront *front, bool expected)
{
    if (front->expected != expected)
        net_device_expect(expected);
    front->expected = expected;
}

static void free_queues(struct netfront *front)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < front->queue_count; i++) {
        struct net_queue *queue = front->queues[i];

        if (queue->port)
            cor_event_close(queue->port);
        LOCK_TCPIP_CORE();
        lost += net_queue_free(queue);
        UNLOCK_TCPIP_CORE();
        free(queue);
    }
    front->queue_count = 0;
    if (lost)
        cor_log("network: the backend of interface %ld keeps %u pages", front->id, lost);
}

static int make_queue(struct netfront *front)
{
    struct net_queue *queue = malloc(sizeof(*queue));
    int result;

    if (!queue)
        return -ENOMEM;
    LOCK_TCPIP_CORE();
    result = net_queue_make(queue, front->xenbus.backend_id);
    UNLOCK_TCPIP_CORE();
    if (result) {
        free(queue);
        return result;
    }
    front->queues[front->queue_count++] = queue;
    result = cor_event_alloc_unbound(front->xenbus.backend_id, on_event, front);
    if (result < 0)
        return result;
    queue->port = (uint32_t)result;
    queue->scatter = cor_xenbus_backend_number(&front->xenbus, "feature-sg", 0) != 0;
    queue->checks_v4 = cor_xenbus_backend_number(&front->xenbus, "feature-no-csum-offload", 0) == 0;
    queue->checks_v6 = cor_xenbus_backend_number(&front->xenbus, "feature-ipv6-csum-offload", 0) != 0;
    LOCK_TCPIP_CORE();
    result = net_queue_open(queue);
    UNLOCK_TCPIP_CORE();
    return result;
}

/* As many queues as both sides want: the setting netqueues=, which is 1 if not given. */
static unsigned wanted_queues(const struct netfront *front)
{
    const char *setting = cor_setting("netqueues");
    long own = setting ? strtol(setting, NULL, 10) : 1;
    long most = cor_xenbus_backend_number(&front->xenbus, "multi-queue-max-queues", 1);

    own = own < most ? own : most;
    return own < 1 ? 1 : own > (long)QUEUES_MOST ? QUEUES_MOST : (unsigned)own;
}

static int write_number(uint32_t transaction, const struct netfront *front, const char *name, unsigned value)
{
    char path[COR_XENBUS_PATH + 64];

    snprintf(path, sizeof(path), "%s/%s", front->xenbus.frontend, name);
    return cor_store_printf(transaction, path, "%u", value);
}

/* With one queue its nodes stand in the interface's directory, else each queue has one of its own. */
static int write_queue(uint32_t transaction, const struct netfront *front, unsigned i)
{
    const struct net_queue *queue = front->queues[i];
    const struct {
        const char *name;
        uint32_t value;
    } nodes[] = {
        {"tx-ring-ref", queue->tx_gref}, {"rx-ring-ref", queue->rx_gref}, {"event-channel", queue->port}};
    int err = 0;

    for (size_t n = 0; n < sizeof(nodes) / sizeof(nodes[0]) && !err; n++) {
        char name[40];

        if (front->queue_count == 1)
            snprintf(name, sizeof(name), "%s", nodes[n].name);
        else
            snprintf(name, sizeof(name), "queue-%u/%s", i, nodes[n].name);
        err = write_number(transaction, front, name, nodes[n].value);
    }
    return err;
}

static int write_nodes(uint32_t transaction, const struct netfront *front)
{
    static const char *const features[] = {"request-rx-copy",   "feature-rx-notify",
                                           "feature-sg",        "feature-gso-tcpv4",
                                           "feature-gso-tcpv6", "feature-ipv6-csum-offload"};
    int err = 0;

    if (front->queue_count > 1)
        err = write_number(transaction, front, "multi-queue-num-queues", front->queue_count);
    for (unsigned i = 0; i < front->queue_count && !err; i++)
        err = write_queue(transaction, front, i);
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]) && !err; i++)
        err = write_number(transaction, front, features[i], 1);
    return err;
}

/* Tells the backend all at once. */
static int tell(const struct netfront *front)
{
    uint32_t transaction;
    int err;

    do {
        err = cor_store_begin(&transaction);
        if (err)
            return err;
        err = write_nodes(transaction, front);
        if (err) {
            cor_store_end(transaction, false);
            return err;
        }
        err = cor_store_end(transaction, true);
    } while (err == -EAGAIN);
    return err;
}

/* The other thread looks at the stage, too. */
static void set_stage(struct netfront *front, enum stage stage)
{
    LOCK_TCPIP_CORE();
    front->stage = stage;
    UNLOCK_TCPIP_CORE();
}

/* Says why an interface does not work, and leaves it. */
static void give_up(struct netfront *front, const char *what, int err)
{
    cor_log("network: interface %ld: %s (error %d)", front->id, what, -err);
    cor_xenbus_set_state(&front->xenbus, XenbusStateClosed);
    set_stage(front, ENDED);
    free_queues(front);
    expect(front, false);
}

static int read_node(const struct netfront *front, const char *directory, const char *name, char *text,
                     size_t size)
{
    char path[COR_XENBUS_PATH + 64];
    long length;

    (void)front;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    length = cor_store_read(0, path, text, size);
    return length <= 0 ? -ENOENT : (size_t)length >= size ? -ENAMETOOLONG : 0;
}

static int read_mac(struct netfront *front)
{
    unsigned bytes[6];
    char text[32];

    if (read_node(front, front->xenbus.frontend, "mac", text, sizeof(text)) &&
        read_node(front, front->xenbus.backend, "mac", text, sizeof(text)))
        return -ENOENT;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
               &bytes[5]) != 6 ||
        (bytes[0] & 1))
        return -EINVAL;
    for (int i = 0; i < 6; i++)
        front->device.mac[i] = (uint8_t)bytes[i];
    return 0;
}

/* FOUND, and the backend waits for us. */
static void make(struct netfront *front)
{
    unsigned count = wanted_queues(front);
    int err = read_mac(front);

    if (err) {
        give_up(front, "expected its address in the node mac, such as 00:16:3e:00:00:01", err);
        return;
    }
    while (!err && front->queue_count < count)
        err = make_queue(front);
    if (err) {
        give_up(front, "no memory, grants or event channels for its rings", err);
        return;
    }
    err = tell(front);
    if (!err)
        err = cor_xenbus_set_state(&front->xenbus, XenbusStateConnected);
    if (err)
        give_up(front, "cannot write its nodes in the store", err);
    else
        set_stage(front, TOLD);
}

/* The node of an address, of our directory or the backend's (where xl's ip= stands). */
static const char *address_node(const struct netfront *front, const char *name, char text[64])
{
    if (read_node(front, front->xenbus.frontend, name, text, 64) == 0 ||
        read_node(front, front->xenbus.backend, name, text, 64) == 0)
        return text;
    return NULL;
}

/* TOLD, and the backend is connected. */
static void go_live(struct netfront *front)
{
    char ip[64], netmask[64], gateway[64], ip6[64];
    const struct net_addresses addresses = {.ip = address_node(front, "ip", ip),
                                            .netmask = address_node(front, "netmask", netmask),
                                            .gateway = address_node(front, "gateway", gateway),
                                            .ip6 = address_node(front, "ip6", ip6)};
    long mtu = cor_xenbus_backend_number(&front->xenbus, "mtu", 1500);
    int err;

    front->device.mtu = (uint16_t)(mtu < 1280 || mtu > 65535 - 18 ? 1500 : mtu);
    front->device.checks_v4 = front->queues[0]->checks_v4;
    front->device.checks_v6 = front->queues[0]->checks_v6;
    front->device.transmit = transmit;
    err = net_device_add(&front->device, &addresses);
    if (err) {
        give_up(front, "no memory", err);
        return;
    }
    set_stage(front, LIVE);
    expect(front, false);
    count_up(&frames_due); /* what came meanwhile */
}

/* The backend goes, or has gone. */
static void end(struct netfront *front)
{
    bool live = front->stage == LIVE;

    set_stage(front, ENDED); /* no frame moves from here on */
    front->went = true;
    if (live)
        net_device_remove(&front->device);
    if (!front->closed)
        cor_xenbus_close(&front->xenbus, cor_monotonic_ns() + CLOSE_NS);
    front->closed = true;
    free_queues(front);
    expect(front, false);
}

/* Follows the backend's state. */
static void step(struct netfront *front)
{
    int state = cor_xenbus_backend_state(&front->xenbus);
    bool going = state == XenbusStateClosing || state == XenbusStateClosed || state == XenbusStateUnknown;

    switch (front->stage) {
    case FOUND:
        if (state == XenbusStateInitWait)
            make(front);
        break;
    case TOLD:
        if (state == XenbusStateConnected)
            go_live(front);
        else if (going)
            end(front);
        break;
    case LIVE:
        if (going)
            end(front);
        break;
    case ENDED:
        front->went |= state != XenbusStateInitWait;
        break;
    }
}

static struct netfront *find(long id)
{
    struct netfront *front = fronts;

    while (front && front->id != id)
        front = front->next;
    return front;
}

static void add(long id)
{
    struct netfront *front = calloc(1, sizeof(*front));
    char path[32];
    int err = front ? 0 : -ENOMEM;

    snprintf(path, sizeof(path), VIF "/%ld", id);
    if (!err)
        err = cor_xenbus_open(&front->xenbus, path);
    if (err) {
        if (err != -ENOENT) /* a directory that is being made, or removed */
            cor_log("network: interface %ld: error %d", id, -err);
        free(front);
        return;
    }
    front->id = id;
    front->seen = true;
    expect(front, true);
    snprintf(front->backend_state, sizeof(front->backend_state), "%s/state", front->xenbus.backend);
    front->backend_watch = (struct cor_store_watch){.path = front->backend_state, .changed = on_store};
    LOCK_TCPIP_CORE();
    front->next = fronts;
    fronts = front;
    UNLOCK_TCPIP_CORE();
    cor_xenbus_set_state(&front->xenbus, XenbusStateInitialising);
    cor_store_watch(&front->backend_watch);
}

/* Forgets an interface. gone: its directory is, and closing it must not have made a new one. */
static void drop(struct netfront *front, bool gone)
{
    struct netfront **link = &fronts;

    end(front);
    if (gone)
        cor_store_remove(0, front->xenbus.frontend);
    cor_store_unwatch(&front->backend_watch);
    LOCK_TCPIP_CORE();
    while (*link != front)
        link = &(*link)->next;
    *link = front->next;
    UNLOCK_TCPIP_CORE();
    free(front);
}

/* Compares the interfaces in the store with ours. */
static void look(void)
{
    static char names[4096];
    long size = cor_store_directory(0, VIF, names, sizeof(names));
    struct netfront *front, *next;

    size = size < 0 ? 0 : size < (long)sizeof(names) ? size : (long)sizeof(names);
    for (front = fronts; front; front = front->next)
        front->seen = false;
    for (const char *name = names; name < names + size && memchr(name, 0, (size_t)(names + size - name));
         name += strlen(name) + 1) {
        char *end_of;
        long id = strtol(name, &end_of, 10);

        if (!*name || *end_of || id < 0)
            continue;
        front = find(id);
        if (front && front->stage == ENDED && front->went &&
            cor_xenbus_backend_state(&front->xenbus) == XenbusStateInitWait) { /* it begins anew */
            drop(front, false);
            front = NULL;
        }
        if (front)
            front->seen = true;
        else
            add(id);
    }
    for (front = fronts; front; front = next) {
        next = front->next;
        if (front->seen)
            step(front);
        else
            drop(front, true);
    }
}

static void follow_store(void)
{
    static struct cor_store_watch watch = {.path = VIF, .changed = on_store};
    bool first = true;

    if (cor_store_watch(&watch))
        cor_log("network: cannot watch " VIF "; interfaces that come later will not be seen");
    for (;;) {
        uint32_t seen = __atomic_load_n(&store_changes, __ATOMIC_SEQ_CST);

        look();
        if (first)
            net_device_expect(false); /* of netfront_start */
        first = false;
        cor_wait(&store_changes, seen, COR_FOREVER, COR_WAIT_UNINTERRUPTIBLE);
    }
}

int netfront_start(void)
{
    int err;

    if (!cor_store_present())
        return 0;
    net_device_expect(true); /* until the first look at the store */
    err = posix_helper("netfront", move_frames);
    return err ? err : posix_helper("netfront store", follow_store);
}
