/* SPDX-License-Identifier: MIT */
/*
 * The interface's end of xenbus: what stands in the store, and the states (xen/io/xenbus.h).
 *
 *   frontend  Initialising ------> Connected ----------> Closing --> Closed ------> Initialising
 *   here        InitWait  -- rings --> Connected -- let go --> Closing --> Closed  --> InitWait
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/backend/vif.h"
#include "toolstack/control/xenstore.h"

#define NODE (VIF_PATH + 48u)

/* ------------------------------------------------------------------ nodes */

/* Writes directory/name; after the first error nothing more is done. */
static void put(int *error, const char *directory, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void put(int *error, const char *directory, const char *name, const char *format, ...)
{
    char path[NODE], value[VIF_IP_MAX + 1];
    va_list arguments;

    if (*error) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    *error = store_write(xenstore(), path, value, strlen(value));
}

/* A number of the frontend's, which writes what it likes there. False: there is none. */
static bool get(const struct vif *vif, const char *name, uint32_t *number)
{
    char path[NODE], *end;
    const char *text;
    unsigned long value;

    snprintf(path, sizeof(path), "%s/%s", vif->frontend, name);
    text = store_read(xenstore(), path, NULL);
    if (!text || *text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    value = strtoul(text, &end, 10);
    *number = (uint32_t)value;
    return !errno && !*end && value <= UINT32_MAX;
}

static uint32_t get_or(const struct vif *vif, const char *name, uint32_t fallback)
{
    uint32_t number;

    return get(vif, name, &number) ? number : fallback;
}

static void set_state(struct vif *vif, int state)
{
    int error = 0;

    vif->state = state;
    put(&error, vif->backend, "state", "%d", state);
    if (error) {
        printf("vif %u of domain %u: the store does not take its state: error %d\n", vif->devid, vif->domid,
               -error);
    }
    xenstore_changed();
}

/* Linux's place for what a device driver has to complain of. */
static void error_path(const struct vif *vif, char path[NODE])
{
    snprintf(path, NODE, "/local/domain/0/error/backend/vif/%u/%u", vif->domid, vif->devid);
}

void vif_fail(struct vif *vif, int error, const char *what)
{
    char path[NODE];
    int failed = 0;

    error_path(vif, path);
    put(&failed, path, "error", "%d %s", -error, what);
    if (vif->logs < VIF_LOGS_MAX) {
        vif->logs++;
        printf("vif %u of domain %u: stopped: found %s%s\n", vif->devid, vif->domid, what,
               vif->logs == VIF_LOGS_MAX ? " (nothing more is said of this interface)" : "");
    }
    vif_disconnect(vif);
    set_state(vif, XenbusStateClosing);
}

/* ------------------------------------------------------------------ connecting */

/* Nodes of a queue: in the interface's directory when there is only one. */
static bool get_queue(const struct vif *vif, unsigned count, unsigned number, const char *name,
                      uint32_t *value)
{
    char node[40];

    if (count == 1) {
        return get(vif, name, value);
    }
    snprintf(node, sizeof(node), "queue-%u/%s", number, name);
    return get(vif, node, value);
}

static void read_features(const struct vif *vif, struct net_ring *ring)
{
    ring->scatter = get_or(vif, "feature-sg", 0) != 0;
    ring->gso_v4 = get_or(vif, "feature-gso-tcpv4", 0) != 0;
    ring->gso_v6 = get_or(vif, "feature-gso-tcpv6", 0) != 0;
    ring->checks_v4 = get_or(vif, "feature-no-csum-offload", 0) == 0;
    ring->checks_v6 = get_or(vif, "feature-ipv6-csum-offload", 0) != 0;
}

static const char *connect_queue(struct vif *vif, unsigned count, unsigned number, int *error)
{
    uint32_t tx, rx, port;

    *error = -EINVAL;
    if (!get_queue(vif, count, number, "tx-ring-ref", &tx) ||
        !get_queue(vif, count, number, "rx-ring-ref", &rx)) {
        return "no numbers in tx-ring-ref and rx-ring-ref";
    }
    if (!get_queue(vif, count, number, "event-channel", &port)) {
        return "no number in event-channel";
    }
    *error = vif_connect_queue(vif, number, tx, rx, port);
    if (*error) {
        return *error == -ENOMEM ? "no memory for its rings" : "rings or an event channel that are not there";
    }
    read_features(vif, &vif->queues[number].ring);
    return NULL;
}

/* The frontend has told of its rings. */
static void connect(struct vif *vif)
{
    uint32_t count = get_or(vif, "multi-queue-num-queues", 1);
    const char *wrong = NULL;
    int error = -EINVAL;

    vif_disconnect(vif);
    if (get_or(vif, "request-rx-copy", 0) != 1) {
        wrong = "a frontend that does not let frames be copied (request-rx-copy)";
    } else if (count == 0 || count > VIF_QUEUES_MAX) {
        wrong = "more queues than were offered (multi-queue-num-queues)";
    } else if (vif_make_queues(vif, count)) {
        error = -ENOMEM;
        wrong = "no memory for its queues";
    }
    for (unsigned i = 0; i < count && !wrong; i++) {
        wrong = connect_queue(vif, count, i, &error);
    }
    if (wrong) {
        vif_fail(vif, error, wrong);
        return;
    }
    set_state(vif, XenbusStateConnected);
    vif_start(vif);
}

/* ------------------------------------------------------------------ states */

static void end_now(struct loop_task *task)
{
    vif_destroy((struct vif *)((char *)task - offsetof(struct vif, end.task)));
}

static void closed(struct vif *vif)
{
    vif_disconnect(vif);
    set_state(vif, XenbusStateClosed);
    if (vif->going) {
        loop_post(&vif->end.task); /* not from within the watch's call */
    }
}

static void frontend_changed(void *context, const char *path)
{
    struct vif *vif = context;

    (void)path;
    switch (get_or(vif, "state", XenbusStateUnknown)) {
    case XenbusStateInitialising:
        if (!vif->going && vif->state != XenbusStateInitWait) {
            vif_disconnect(vif);
            set_state(vif, XenbusStateInitWait);
        }
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (vif->state == XenbusStateInitWait) {
            connect(vif);
        }
        break;
    case XenbusStateClosing:
        if (vif->state == XenbusStateConnected || vif->state == XenbusStateInitWait) {
            vif_disconnect(vif);
            set_state(vif, XenbusStateClosing);
        }
        break;
    case XenbusStateClosed:
    case XenbusStateUnknown:
        if (vif->state != XenbusStateClosed) {
            closed(vif);
        }
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ life */

static void put_frontend(int *error, const struct vif *vif, const char *mac)
{
    const struct store_permission owner[] = {{vif->domid, STORE_NONE}, {0, STORE_READ}};

    put(error, vif->frontend, "backend-id", "0");
    if (!*error) {
        *error = store_set_permissions(xenstore(), vif->frontend, owner, 2);
    }
    put(error, vif->frontend, "handle", "%u", vif->devid);
    put(error, vif->frontend, "mac", "%s", mac);
    put(error, vif->frontend, "mtu", "%u", vif->config.mtu);
    if (vif->config.ip[0]) {
        put(error, vif->frontend, "ip", "%s", vif->config.ip);
    }
    put(error, vif->frontend, "backend", "%s", vif->backend);
    put(error, vif->frontend, "state", "%d", XenbusStateInitialising);
}

static void put_backend(int *error, const struct vif *vif, const char *mac)
{
    static const char *const features[] = {"feature-rx-copy",   "feature-sg",
                                           "feature-gso-tcpv4", "feature-gso-tcpv6",
                                           "feature-rx-notify", "feature-ipv6-csum-offload"};
    const struct store_permission reader[] = {{0, STORE_NONE}, {vif->domid, STORE_READ}};

    put(error, vif->backend, "frontend-id", "%u", vif->domid);
    if (!*error) {
        *error = store_set_permissions(xenstore(), vif->backend, reader, 2);
    }
    put(error, vif->backend, "frontend", "%s", vif->frontend);
    put(error, vif->backend, "online", "1");
    put(error, vif->backend, "handle", "%u", vif->devid);
    put(error, vif->backend, "type", "vif");
    put(error, vif->backend, "mac", "%s", mac);
    put(error, vif->backend, "bridge", "%s", vif->config.bridge);
    put(error, vif->backend, "mtu", "%u", vif->config.mtu);
    if (vif->config.ip[0]) {
        put(error, vif->backend, "ip", "%s", vif->config.ip);
    }
    if (vif->config.rate_bytes) {
        put(error, vif->backend, "rate", "%llu,%lu", (unsigned long long)vif->config.rate_bytes,
            (unsigned long)vif->config.rate_us);
    }
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        put(error, vif->backend, features[i], "1");
    }
    put(error, vif->backend, "feature-split-event-channels", "0");
    put(error, vif->backend, "multi-queue-max-queues", "%u", VIF_QUEUES_MAX);
    put(error, vif->backend, "hotplug-status", "connected");
}

int vif_announce(struct vif *vif)
{
    char mac[18], state[NODE];
    int error = 0;

    vif_mac_text(vif->config.mac, mac);
    snprintf(vif->frontend, sizeof(vif->frontend), "/local/domain/%u/device/vif/%u", vif->domid, vif->devid);
    snprintf(vif->backend, sizeof(vif->backend), "/local/domain/0/backend/vif/%u/%u", vif->domid, vif->devid);
    vif->end.task.run = end_now;
    put_backend(&error, vif, mac);
    put(&error, vif->backend, "state", "%d", XenbusStateInitWait);
    vif->state = XenbusStateInitWait;
    put_frontend(&error, vif, mac);
    if (!error) {
        snprintf(state, sizeof(state), "%s/state", vif->frontend);
        vif->watch = store_watch(xenstore(), state, frontend_changed, vif, &error);
    }
    xenstore_changed();
    return error;
}

#define PATIENCE_NS 5000000000ull

void vif_ask_to_end(struct vif *vif)
{
    int error = 0;

    vif->going = true;
    put(&error, vif->backend, "online", "0");
    if (vif->state == XenbusStateClosed) {
        loop_post(&vif->end.task);
        return;
    }
    set_state(vif, XenbusStateClosing);
    loop_timer_set(&vif->end, cor_monotonic_ns() + PATIENCE_NS);
}

void vif_forget(struct vif *vif)
{
    char path[NODE];

    loop_timer_stop(&vif->end);
    if (vif->watch) {
        store_unwatch(xenstore(), vif->watch);
        vif->watch = NULL;
    }
    error_path(vif, path);
    (void)store_remove(xenstore(), path); /* there may be none */
    (void)store_remove(xenstore(), vif->frontend);
    (void)store_remove(xenstore(), vif->backend);
    xenstore_changed();
}
