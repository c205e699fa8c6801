/* SPDX-License-Identifier: MIT */
/*
 * The store's rings: messages in pieces, replies that nobody takes, indices that cannot be, the reconnect
 * protocol and the error field (xen/io/xs_wire.h; Xen's docs/misc/xenstore-ring.txt). Domain 1 misbehaves,
 * domain 2 must not notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xs_wire.h>
#include "toolstack/store/store.h"

#define DOMAINS 3

static struct store *store;
static struct xenstore_domain_interface *rings[DOMAINS];
static unsigned notified[DOMAINS];

static void notify(void *context)
{
    ++*(unsigned *)context;
}

static int set_up(void **state)
{
    char path[32];

    (void)state;
    store = store_create(NULL);
    for (uint16_t i = 1; i < DOMAINS; i++) {
        rings[i] = calloc(1, sizeof(*rings[i]));
        notified[i] = 0;
        snprintf(path, sizeof(path), "/local/domain/%u", i);
        store_mkdir(store, path);
        store_set_permissions(store, path, (struct store_permission[]){{i, STORE_NONE}}, 1);
        rings[i]->req_prod = 12345; /* what was there before does not count */
        assert_int_equal(store_introduce(store, i, rings[i], notify, &notified[i]), 0);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_destroy(store);
    for (unsigned i = 1; i < DOMAINS; i++) {
        free(rings[i]);
    }
    return 0;
}

/* Tells the store of an event and lets it work. */
static void work(unsigned domid)
{
    store_event(store, (uint16_t)domid);
    for (unsigned i = 0; store_dispatch(store); i++) {
        assert_true(i < 10000);
    }
}

static size_t put(unsigned domid, const void *bytes, size_t length)
{
    struct xenstore_domain_interface *ring = rings[domid];
    size_t done = 0;

    for (; done < length && ring->req_prod - ring->req_cons < XENSTORE_RING_SIZE; done++) {
        ring->req[MASK_XENSTORE_IDX(ring->req_prod++)] = ((const char *)bytes)[done];
    }
    return done;
}

static size_t get(unsigned domid, void *bytes, size_t length)
{
    struct xenstore_domain_interface *ring = rings[domid];
    size_t done = 0;

    for (; done < length && ring->rsp_prod != ring->rsp_cons; done++) {
        ((char *)bytes)[done] = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons++)];
    }
    return done;
}

/* A request of any length, in as many pieces as the ring needs. */
static void request(unsigned domid, uint32_t type, const char *payload, size_t length)
{
    struct xsd_sockmsg header = {type, 3, 0, (uint32_t)length};
    char bytes[sizeof(header) + XENSTORE_PAYLOAD_MAX] = "";
    size_t done = 0;

    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), payload, length);
    while (done < sizeof(header) + length) {
        done += put(domid, bytes + done, sizeof(header) + length - done);
        work(domid);
    }
}

/* Takes all that comes and checks that it is one reply of this type with this payload. */
static void reply(unsigned domid, uint32_t type, const char *payload, size_t length)
{
    char bytes[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX + 1] = "";
    struct xsd_sockmsg *header = (struct xsd_sockmsg *)bytes;
    size_t got = 0, part;

    while ((part = get(domid, bytes + got, sizeof(bytes) - got))) {
        got += part;
        work(domid);
    }
    assert_int_equal(got, sizeof(*header) + length);
    assert_int_equal(header->type, type);
    assert_int_equal(header->req_id, 3);
    assert_int_equal(header->len, length);
    assert_memory_equal(bytes + sizeof(*header), payload, length);
}

static void others_are_served(void)
{
    request(2, XS_WRITE, "other\0value", 11);
    reply(2, XS_WRITE, "OK", 3);
    assert_string_equal(store_read(store, "/local/domain/2/other", NULL), "value");
}

static void introduced(void **state)
{
    (void)state;
    assert_int_equal(rings[1]->req_prod, 0);
    assert_int_equal(rings[1]->rsp_prod, 0);
    assert_int_equal(rings[1]->server_features,
                     XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR);
    assert_int_equal(rings[1]->connection, XENSTORE_CONNECTED);
    assert_int_equal(rings[1]->error, XENSTORE_ERROR_NONE);
    assert_int_equal(notified[1], 1);
    work(1); /* an event for nothing changes nothing */
    assert_int_equal(notified[1], 1);
    others_are_served();
}

static void byte_by_byte(void **state)
{
    static const char payload[] = "x\0hello";
    struct xsd_sockmsg header = {XS_WRITE, 3, 0, sizeof(payload) - 1};
    char bytes[64] = "";

    (void)state;
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), payload, sizeof(payload) - 1);
    for (size_t i = 0; i < sizeof(header) + sizeof(payload) - 1; i++) {
        assert_int_equal(rings[1]->rsp_prod, 0);
        assert_int_equal(put(1, bytes + i, 1), 1);
        work(1);
        assert_int_equal(rings[1]->req_cons, rings[1]->req_prod);
    }
    reply(1, XS_WRITE, "OK", 3);
    assert_string_equal(store_read(store, "/local/domain/1/x", NULL), "hello");
}

static void longer_than_the_ring(void **state)
{
    char payload[2 + 1900], value[1900];

    (void)state;
    memset(value, 'v', sizeof(value));
    memcpy(payload, "x", 2);
    memcpy(payload + 2, value, sizeof(value));
    for (unsigned i = 0; i < 10; i++) { /* at ever other places in the ring */
        request(1, XS_WRITE, payload, sizeof(payload));
        reply(1, XS_WRITE, "OK", 3);
        request(1, XS_READ, "x", 2);
        reply(1, XS_READ, value, sizeof(value));
    }
}

static void indices_wrap(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        request(1, XS_READ, "/local/domain/1", 16);
        reply(1, XS_READ, "", 0);
    }
    assert_true(rings[1]->req_prod > 3 * XENSTORE_RING_SIZE);
}

/* Who does not take replies is not served any more, but keeps what the limits give it, and goes on later. */
static void never_takes_replies(void **state)
{
    struct xsd_sockmsg header = {XS_READ, 3, 0, 2};
    struct store_usage usage;
    unsigned sent = 0;

    (void)state;
    store_write(store, "/local/domain/1/x", "12345678901234567890123456789012345678901234567890", 50);
    while (put(1, &header, sizeof(header)) == sizeof(header) && put(1, "x", 2) == 2) {
        sent++;
        work(1);
        assert_true(sent < 1000);
    }
    assert_true(store_get_usage(store, 1, &usage));
    assert_int_equal(usage.outstanding, 20);
    assert_int_equal(rings[1]->rsp_prod - rings[1]->rsp_cons, XENSTORE_RING_SIZE);
    others_are_served();
    for (unsigned i = 0; i < sent; i++) {
        char bytes[66];
        size_t got = 0;
        while (got < sizeof(bytes)) {
            size_t part = get(1, bytes + got, sizeof(bytes) - got);
            assert_true(part > 0);
            got += part;
            work(1);
        }
        assert_memory_equal(bytes + 16, "1234567890", 10);
    }
}

static void expect_broken(uint32_t error)
{
    struct store_usage usage;

    work(1);
    assert_int_equal(rings[1]->error, error);
    assert_true(store_get_usage(store, 1, &usage));
    assert_true(usage.broken);
    assert_int_equal(usage.watches, 0);
    assert_int_equal(usage.transactions, 0);
    others_are_served();
    work(1); /* nothing more */
    others_are_served();
}

static void watch_something(void)
{
    char bytes[100];

    request(1, XS_WATCH, "x\0t", 4);
    assert_true(get(1, bytes, sizeof(bytes)) > 0);
    request(1, XS_TRANSACTION_START, "", 1);
    assert_true(get(1, bytes, sizeof(bytes)) > 0);
}

static void request_index(void **state)
{
    (void)state;
    watch_something();
    rings[1]->req_prod = rings[1]->req_cons + XENSTORE_RING_SIZE + 1;
    expect_broken(XENSTORE_ERROR_RINGIDX);
}

static void reply_index(void **state)
{
    (void)state;
    watch_something();
    rings[1]->rsp_cons = rings[1]->rsp_prod + 1;
    expect_broken(XENSTORE_ERROR_RINGIDX);
}

static void payload_too_long(void **state)
{
    struct xsd_sockmsg header = {XS_WRITE, 3, 0, XENSTORE_PAYLOAD_MAX + 1};

    (void)state;
    watch_something();
    put(1, &header, sizeof(header));
    expect_broken(XENSTORE_ERROR_PROTO);
}

/* Our own indices in the page are for the domain to read; what it writes there is overwritten. */
static void scribbles_on_our_indices(void **state)
{
    (void)state;
    rings[1]->req_cons = 77777;
    rings[1]->rsp_prod = 88888;
    rings[1]->req_prod = 0;
    rings[1]->rsp_cons = 0;
    memset(rings[1]->req, 0, sizeof(rings[1]->req));
    rings[1]->req[0] = XS_READ;
    rings[1]->req[12] = 1;
    rings[1]->req_prod = 17;
    work(1);
    assert_int_equal(rings[1]->req_cons, 17);
    assert_int_equal(rings[1]->rsp_prod, 16 + sizeof("EINVAL"));
    others_are_served();
}

static void reconnect(void **state)
{
    struct xsd_sockmsg half = {XS_WRITE, 3, 0, 100};
    struct store_usage usage;

    (void)state;
    watch_something();
    put(1, &half, sizeof(half));
    work(1);
    rings[1]->connection = XENSTORE_RECONNECT;
    rings[1]->req_prod = 999999; /* not looked at */
    notified[1] = 0;
    work(1);
    assert_int_equal(notified[1], 1);
    assert_int_equal(rings[1]->connection, XENSTORE_CONNECTED);
    assert_int_equal(rings[1]->req_prod | rings[1]->req_cons | rings[1]->rsp_prod | rings[1]->rsp_cons, 0);
    assert_true(store_get_usage(store, 1, &usage));
    assert_int_equal(usage.watches, 0);
    assert_int_equal(usage.transactions, 0);
    request(1, XS_WRITE, "y\0new", 5);
    reply(1, XS_WRITE, "OK", 3);
    /* It also ends a connection that was broken. */
    rings[1]->rsp_cons = rings[1]->rsp_prod + 1;
    expect_broken(XENSTORE_ERROR_RINGIDX);
    rings[1]->connection = XENSTORE_RECONNECT;
    work(1);
    assert_int_equal(rings[1]->error, XENSTORE_ERROR_NONE);
    request(1, XS_READ, "y", 2);
    reply(1, XS_READ, "new", 3);
}

static void released(void **state)
{
    uint32_t prod;

    (void)state;
    watch_something();
    request(1, XS_WRITE, "x\0v", 3);
    prod = rings[1]->rsp_prod;
    assert_int_equal(store_release(store, 1, false), 0);
    assert_null(store_read(store, "/local/domain/1", NULL));
    work(1);                                    /* unknown now */
    assert_int_equal(rings[1]->rsp_prod, prod); /* the page is not touched */
    others_are_served();
    assert_int_equal(store_release(store, 1, false), -ENOENT);
}

/* One request a turn at most ROUNDS chunks: a domain with a full ring does not keep others waiting. */
static void turns(void **state)
{
    struct xsd_sockmsg header = {XS_READ, 3, 0, 1};
    unsigned calls = 0;

    (void)state;
    while (put(1, &header, sizeof(header)) == sizeof(header) && put(1, "", 1) == 1) {
    }
    header.len = 0;
    put(2, &header, sizeof(header));
    store_event(store, 1);
    store_event(store, 2);
    while (rings[2]->rsp_prod == 0) {
        store_dispatch(store);
        calls++;
    }
    assert_int_equal(calls, 1);
    assert_true(rings[1]->req_cons < rings[1]->req_prod);
}

/* Random bytes and indices: nothing but domain 1's own connection may break. */
static void random_pages(void **state)
{
    unsigned broken = 0;

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 3000; i++) {
        struct xenstore_domain_interface *ring = rings[1];
        struct store_usage usage;
        for (unsigned j = 0; j < XENSTORE_RING_SIZE; j++) {
            ring->req[j] = (char)(rand() % 4 ? 0 : rand() % 24);
        }
        ring->req_prod = ring->req_cons + (uint32_t)(rand() % 1100);
        ring->rsp_cons = rand() % 8 ? ring->rsp_prod : ring->rsp_prod - (uint32_t)(rand() % 1100);
        work(1);
        assert_true(store_get_usage(store, 1, &usage));
        if (usage.broken) {
            broken++;
            ring->connection = XENSTORE_RECONNECT;
            work(1);
        }
    }
    assert_true(broken > 100);
    others_are_served();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(introduced),
        TEST(byte_by_byte),
        TEST(longer_than_the_ring),
        TEST(indices_wrap),
        TEST(never_takes_replies),
        TEST(request_index),
        TEST(reply_index),
        TEST(payload_too_long),
        TEST(scribbles_on_our_indices),
        TEST(reconnect),
        TEST(released),
        TEST(turns),
        TEST(random_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
