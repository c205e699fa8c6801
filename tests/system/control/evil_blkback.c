/* SPDX-License-Identifier: MIT */
/* blkfront against a backend that breaks the protocol: errors, and a good connection after each. */
#include "tests/system/control/scenarios.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/event.h"
#include "coracle/grant.h"
#include "pvboot/abi.h"
#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>
#include "toolstack/control/xenstore.h"

#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#define KEPT 64u

enum how { GOOD, INDEX, BACK, STRANGER, TWICE, STATUS, CHANGE, STORM, SILENT, KEEP, VANISH };

/* The backend of the one disk. */
static struct {
    struct loop_port port; /* first: the task is all of it */
    uint16_t domid;
    enum how how;
    char front[64], back[64];
    int state;
    struct store_watch *watch;
    struct cor_granted page;
    struct blkif_back_ring ring;
    uint64_t first_id;
    struct cor_granted kept[KEPT];
    unsigned nr_kept;
} evil;

static void put(const char *directory, const char *name, const char *value)
{
    char path[112];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    CHECK(store_write(xenstore(), path, value, strlen(value)) == 0);
}

static long get(const char *name)
{
    char path[112];
    const char *text;

    snprintf(path, sizeof(path), "%s/%s", evil.front, name);
    text = store_read(xenstore(), path, NULL);
    return text ? strtol(text, NULL, 10) : 0;
}

static void set_state(int state)
{
    evil.state = state;
    put(evil.back, "state", (const char[]){(char)('0' + state), 0});
    xenstore_changed();
}

/* ------------------------------------------------------------------ the ring */

static void respond(uint64_t id, int16_t status)
{
    *RING_GET_RESPONSE(&evil.ring, evil.ring.rsp_prod_pvt) =
        (struct blkif_response){.id = id, .status = status};
    evil.ring.rsp_prod_pvt++;
}

static void publish(RING_IDX produced)
{
    __atomic_store_n(&evil.ring.sring->rsp_prod, produced, __ATOMIC_SEQ_CST);
    cor_event_send(evil.port.port);
}

/* Maps the pages of a request, and does not give them back. */
static void keep(const struct blkif_request *request)
{
    for (unsigned i = 0; i < request->nr_segments && evil.nr_kept < KEPT; i++) {
        evil.nr_kept += !cor_grant_map(evil.domid, request->seg[i].gref, false, &evil.kept[evil.nr_kept]);
    }
}

static void remove_back(void)
{
    CHECK(store_remove(xenstore(), evil.back) == 0);
    evil.state = XenbusStateUnknown;
    xenstore_changed();
}

static void answer(struct blkif_request *request)
{
    uint64_t id = request->id;

    switch (evil.how) {
    case STRANGER:
        id = 9999;
        break;
    case TWICE:
        evil.first_id = evil.ring.req_cons == 0 ? id : evil.first_id;
        id = evil.first_id;
        break;
    case CHANGE: /* the request's place in the ring is ours, too */
        memset(request, 0xff, sizeof(*request));
        break;
    case STORM:
        for (unsigned i = 0; i < 20000; i++) {
            cor_event_send(evil.port.port);
        }
        break;
    case KEEP:
        keep(request);
        break;
    default:
        break;
    }
    respond(id, evil.how == STATUS ? 77 : BLKIF_RSP_OKAY);
}

/* There are requests, or were. */
static void serve(struct loop_task *task)
{
    RING_IDX end = evil.ring.sring->req_prod;

    (void)task;
    if (end == evil.ring.req_cons || evil.state != XenbusStateConnected) {
        return;
    }
    switch (evil.how) {
    case INDEX:
        publish(end + 1000);
        return;
    case BACK:
        publish((RING_IDX)-1);
        return;
    case SILENT:
        set_state(XenbusStateClosing);
        return;
    case VANISH:
        remove_back();
        return;
    default:
        break;
    }
    do {
        answer(RING_GET_REQUEST(&evil.ring, evil.ring.req_cons));
        evil.ring.req_cons++;
        evil.ring.sring->req_event = evil.ring.req_cons + 1;
        xen_mb();
    } while (evil.ring.req_cons != evil.ring.sring->req_prod);
    publish(evil.ring.rsp_prod_pvt);
}

/* ------------------------------------------------------------------ states */

static void let_go(void)
{
    loop_port_close(&evil.port);
    cor_grant_unmap(&evil.page);
}

static void frontend_changed(void *context, const char *path)
{
    (void)context, (void)path;
    switch (get("state")) {
    case XenbusStateInitialising:
        if (evil.state == XenbusStateClosed) {
            set_state(XenbusStateInitWait);
        }
        break;
    case XenbusStateInitialised:
        if (evil.state != XenbusStateInitWait) {
            break;
        }
        CHECK(cor_grant_map(evil.domid, (uint32_t)get("ring-ref"), false, &evil.page) == 0);
        BACK_RING_INIT(&evil.ring, (struct blkif_sring *)evil.page.address, 4096);
        evil.ring.sring->req_event = 1;
        evil.port.task.run = serve;
        CHECK(loop_port_bind(&evil.port, evil.domid, (uint32_t)get("event-channel")) == 0);
        set_state(XenbusStateConnected);
        break;
    case XenbusStateClosing:
        if (evil.state != XenbusStateUnknown) {
            set_state(XenbusStateClosing);
        }
        break;
    case XenbusStateClosed:
        let_go();
        if (evil.state != XenbusStateUnknown) {
            set_state(XenbusStateClosed);
        }
        break;
    default:
        break;
    }
}

static void announce(void)
{
    const struct store_permission reader[] = {{0, STORE_NONE}, {evil.domid, STORE_READ}};
    const struct store_permission owner[] = {{evil.domid, STORE_NONE}, {0, STORE_READ}};

    put(evil.back, "frontend", evil.front);
    CHECK(store_set_permissions(xenstore(), evil.back, reader, 2) == 0);
    put(evil.back, "sectors", "1000");
    put(evil.back, "sector-size", "512");
    put(evil.back, "feature-max-indirect-segments", "-4294967296");
    put(evil.back, "max-ring-page-order", "77");
    set_state(XenbusStateInitWait);
    put(evil.front, "backend", evil.back);
    CHECK(store_set_permissions(xenstore(), evil.front, owner, 2) == 0);
    put(evil.front, "backend-id", "0");
    put(evil.front, "state", "1");
    xenstore_changed();
}

/* ------------------------------------------------------------------ cases */

/* One use of the disk; what it says of it. */
static void use(enum how how, const char *name, const char *says)
{
    char line[64];

    evil.how = how;
    snprintf(line, sizeof(line), "%s\n", name);
    type("victim", line);
    snprintf(line, sizeof(line), "%s: ", name);
    CHECK(wait_output("victim", line, PATIENCE));
    snprintf(line, sizeof(line), "%s: %s.", name, says);
    if (!CHECK(wait_output("victim", line, PATIENCE))) {
        printf("# expected: %s\n", line);
        show_output("victim");
    }
}

static void bad_node(const char *name, const char *value, const char *good)
{
    char text[64];

    put(evil.back, name, value);
    snprintf(text, sizeof(text), "%s=%s", name, value);
    use(GOOD, text, "open -5");
    put(evil.back, name, good);
}

#define LOST "read -19, write -19"
#define FINE "read 0, write 0"

static void cases(void)
{
    use(GOOD, "good", FINE);
    use(INDEX, "index", LOST);
    use(BACK, "back", LOST);
    use(STRANGER, "stranger", LOST);
    use(TWICE, "twice", LOST);
    use(STATUS, "status", "read -5, write -5");
    use(CHANGE, "change", FINE);
    use(STORM, "storm", FINE);
    use(SILENT, "silent", LOST);
    use(KEEP, "keep", FINE);
    use(GOOD, "after keep", FINE);
    CHECK(evil.nr_kept > 32);
    bad_node("sectors", "-1", "1000");
    bad_node("sectors", "none", "1000");
    bad_node("sector-size", "3", "512");
    bad_node("sector-size", "8192", "512");
    use(VANISH, "vanish", LOST);
    announce();
    use(GOOD, "at last", FINE);
}

void scenario_evil_blkback(void)
{
    struct domain_config config = simple("victim", "diskuser", 16384, NULL);
    struct domain *domain = create(&config);
    char path[80];

    if (!domain || !CHECK(wait_output("victim", "ready", PATIENCE))) {
        return;
    }
    evil.domid = domain_number(domain);
    snprintf(evil.front, sizeof(evil.front), "/local/domain/%u/device/vbd/51712", evil.domid);
    snprintf(evil.back, sizeof(evil.back), "/local/domain/0/backend/vbd/%u/51712", evil.domid);
    announce();
    snprintf(path, sizeof(path), "%s/state", evil.front);
    evil.watch = store_watch(xenstore(), path, frontend_changed, NULL, NULL);
    if (CHECK(evil.watch != NULL)) {
        cases();
        store_unwatch(xenstore(), evil.watch);
    }
    let_go();
    while (evil.nr_kept) {
        cor_grant_unmap(&evil.kept[--evil.nr_kept]);
    }
    if (evil.state != XenbusStateUnknown) {
        remove_back();
    }
    destroy("victim");
}
