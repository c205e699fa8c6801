/* SPDX-License-Identifier: MIT */
/*
 * A frontend that lies to its backend, for tests/system/test_disk.py: each case connects, does what blkif
 * forbids, and sees that the backend answers with an error or ends the connection, and serves the next one.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <coracle/clock.h>
#include <coracle/event.h>
#include <coracle/grant.h>
#include <coracle/mem.h>
#include <coracle/sync.h>
#include <coracle/xenbus.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#define RINGS 2

static struct cor_xenbus_device bus;
static struct {
    struct blkif_sring *shared;
    struct blkif_front_ring ring;
    cor_gref gref;
    uint32_t port;
} rings[RINGS];
static uint8_t *page;
static cor_gref page_gref, read_only_gref;
static volatile uint32_t events;

static void on_event(uint32_t port, void *argument)
{
    (void)port, (void)argument;
    events++;
    cor_wake(&events, 1);
}

static void say(const char *what, bool good)
{
    printf("%s %s\n", good ? "ok" : "not ok", what);
}

static int write_node(const char *name, const char *value)
{
    char path[COR_XENBUS_PATH + 32];

    snprintf(path, sizeof(path), "%s/%s", bus.frontend, name);
    return cor_store_write(0, path, value, strlen(value));
}

static void write_number(const char *name, unsigned long value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lu", value);
    write_node(name, text);
}

static int wait_state(int state)
{
    return cor_xenbus_wait(&bus, COR_XENBUS_STATE(state), cor_monotonic_ns() + 200000000000ull);
}

/* Fresh rings; the nodes say one of them. */
static void prepare(void)
{
    for (int i = 0; i < RINGS; i++) {
        SHARED_RING_INIT(rings[i].shared);
        FRONT_RING_INIT(&rings[i].ring, rings[i].shared, 4096);
        rings[i].port = (uint32_t)cor_event_alloc_unbound(bus.backend_id, on_event, NULL);
    }
    write_number("ring-ref", rings[0].gref);
    write_number("event-channel", rings[0].port);
    write_node("protocol", "x86_64-abi");
    write_number("multi-queue-num-queues", 1);
}

/* Back to where a connection begins. */
static void reset(void)
{
    cor_xenbus_set_state(&bus, XenbusStateClosed);
    if (wait_state(XenbusStateClosed) != XenbusStateClosed)
        say("reset: the backend closes", false);
    for (int i = 0; i < RINGS; i++)
        cor_event_close(rings[i].port);
    cor_xenbus_set_state(&bus, XenbusStateInitialising);
    if (wait_state(XenbusStateInitWait) != XenbusStateInitWait)
        say("reset: the backend waits", false);
    prepare();
}

static bool connect(void)
{
    cor_xenbus_set_state(&bus, XenbusStateInitialised);
    if (wait_state(XenbusStateConnected) != XenbusStateConnected)
        return false;
    cor_xenbus_set_state(&bus, XenbusStateConnected);
    return true;
}

static struct blkif_request make(uint8_t operation, uint64_t sector, cor_gref gref)
{
    struct blkif_request request = {
        .operation = operation, .nr_segments = 1, .id = 5, .sector_number = sector};

    for (unsigned i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
        request.seg[i] = (struct blkif_request_segment){.gref = gref, .last_sect = 7};
    return request;
}

static struct blkif_request *push(int n, const struct blkif_request *request)
{
    struct blkif_request *place = RING_GET_REQUEST(&rings[n].ring, rings[n].ring.req_prod_pvt);
    int notify;

    memcpy(place, request, sizeof(*place));
    rings[n].ring.req_prod_pvt++;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&rings[n].ring, notify);
    if (notify)
        cor_event_send(rings[n].port);
    return place;
}

/* The next answer's status; 99: none came. */
static int answer(int n)
{
    uint64_t deadline = cor_monotonic_ns() + 200000000000ull;
    struct blkif_response *response;
    int more;

    for (;;) {
        uint32_t seen = events;

        RING_FINAL_CHECK_FOR_RESPONSES(&rings[n].ring, more);
        if (more)
            break;
        if (cor_wait(&events, seen, deadline, 0) == -116 || cor_monotonic_ns() > deadline)
            return 99;
    }
    response = RING_GET_RESPONSE(&rings[n].ring, rings[n].ring.rsp_cons);
    rings[n].ring.rsp_cons++;
    return response->status;
}

static int ask(struct blkif_request request)
{
    push(0, &request);
    return answer(0);
}

static bool still_good(void)
{
    return ask(make(BLKIF_OP_READ, 0, page_gref)) == BLKIF_RSP_OKAY;
}

/* ---- cases ---- */

/* Requests that are answered with an error each, and nothing else happens. */
static void bad_requests(void)
{
    struct blkif_request request;
    struct blkif_request_indirect indirect = {.operation = BLKIF_OP_INDIRECT, .nr_segments = 20, .id = 5};

    say("connects", connect());
    say("a good request", still_good());
    say("a grant that is none, read", ask(make(BLKIF_OP_READ, 0, 60000)) == BLKIF_RSP_ERROR);
    say("a grant that is none, write", ask(make(BLKIF_OP_WRITE, 0, 60000)) == BLKIF_RSP_ERROR);
    say("a grant out of the table", ask(make(BLKIF_OP_WRITE, 0, ~0u)) == BLKIF_RSP_ERROR);
    say("a read into a page that may be read only",
        ask(make(BLKIF_OP_READ, 0, read_only_gref)) == BLKIF_RSP_ERROR);
    say("a sector beyond the end", ask(make(BLKIF_OP_WRITE, 1 << 20, page_gref)) == BLKIF_RSP_ERROR);
    say("a sector that wraps", ask(make(BLKIF_OP_WRITE, ~0ull - 3, page_gref)) == BLKIF_RSP_ERROR);
    request = make(BLKIF_OP_WRITE, 0, page_gref);
    request.nr_segments = 255;
    say("255 segments", ask(request) == BLKIF_RSP_ERROR);
    request = make(BLKIF_OP_WRITE, 0, page_gref);
    request.seg[0].last_sect = 200;
    say("a segment longer than a page", ask(request) == BLKIF_RSP_ERROR);
    say("an operation that is none", ask(make(200, 0, page_gref)) == BLKIF_RSP_EOPNOTSUPP);
    indirect.indirect_op = BLKIF_OP_WRITE;
    indirect.indirect_grefs[0] = 60000;
    memcpy(&request, &indirect, sizeof(indirect));
    say("indirect segments that are not there", ask(request) == BLKIF_RSP_ERROR);
    memset(page, 0xff, 4096);
    indirect.indirect_grefs[0] = page_gref;
    memcpy(&request, &indirect, sizeof(indirect));
    say("indirect segments of ones", ask(request) == BLKIF_RSP_ERROR);
    indirect.nr_segments = 4096;
    memcpy(&request, &indirect, sizeof(indirect));
    say("4096 indirect segments", ask(request) == BLKIF_RSP_ERROR);
    say("a good request afterwards", still_good());
}

/* Requests that change, and grants that go, while they are under way. */
static void changing(void)
{
    bool all = true;

    for (int i = 0; i < 500; i++) {
        struct blkif_request request = make(i & 1 ? BLKIF_OP_WRITE : BLKIF_OP_READ, 0, page_gref), *place;
        int status;

        place = push(0, &request);
        place->sector_number = ~0ull;
        place->nr_segments = 255;
        place->seg[0].gref = 60000;
        place->seg[0].last_sect = 255;
        if (i % 4 == 0) {
            cor_grant_revoke(page_gref);
            page_gref = (cor_gref)cor_grant_access(bus.backend_id, page, false);
        }
        status = answer(0);
        all = all && (status == BLKIF_RSP_OKAY || status == BLKIF_RSP_ERROR);
    }
    say("requests that change after they were sent", all);
    say("a good request afterwards", still_good());
}

static void storm(void)
{
    for (int i = 0; i < 50000; i++)
        cor_event_send(rings[0].port);
    say("a good request after a storm of events", still_good());
}

/* The ring as full as it can be, again and again; with barriers in between. */
static void flood(int rounds)
{
    bool all = true;

    for (int round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < RING_SIZE(&rings[0].ring); i++) {
            struct blkif_request request =
                make(i % 8 ? BLKIF_OP_READ : BLKIF_OP_WRITE_BARRIER, 8 * i, page_gref);

            push(0, &request);
        }
        for (unsigned i = 0; i < RING_SIZE(&rings[0].ring); i++)
            all = all && answer(0) == BLKIF_RSP_OKAY;
    }
    say("full rings", all);
}

/* The backend ends the connection, and begins anew when asked to. */
static void index_out_of_range(void)
{
    rings[0].shared->req_prod = rings[0].ring.req_prod_pvt + 1000;
    cor_event_send(rings[0].port);
    say("an index out of range ends the connection", wait_state(XenbusStateClosing) == XenbusStateClosing);
    reset();
    say("and another begins", connect() && still_good());
    reset();
}

static void refuses(const char *node, const char *value)
{
    char what[80];

    write_node(node, value);
    cor_xenbus_set_state(&bus, XenbusStateInitialised);
    snprintf(what, sizeof(what), "%s = %s is refused", node, value);
    say(what, wait_state(XenbusStateClosing) == XenbusStateClosing);
    reset();
}

static void bad_nodes(void)
{
    refuses("ring-ref", "60000");
    refuses("ring-ref", "99999999999999999999");
    refuses("ring-ref", "ring");
    refuses("ring-ref", "");
    refuses("event-channel", "4000");
    refuses("event-channel", "-1");
    refuses("protocol", "x86_32-abi");
    refuses("multi-queue-num-queues", "0");
    refuses("multi-queue-num-queues", "1000000");
    refuses("multi-queue-num-queues", "2"); /* without the queues' directories */
}

/* A ring of four pages, and what is none. */
static void several_pages(void)
{
    struct blkif_sring *one = rings[0].shared;
    uint8_t *area = cor_map(4 * 4096, COR_PROT_READ | COR_PROT_WRITE);
    char name[COR_XENBUS_PATH + 32];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "ring-ref%u", i);
        write_number(name, (unsigned long)cor_grant_access(bus.backend_id, area + i * 4096, false));
    }
    write_number("ring-page-order", 2);
    rings[0].shared = (struct blkif_sring *)area;
    SHARED_RING_INIT(rings[0].shared);
    FRONT_RING_INIT(&rings[0].ring, rings[0].shared, 4 * 4096);
    say("a ring of four pages", RING_SIZE(&rings[0].ring) == 128 && connect() && still_good());
    flood(3);
    rings[0].shared->req_prod = rings[0].ring.req_prod_pvt + 129;
    cor_event_send(rings[0].port);
    say("an index beyond four pages", wait_state(XenbusStateClosing) == XenbusStateClosing);
    rings[0].shared = one;
    reset();
    refuses("ring-page-order", "3"); /* of eight pages four have no node */
    refuses("ring-page-order", "5");
    refuses("ring-page-order", "4294967298");
    write_number("ring-page-order", 2);
    refuses("ring-ref3", "60000");
    refuses("ring-ref3", "");
    snprintf(name, sizeof(name), "%s/ring-page-order", bus.frontend);
    say("a ring of one page again", cor_store_remove(0, name) == 0 && connect() && still_good());
    reset();
}

static void two_queues(void)
{
    char name[40];
    bool all;

    for (int i = 0; i < RINGS; i++) {
        snprintf(name, sizeof(name), "queue-%d/ring-ref", i);
        write_number(name, rings[i].gref);
        snprintf(name, sizeof(name), "queue-%d/event-channel", i);
        write_number(name, rings[i].port);
    }
    write_number("multi-queue-num-queues", RINGS);
    all = connect();
    for (int i = 0; i < RINGS && all; i++) {
        struct blkif_request request = make(BLKIF_OP_READ, 0, page_gref);

        push(i, &request);
        all = answer(i) == BLKIF_RSP_OKAY;
    }
    say("two queues", all);
    reset();
}

/* Promises to use the same grants, and comes with new ones until no table holds them. */
static void persistent(void)
{
    bool all = true;
    int last = 0;

    write_number("feature-persistent", 1);
    say("connects with persistent grants", connect() && still_good());
    for (int i = 0; i < 1500 && last >= 0; i++) {
        struct blkif_request request = make(BLKIF_OP_READ, 0, 0);

        last = (int)cor_grant_access(bus.backend_id, page, false);
        request.seg[0].gref = (cor_gref)last;
        all = all && last >= 0 && ask(request) == BLKIF_RSP_OKAY;
    }
    say("more grants than a table holds", all);
    say("a persistent grant that is none", ask(make(BLKIF_OP_WRITE, 0, 60000)) == BLKIF_RSP_ERROR);
    say("a read into a page that may be read only, persistent",
        ask(make(BLKIF_OP_READ, 0, read_only_gref)) == BLKIF_RSP_ERROR);
    say("a write from a page that may be read only, persistent",
        ask(make(BLKIF_OP_WRITE, 0, read_only_gref)) == BLKIF_RSP_OKAY);
    say("a page in use cannot be taken back", cor_grant_revoke(page_gref) != 0);
    say("a good request afterwards", still_good());
    reset();
    say("a page is let go of with the connection", cor_grant_revoke(page_gref) == 0);
    page_gref = (cor_gref)cor_grant_access(bus.backend_id, page, false);
    write_number("feature-persistent", 0);
}

static void states(void)
{
    for (int i = 0; i < 300; i++)
        cor_xenbus_set_state(&bus, i * 7 % 10);
    reset();
    say("states at random, and a connection after them", connect() && still_good());
}

/* Leaves with the ring full. */
static void die(void)
{
    for (unsigned i = 0; i < RING_SIZE(&rings[0].ring); i++) {
        struct blkif_request request = make(BLKIF_OP_WRITE, 8 * i, page_gref);

        push(0, &request);
    }
    printf("dying\n");
    fflush(stdout);
    *(volatile int *)16 = 1;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (cor_xenbus_open(&bus, "device/vbd/51712") != 0 ||
        wait_state(XenbusStateInitWait) != XenbusStateInitWait) {
        printf("not ok no disk\n");
        return 1;
    }
    for (int i = 0; i < RINGS; i++) {
        rings[i].shared = cor_map(4096, COR_PROT_READ | COR_PROT_WRITE);
        rings[i].gref = (cor_gref)cor_grant_access(bus.backend_id, rings[i].shared, false);
    }
    page = cor_map(4096, COR_PROT_READ | COR_PROT_WRITE);
    page_gref = (cor_gref)cor_grant_access(bus.backend_id, page, false);
    read_only_gref = (cor_gref)cor_grant_access(bus.backend_id, page, true);
    prepare();
    bad_requests();
    changing();
    storm();
    flood(20);
    index_out_of_range();
    bad_nodes();
    several_pages();
    two_queues();
    persistent();
    states();
    printf("all said\n");
    die();
}
