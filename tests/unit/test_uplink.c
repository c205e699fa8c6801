/* SPDX-License-Identifier: MIT */
/*
 * A card at a bridge (toolstack/backend/uplink.c), with the real bridge, frames and netdev.c; the card's
 * driver and the loop's clock are the test's.
 */
#include "tests/unit/device_world.h"
#include "toolstack/backend/bridge.h"
#include "toolstack/backend/net_frame.h"
#include "toolstack/backend/uplink.h"

void *cor_map(size_t length, unsigned prot)
{
    (void)prot;
    return aligned_alloc(4096, length);
}

int cor_unmap(void *address, size_t length)
{
    (void)length;
    free(address);
    return 0;
}

int dma_map(const void *data, size_t length, struct dma_segment *segments, unsigned room)
{
    assert_true(room > 0);
    segments[0] = (struct dma_segment){(uint64_t)(uintptr_t)data, (uint32_t)length};
    return 1;
}

/* ---- a card ---- */

#define ROOM 8u

static struct netdev card;
static struct net_packet *under_way[ROOM];
static unsigned nr_under_way, nr_opens, nr_closes, nr_removed;
static int open_error;
static bool link_at_open;
static uint8_t wire[200][2000]; /* what was sent, 12 bytes in front left out */
static uint32_t wire_length[200];
static unsigned nr_wire;

static int card_open(struct netdev *dev)
{
    nr_opens++;
    if (!open_error)
        netdev_link(dev, link_at_open);
    return open_error;
}

static void card_close(struct netdev *dev)
{
    (void)dev;
    nr_closes++;
    while (nr_under_way) {
        struct net_packet *p = under_way[--nr_under_way];

        p->done(p, -ENODEV);
    }
}

static int card_send(struct netdev *dev, struct net_packet *packet)
{
    (void)dev;
    if (nr_under_way == ROOM)
        return -EAGAIN;
    under_way[nr_under_way++] = packet;
    assert_true(nr_wire < 200 && packet->length <= 2000);
    memcpy(wire[nr_wire], packet->data, packet->length);
    wire_length[nr_wire++] = packet->length;
    return 0;
}

static void card_sent(void)
{
    struct net_packet *all[ROOM];
    unsigned n = nr_under_way;

    memcpy(all, under_way, sizeof(all));
    nr_under_way = 0;
    for (unsigned i = 0; i < n; i++)
        all[i]->done(all[i], 0);
    netdev_writable(&card);
}

static void card_remove(struct netdev *dev)
{
    assert_ptr_equal(dev, &card);
    nr_removed++;
}

static const struct netdev_ops ops = {
    .open = card_open, .close = card_close, .send = card_send, .remove = card_remove};

/* ---- a guest ---- */

static struct bridge *bridge;
static struct bridge_port *guest;
static struct uplink *uplink;
static struct net_frame_buffer *got[8];
static unsigned nr_got, nr_ended;

static void deliver(void *argument, void *handle)
{
    (void)argument;
    assert_true(nr_got < 8);
    got[nr_got++] = handle;
    frame_hold(handle);
}

static void ended(void *argument)
{
    assert_ptr_equal(argument, &nr_ended);
    nr_ended++;
}

static int setup(void **state)
{
    const struct bridge_port_options options = {
        .has_mac = true, .mac = {0, 0x16, 0x3e, 0, 0, 1}, .learn = 4, .deliver = deliver};
    int error;

    (void)state;
    card = (struct netdev){.driver = "test", .mtu = 1500, .ops = &ops};
    nr_under_way = nr_opens = nr_closes = nr_removed = nr_got = nr_ended = nr_wire = 0;
    open_error = 0;
    link_at_open = true;
    netdev_add(&card);
    bridge = bridge_create();
    guest = bridge_add(bridge, &options, &error);
    uplink = uplink_open(&card, bridge, ended, &nr_ended, &error);
    assert_non_null(uplink);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (nr_got)
        frame_release(got[--nr_got]);
    netdev_gone(&card);
    assert_int_equal(nr_ended, 1);
    assert_int_equal(nr_removed, 1);
    bridge_remove(guest);
    bridge_destroy(bridge);
    frame_trim();
    world_check_empty();
    return 0;
}

/* A frame of the guest's to somebody outside. */
static void send(unsigned length, unsigned mark)
{
    struct net_frame_buffer *frame = frame_new(length);

    memset(frame->data, (int)mark, length);
    memcpy(frame->data, "\2\0\0\0\0\1\0\x16\x3e\0\0\1\x88\xb5", 14);
    bridge_input(guest, frame->data, frame->length, now, frame);
    frame_release(frame);
}

static void arrive(const struct net_frame *frame)
{
    netdev_receive(&card, frame);
}

static const uint8_t from_outside[2000] = {0, 0x16, 0x3e, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x08, 0};

/* ---- tests ---- */

/* In order, whatever waits, and what is too much is dropped. */
static void test_backlog(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++)
        send(100 + i, i);
    assert_int_equal(nr_wire, ROOM);
    while (nr_under_way)
        card_sent();
    assert_int_equal(nr_wire, 50);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(wire_length[i], 100 + i);
        assert_int_equal(wire[i][50], i);
    }
    assert_int_equal(uplink_dropped(uplink), 0);
    for (unsigned i = 0; i < 600; i++)
        send(100, i);
    assert_int_equal(uplink_dropped(uplink), 600 - ROOM - 512);
    nr_wire = 0;
    link_at_open = false;
    netdev_link(&card, false); /* what waits goes nowhere */
    while (nr_under_way)
        card_sent();
    assert_int_equal(nr_wire, 0);
}

/* Frames in parts, to be cut, without checksums: the guest gets them so. */
static void test_large(void **state)
{
    static uint8_t more[3000];
    struct net_part parts[2] = {{more, 2000}, {more + 2000, 1000}};

    (void)state;
    for (unsigned i = 0; i < sizeof(more); i++)
        more[i] = (uint8_t)(i * 7);
    arrive(&(struct net_frame){.data = from_outside, .length = 1000, .checksum_good = true});
    arrive(&(struct net_frame){.data = from_outside, .length = 1000});
    arrive(&(struct net_frame){.data = from_outside,
                               .length = 1500,
                               .checksum_blank = true,
                               .ipv6 = true,
                               .segment_size = 1400,
                               .more = parts,
                               .nr_more = 2});
    assert_int_equal(nr_got, 3);
    assert_true(got[0]->validated && !got[0]->checksum_blank && got[0]->gso == FRAME_GSO_NONE);
    assert_true(!got[1]->validated && !got[1]->checksum_blank);
    assert_int_equal(got[2]->length, 4500);
    assert_memory_equal(got[2]->data, from_outside, 1500);
    assert_memory_equal(got[2]->data + 1500, more, 3000);
    assert_true(got[2]->checksum_blank && got[2]->gso == FRAME_GSO_TCPV6 && got[2]->gso_size == 1400);
}

static void test_link(void **state)
{
    (void)state;
    assert_string_equal(uplink_state(uplink), "up");
    arrive(&(struct net_frame){.data = from_outside, .length = 100});
    assert_non_null(bridge_lookup(bridge, from_outside + 6, now));
    netdev_link(&card, false);
    assert_string_equal(uplink_state(uplink), "down");
    assert_null(bridge_lookup(bridge, from_outside + 6, now)); /* it may be elsewhere next time */
    send(100, 1);
    assert_int_equal(nr_wire, 0);
    assert_int_equal(uplink_dropped(uplink), 1);
    netdev_link(&card, true);
    send(100, 1);
    assert_int_equal(nr_wire, 1);
}

/* Reset after a second, two, four, ... a minute; everything goes on when it works again. */
static void test_failure(void **state)
{
    const unsigned opens = nr_opens;

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        send(100, i);
    open_error = -EIO;
    netdev_fail(&card, -EIO);
    assert_string_equal(uplink_state(uplink), "failed");
    assert_int_equal(nr_under_way, 0);
    send(100, 1); /* dropped */
    run(900000000);
    assert_int_equal(nr_opens, opens);
    run(200000000);
    assert_int_equal(nr_opens, opens + 1);
    run(1800000000);
    assert_int_equal(nr_opens, opens + 1);
    run(400000000);
    assert_int_equal(nr_opens, opens + 2);
    run(3600000000000);
    assert_in_range(nr_opens, opens + 60, opens + 70);
    open_error = 0;
    run(61000000000);
    assert_string_equal(uplink_state(uplink), "up");
    assert_true(card.promiscuous);
    nr_wire = 0;
    send(100, 7);
    assert_int_equal(nr_wire, 1);
    assert_int_equal(wire[0][50], 7);
    card_sent();
    assert_int_equal(nr_ended, 0);
    /* After a minute of work the next failure is a first one. */
    run(61000000000);
    netdev_fail(&card, -EIO);
    run(1100000000);
    assert_string_equal(uplink_state(uplink), "up");
}

/* It goes while it is tried again, and while frames wait: teardown takes it away. */
static void test_gone_after_failure(void **state)
{
    (void)state;
    open_error = -EIO;
    netdev_fail(&card, -EIO);
    run(10000000000);
}

static void test_gone_in_use(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        send(100, i);
    assert_int_equal(nr_under_way, ROOM);
}

/* A card that is there, and does not work. */
static void test_cannot_open(void **state)
{
    int error;

    netdev_gone(&card);
    netdev_add(&card);
    open_error = -EIO;
    nr_ended = nr_removed = 0;
    assert_null(uplink_open(&card, bridge, ended, &nr_ended, &error));
    assert_int_equal(error, -EIO);
    open_error = 0;
    assert_non_null(uplink_open(&card, bridge, ended, &nr_ended, &error));
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_backlog, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_after_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_open, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
