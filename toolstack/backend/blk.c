/* SPDX-License-Identifier: MIT */
/*
 * See blk.h. A virtual disk steps with its frontend (xen/io/xenbus.h):
 *
 *   InitWait -- frontend Initialised, Connected: rings --> Connected -- Closing --> Closing
 *      ^                                                                            |
 *      +---------------- Initialising again ---------------- Closed <-- Closed -----+
 *
 * unless it is on its way out (online = 0): then it goes with all its nodes.
 */
#include "toolstack/backend/blk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toolstack/backend/blk_queue.h"
#include "toolstack/backend/disk_line.h"
#include "toolstack/control/backend.h"
#include "toolstack/control/error.h"
#include "toolstack/control/xenstore.h"
#include "toolstack/device/blkdev.h"

#include <xen/io/xenbus.h>

#define QUEUES_MOST 4u
#define PATH_ROOM   96u

struct vbd {
    struct vbd *next;
    uint16_t domid;
    struct disk_line line;
    struct blkdev *disk;
    bool leaving; /* online = 0 */
    enum xenbus_state state;
    char frontend[PATH_ROOM], backend[PATH_ROOM];
    struct store_watch *watch; /* of the frontend's state */
    struct blk_queue *queues[QUEUES_MOST];
    unsigned nr_queues;
};

static struct vbd *vbds;

/* ------------------------------------------------------------------ nodes */

static void put(int *error, const char *directory, const char *name, const char *value)
{
    char path[PATH_ROOM + 48];

    if (!*error) {
        snprintf(path, sizeof(path), "%s/%s", directory, name);
        *error = store_write(xenstore(), path, value, strlen(value));
    }
}

static void put_number(int *error, const char *directory, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    put(error, directory, name, text);
}

/* A number that the frontend wrote. False: there is none, or it is above max. */
static bool get_number(const struct vbd *vbd, const char *name, uint64_t max, uint64_t *number)
{
    char path[PATH_ROOM + 48], *end;
    const char *text;
    size_t length;

    snprintf(path, sizeof(path), "%s/%s", vbd->frontend, name);
    text = store_read(xenstore(), path, &length);
    if (!text || text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    return end == text + length && errno == 0 && *number <= max;
}

/* A directory, which one end owns and the other may read. */
static void put_directory(int *error, const char *path, uint16_t owner, uint16_t reader)
{
    const struct store_permission list[] = {{owner, STORE_NONE}, {reader, STORE_READ}};

    if (!*error) {
        *error = store_mkdir(xenstore(), path);
    }
    if (!*error) {
        *error = store_set_permissions(xenstore(), path, list, 2);
    }
}

static void set_state(struct vbd *vbd, enum xenbus_state state)
{
    int error = 0;

    vbd->state = state;
    put_number(&error, vbd->backend, "state", state);
    xenstore_changed();
}

static uint32_t most_segments(const struct vbd *vbd)
{
    uint32_t most = vbd->disk->max_segments < BLK_SEGMENTS ? vbd->disk->max_segments : BLK_SEGMENTS;

    return most * 8 > vbd->disk->max_sectors ? vbd->disk->max_sectors / 8 : most;
}

/* What the disk is, and what the frontend may ask of it. */
static int put_features(const struct vbd *vbd)
{
    const struct blkdev *disk = vbd->disk;
    const char *at = vbd->backend;
    int error = 0;

    put_number(&error, at, "sectors", disk->sectors);
    put_number(&error, at, "sector-size", disk->sector_size);
    put_number(&error, at, "physical-sector-size", disk->sector_size);
    put_number(&error, at, "info", vbd->line.read_only ? VDISK_READONLY : 0);
    put_number(&error, at, "feature-flush-cache", 1);
    put_number(&error, at, "feature-barrier", 1);
    put_number(&error, at, "feature-persistent", 1);
    put_number(&error, at, "multi-queue-max-queues", QUEUES_MOST);
    put_number(&error, at, "max-ring-page-order", BLK_RING_ORDER_MAX);
    if (most_segments(vbd) > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
        put_number(&error, at, "feature-max-indirect-segments", most_segments(vbd));
    }
    if (disk->can_discard && vbd->line.discard && !vbd->line.read_only) {
        put_number(&error, at, "feature-discard", 1);
        put_number(&error, at, "discard-granularity", disk->sector_size);
        put_number(&error, at, "discard-alignment", 0);
        put_number(&error, at, "discard-secure", 0);
    }
    return error;
}

static int put_nodes(const struct vbd *vbd)
{
    int error = 0;

    put_directory(&error, vbd->backend, 0, vbd->domid);
    put(&error, vbd->backend, "frontend", vbd->frontend);
    put_number(&error, vbd->backend, "frontend-id", vbd->domid);
    put(&error, vbd->backend, "params", vbd->line.target);
    put(&error, vbd->backend, "type", "phy");
    put(&error, vbd->backend, "dev", vbd->line.vdev);
    put(&error, vbd->backend, "mode", vbd->line.read_only ? "r" : "w");
    put(&error, vbd->backend, "device-type", "disk");
    put_number(&error, vbd->backend, "removable", 0);
    put_number(&error, vbd->backend, "bootable", 1);
    put_number(&error, vbd->backend, "online", 1);
    error = error ? error : put_features(vbd);
    put_number(&error, vbd->backend, "state", vbd->state);
    put_directory(&error, vbd->frontend, vbd->domid, 0);
    put(&error, vbd->frontend, "backend", vbd->backend);
    put_number(&error, vbd->frontend, "backend-id", 0);
    put_number(&error, vbd->frontend, "virtual-device", vbd->line.number);
    put(&error, vbd->frontend, "device-type", "disk");
    put_number(&error, vbd->frontend, "state", XenbusStateInitialising);
    return error;
}

static void remove_nodes(const struct vbd *vbd)
{
    char path[PATH_ROOM + 48];

    (void)store_remove(xenstore(), vbd->frontend); /* they may be gone */
    (void)store_remove(xenstore(), vbd->backend);
    snprintf(path, sizeof(path), "/local/domain/0/error/backend/vbd/%u/%u", vbd->domid, vbd->line.number);
    (void)store_remove(xenstore(), path);
    xenstore_changed();
}

/* ------------------------------------------------------------------ connection */

static void disconnect(struct vbd *vbd)
{
    while (vbd->nr_queues) {
        blk_queue_close(vbd->queues[--vbd->nr_queues]);
    }
}

/* The frontend broke the protocol: says why, and serves it no more. */
static void break_off(void *context, const char *why)
{
    struct vbd *vbd = context;
    char path[PATH_ROOM];
    int error = 0;

    disconnect(vbd);
    snprintf(path, sizeof(path), "/local/domain/0/error/backend/vbd/%u/%u", vbd->domid, vbd->line.number);
    put(&error, path, "error", why);
    set_state(vbd, XenbusStateClosing);
}

/*
 * The pages of a ring: ring-ref, or with ring-page-order ring-ref0 and so on. prefix: of the ring's nodes.
 * False: they are not what they must be.
 */
static bool get_ring(const struct vbd *vbd, const char *prefix, struct blk_queue_setup *setup)
{
    uint64_t order, number;
    bool several = get_number(vbd, "ring-page-order", UINT64_MAX, &order);
    char name[40];

    if (several && order > BLK_RING_ORDER_MAX) {
        return false;
    }
    setup->nr_ring_pages = several ? 1u << order : 1;
    for (uint32_t i = 0; i < setup->nr_ring_pages; i++) {
        if (several) {
            snprintf(name, sizeof(name), "%sring-ref%u", prefix, i);
        } else {
            snprintf(name, sizeof(name), "%sring-ref", prefix);
        }
        if (!get_number(vbd, name, UINT32_MAX, &number)) {
            return false;
        }
        setup->ring_refs[i] = (uint32_t)number;
    }
    snprintf(name, sizeof(name), "%sevent-channel", prefix);
    if (!get_number(vbd, name, UINT32_MAX, &number)) {
        return false;
    }
    setup->port = (uint32_t)number;
    return true;
}

/* One of the rings that the frontend names; with several each has a directory. */
static int open_queue(struct vbd *vbd, unsigned index, bool several)
{
    const struct blkdev *disk = vbd->disk;
    struct blk_queue_setup setup = {
        .disk = vbd->disk, .domid = vbd->domid, .broken = break_off, .context = vbd};
    char prefix[24] = "";
    uint64_t persistent = 0;
    int error;

    if (several) {
        snprintf(prefix, sizeof(prefix), "queue-%u/", index);
    }
    if (!get_ring(vbd, prefix, &setup)) {
        return -EINVAL;
    }
    setup.persistent = get_number(vbd, "feature-persistent", 1, &persistent) && persistent == 1;
    setup.limits =
        (struct blk_limits){.sectors = disk->sectors,
                            .sector_size = disk->sector_size,
                            .max_segments = most_segments(vbd),
                            .max_discard = disk->can_discard && vbd->line.discard ? disk->max_discard : 0,
                            .read_only = vbd->line.read_only};
    error = blk_queue_open(&setup, &vbd->queues[vbd->nr_queues]);
    vbd->nr_queues += !error;
    return error;
}

static bool speaks_our_protocol(const struct vbd *vbd)
{
    char path[PATH_ROOM + 48];
    const char *protocol;

    snprintf(path, sizeof(path), "%s/protocol", vbd->frontend);
    protocol = store_read(xenstore(), path, NULL);
    return !protocol || strcmp(protocol, "x86_64-abi") == 0;
}

static void connect(struct vbd *vbd)
{
    uint64_t count = 1;
    bool several = get_number(vbd, "multi-queue-num-queues", UINT32_MAX, &count) && count != 1;
    int error = 0;

    if (!speaks_our_protocol(vbd)) {
        break_off(vbd, "expected the protocol x86_64-abi");
        return;
    }
    if (count < 1 || count > QUEUES_MOST) {
        break_off(vbd, "multi-queue-num-queues is not within multi-queue-max-queues");
        return;
    }
    for (unsigned i = 0; i < count && !error; i++) {
        error = open_queue(vbd, i, several);
    }
    if (error == -EINVAL) {
        break_off(vbd,
                  "expected numbers in ring-ref (or ring-page-order and ring-ref0, ...) and event-channel");
    } else if (error) {
        break_off(vbd, error == -ENOMEM ? "the backend has no memory for the ring"
                                        : "ring-ref or event-channel is not open to the backend");
    } else {
        set_state(vbd, XenbusStateConnected);
    }
}

/* ------------------------------------------------------------------ life */

static void forget(struct vbd *vbd)
{
    struct vbd **link = &vbds;
    uint16_t domid = vbd->domid;
    uint32_t number = vbd->line.number;

    while (*link != vbd) {
        link = &(*link)->next;
    }
    *link = vbd->next;
    disconnect(vbd);
    if (vbd->watch) {
        store_unwatch(xenstore(), vbd->watch);
    }
    remove_nodes(vbd);
    blkdev_release(vbd->disk);
    free(vbd);
    domain_device_gone(domid, DEVICE_DISK, number);
}

/* The frontend's state may have changed. */
static void step(void *context, const char *path)
{
    struct vbd *vbd = context;
    uint64_t state;

    (void)path;
    if (!get_number(vbd, "state", XenbusStateReconfigured, &state)) {
        state = XenbusStateUnknown;
    }
    switch (state) {
    case XenbusStateInitialising:
        if (vbd->state == XenbusStateClosed && !vbd->leaving) {
            set_state(vbd, XenbusStateInitWait);
        }
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (vbd->state == XenbusStateInitWait) {
            connect(vbd);
        }
        break;
    case XenbusStateClosing:
        disconnect(vbd);
        if (vbd->state != XenbusStateClosing && vbd->state != XenbusStateClosed) {
            set_state(vbd, XenbusStateClosing);
        }
        break;
    case XenbusStateClosed:
    case XenbusStateUnknown:
        disconnect(vbd);
        if (vbd->leaving) {
            forget(vbd);
        } else if (vbd->state != XenbusStateClosed) {
            set_state(vbd, XenbusStateClosed);
        }
        break;
    default:
        break;
    }
}

/* The disk that a line names, free to be used so. NULL with *error filled. */
static struct blkdev *choose_disk(const struct disk_line *line, struct domain_error *error)
{
    const char *name = strncmp(line->target, "/dev/", 5) == 0 ? line->target + 5 : line->target;
    struct blkdev *disk = blkdev_find(name);
    char names[80] = "";

    for (struct blkdev *other = blkdev_first(); other; other = other->next) {
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", names[0] ? ", " : "",
                 other->name);
    }
    if (!disk) {
        domain_fail(error, -ENOENT, "disk: expected a disk of this host (%s), found '%.80s'",
                    names[0] ? names : "it has none", line->target);
    } else if (line->format == DISK_QCOW2) {
        domain_fail(error, -EINVAL, "disk %.60s: a disk of the host is raw, not qcow2", line->target);
        disk = NULL;
    } else if (disk->read_only && !line->read_only) {
        domain_fail(error, -EROFS, "disk %s is read-only: expected the access r, found w", disk->name);
        disk = NULL;
    } else if (disk->max_segments < BLKIF_MAX_SEGMENTS_PER_REQUEST || disk->sector_size > 4096) {
        domain_fail(error, -ENODEV,
                    "disk %s: its driver takes too few segments, or its sectors are too large", disk->name);
        disk = NULL;
    }
    for (struct vbd *vbd = vbds; disk && vbd; vbd = vbd->next) {
        if (vbd->disk == disk && !(line->read_only && vbd->line.read_only) &&
            !(line->shared && (vbd->line.shared || vbd->line.read_only)) &&
            !(line->read_only && vbd->line.shared)) {
            domain_fail(error, -EBUSY, "disk %s is in use by domain %u as %s (w! shares one)", disk->name,
                        vbd->domid, vbd->line.vdev);
            disk = NULL;
        }
    }
    return disk;
}

static struct vbd *find(uint16_t domid, uint32_t number)
{
    struct vbd *vbd = vbds;

    while (vbd && (vbd->domid != domid || vbd->line.number != number)) {
        vbd = vbd->next;
    }
    return vbd;
}

/* Writes the nodes and begins to listen. */
static int announce(struct vbd *vbd)
{
    char path[PATH_ROOM + 8];
    int error = put_nodes(vbd);

    if (!error) {
        snprintf(path, sizeof(path), "%s/state", vbd->frontend);
        vbd->watch = store_watch(xenstore(), path, step, vbd, &error);
    }
    xenstore_changed();
    return vbd->watch ? 0 : error;
}

int blk_attach(uint16_t domid, const char *text, struct domain_error *error)
{
    struct vbd *vbd = calloc(1, sizeof(*vbd));
    char why[DISK_ERROR_MAX];
    int failed;

    if (!vbd) {
        return domain_fail(error, -ENOMEM, "no memory for a disk");
    }
    failed = disk_line_parse(text, &vbd->line, why);
    if (failed) {
        domain_fail(error, failed, "disk '%.60s': %s", text, why);
    } else if (find(domid, vbd->line.number)) {
        failed = domain_fail(error, -EEXIST, "disk: the domain has two disks %s", vbd->line.vdev);
    } else {
        vbd->disk = choose_disk(&vbd->line, error);
        failed = vbd->disk ? 0 : error ? error->error : -EINVAL;
    }
    if (failed) {
        free(vbd);
        return failed;
    }
    blkdev_hold(vbd->disk);
    vbd->domid = domid;
    vbd->state = XenbusStateInitWait;
    snprintf(vbd->frontend, PATH_ROOM, "/local/domain/%u/device/vbd/%u", domid, vbd->line.number);
    snprintf(vbd->backend, PATH_ROOM, "/local/domain/0/backend/vbd/%u/%u", domid, vbd->line.number);
    vbd->next = vbds;
    vbds = vbd;
    failed = announce(vbd);
    if (failed) {
        forget(vbd);
        return domain_fail(error, failed, "the store does not take the nodes of disk %.60s", text);
    }
    return 0;
}

bool blk_describe(uint16_t domid, uint32_t from, struct blk_info *info)
{
    const struct vbd *found = NULL;

    for (const struct vbd *vbd = vbds; vbd; vbd = vbd->next) {
        if (vbd->domid == domid && vbd->line.number >= from &&
            (!found || vbd->line.number < found->line.number)) {
            found = vbd;
        }
    }
    if (!found) {
        return false;
    }
    *info = (struct blk_info){.number = found->line.number,
                              .target = found->line.target,
                              .read_only = found->line.read_only,
                              .sectors = found->disk->sectors,
                              .state = (int)found->state};
    memcpy(info->vdev, found->line.vdev, sizeof(info->vdev));
    return true;
}

int blk_detach(uint16_t domid, uint32_t number, bool force, struct domain_error *error)
{
    struct vbd *vbd = find(domid, number);
    int result = 0;

    if (!vbd) {
        return domain_fail(error, -ENOENT, "domain %u has no such disk", domid);
    }
    vbd->leaving = true;
    if (force || (!vbd->nr_queues && vbd->state != XenbusStateClosing)) {
        forget(vbd); /* nobody is there to ask */
        return 0;
    }
    put(&result, vbd->backend, "online", "0");
    set_state(vbd, XenbusStateClosing);
    return result;
}

/* ------------------------------------------------------------------ domains */

static void detach_all(uint16_t domid)
{
    for (struct vbd *vbd = vbds, *next; vbd; vbd = next) {
        next = vbd->next;
        if (vbd->domid == domid) {
            forget(vbd);
        }
    }
}

static int attach_all(uint16_t domid, const struct domain_config *config, struct domain_error *error)
{
    struct domain_error ignored;
    int failed = 0;

    for (size_t i = 0; i < config->nr_disks && !failed; i++) {
        const char *text = config->disks[i].text; /* NULL: taken away */

        failed = text ? blk_attach(domid, text, error ? error : &ignored) : 0;
    }
    if (failed) {
        detach_all(domid);
    }
    return failed;
}

void blk_backend_init(void)
{
    static struct domain_backend backend = {.attach = attach_all, .detach = detach_all};

    domain_backend_register(&backend);
}
