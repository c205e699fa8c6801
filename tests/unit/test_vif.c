/* SPDX-License-Identifier: MIT */
/*
 * What an interface may send in a time (rate= of its line), by vif.c with the
 * clock in the test's hand: never more than the rate and one interval's worth,
 * never less while there is something, and no work while it has to wait.
 */
#include "coracle/event.h"
#include "tests/unit/device_world.h"
#include "toolstack/backend/vif.h"

/* ---- what vif.c stands on ---- */

static uint64_t taken;   /* bytes that the interface has sent */
static uint64_t waiting; /* bytes that its guest still has to send; in frames of FRAME */
static unsigned turns;

#define FRAME 1514u

bool net_ring_take(struct net_ring *ring, unsigned most, int64_t *credit,
                   void (*take)(void *argument, struct net_frame_buffer *frame), void *argument, bool *notify)
{
    (void)ring, (void)take, (void)argument, (void)notify;
    turns++;
    while (waiting && *credit > 0 && most--) {
        uint64_t size = waiting < FRAME ? waiting : FRAME;

        *credit -= (int64_t)size;
        waiting -= size;
        taken += size;
    }
    return waiting > 0;
}

void net_ring_init(struct net_ring *ring, uint16_t domid, void *tx_page, void *rx_page)
{
    (void)ring, (void)domid, (void)tx_page, (void)rx_page;
}

bool net_ring_check(struct net_ring *ring)
{
    (void)ring;
    return true;
}

enum net_ring_room net_ring_give(struct net_ring *ring, struct net_ring_batch *batch,
                                 struct net_frame_buffer *frame, bool *notify)
{
    (void)ring, (void)batch, (void)frame, (void)notify;
    return NET_RING_FULL;
}

void net_ring_flush(struct net_ring *ring, struct net_ring_batch *batch, bool *notify)
{
    (void)ring, (void)batch, (void)notify;
}

enum net_ring_wish net_ring_wish(const struct net_ring *ring, const struct net_frame_buffer *frame)
{
    (void)ring, (void)frame;
    return NET_RING_AS_IS;
}

void frame_hold(struct net_frame_buffer *frame)
{
    (void)frame;
}

void frame_release(struct net_frame_buffer *frame)
{
    (void)frame;
}

bool frame_finish_checksum(struct net_frame_buffer *frame)
{
    (void)frame;
    return true;
}

int frame_segment(const struct net_frame_buffer *frame,
                  void (*emit)(void *argument, struct net_frame_buffer *segment), void *argument)
{
    (void)frame, (void)emit, (void)argument;
    return 0;
}

int cor_grant_map(uint16_t domain, uint32_t gref, bool readonly, struct cor_granted *granted)
{
    (void)domain, (void)gref, (void)readonly, (void)granted;
    return 0;
}

void cor_grant_unmap(struct cor_granted *granted)
{
    (void)granted;
}

int loop_port_bind(struct loop_port *port, uint16_t domain, uint32_t remote_port)
{
    (void)domain, (void)remote_port;
    port->port = 1;
    return 0;
}

void loop_port_close(struct loop_port *port)
{
    loop_cancel(&port->task);
    port->port = 0;
}

int cor_event_send(uint32_t port)
{
    (void)port;
    return 0;
}

void cor_event_mask(uint32_t port)
{
    (void)port;
}

void cor_event_unmask(uint32_t port)
{
    (void)port;
}

void vif_fail(struct vif *vif, int error, const char *what)
{
    (void)vif, (void)error;
    fail_msg("%s", what);
}

/* ---- an interface ---- */

static struct bridge *bridge;
static struct vif vif;

static void begin(uint64_t bytes, uint32_t us)
{
    const struct bridge_port_options options = {.deliver = vif_deliver, .argument = &vif};
    int error;

    present = true;
    taken = waiting = turns = 0;
    memset(&vif, 0, sizeof(vif));
    vif.state = XenbusStateConnected;
    vif.config.rate_bytes = bytes;
    vif.config.rate_us = us;
    bridge = bridge_create();
    vif.port = bridge_add(bridge, &options, &error);
    assert_int_equal(vif_make_queues(&vif, 1), 0);
    assert_int_equal(vif_connect_queue(&vif, 0, 8, 9, 1), 0);
    vif_start(&vif);
    run(0);
}

static int end(void **state)
{
    (void)state;
    vif_disconnect(&vif);
    bridge_remove(vif.port);
    bridge_destroy(bridge);
    world_check_empty();
    return 0;
}

/* The guest has this to send, and says so. */
static void guest_sends(uint64_t bytes)
{
    waiting += bytes;
    loop_post(&vif.queues[0].port.task);
    run(0);
}

/* ---- tests ---- */

static void test_unlimited(void **state)
{
    (void)state;
    begin(0, 0);
    guest_sends(100000000);
    assert_int_equal(taken, 100000000);
}

/* 10 Mb/s in intervals of 50 ms, as rate=10Mb/s says: for ten seconds. */
static void test_rate(void **state)
{
    uint64_t start, elapsed, earned;

    (void)state;
    begin(62500, 50000);
    start = now;
    guest_sends(1000000000);
    for (unsigned i = 0; i < 1000; i++) {
        run(10000000);
        elapsed = now - start;
        earned = elapsed / 1000 * 62500 / 50000;
        assert_true(taken <= earned + 62500 + FRAME && taken >= earned);
    }
    assert_in_range(turns, 100, 12000); /* about one for each millisecond, and none in between */
}

/* What was not used is not saved up beyond an interval. */
static void test_pause(void **state)
{
    uint64_t before;

    (void)state;
    begin(62500, 50000);
    guest_sends(200000);
    run(1000000000);
    assert_int_equal(taken, 200000);
    run(3600000000000);
    before = taken;
    guest_sends(1000000);
    assert_in_range(taken - before, 62500, 62500 + FRAME);
}

/* A rate of less than a frame: they come one by one, in their time. */
static void test_slow(void **state)
{
    (void)state;
    begin(100, 50000); /* 2000 bytes a second */
    guest_sends(100 * FRAME);
    run(60000000000);
    assert_in_range(taken, 60 * 2000 - 2 * FRAME, 60 * 2000 + 2 * FRAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_unlimited, end),
        cmocka_unit_test_teardown(test_rate, end),
        cmocka_unit_test_teardown(test_pause, end),
        cmocka_unit_test_teardown(test_slow, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
