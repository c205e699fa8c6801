/* SPDX-License-Identifier: MIT */
/*
 * The driver of virtio network devices (toolstack/device/virtio_net.c on virtio.c and virtqueue.c) before a
 * model of the device: offloads both ways, frames in several buffers, and devices that do what they must not.
 */
#include "tests/unit/model_virtio.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/netdev.h"

#define RX 0
#define TX 1

/* virtio 1.1, 5.1.3 */
#define CSUM       (1ull << 0)
#define GUEST_CSUM (1ull << 1)
#define MAC        (1ull << 5)
#define GUEST_TSO  (3ull << 7)
#define HOST_TSO   (3ull << 11)
#define MRG        (1ull << 15)
#define STATUS     (1ull << 16)
#define ALL        (CSUM | GUEST_CSUM | MAC | GUEST_TSO | HOST_TSO | MRG | STATUS)

struct vheader {
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, start, offset, buffers;
};

static struct device *entered;

void device_enter(struct device *device, const struct pci_device *pci, void (*gone)(struct device *device))
{
    device->pci = *pci;
    device->gone = gone;
    entered = device;
}

/* ---- a client ---- */

static struct netdev *dev;
static uint8_t came[70000];
static struct net_frame last;
static unsigned came_length, nr_came, nr_done, nr_failed;
static int done_error, failed_error;

static void receive(void *argument, const struct net_frame *frame)
{
    (void)argument;
    last = *frame;
    assert_int_equal(frame->address, (uintptr_t)frame->data);
    memcpy(came, frame->data, frame->length);
    came_length = frame->length;
    for (unsigned i = 0; i < frame->nr_more; i++) {
        memcpy(came + came_length, frame->more[i].data, frame->more[i].length);
        came_length += frame->more[i].length;
    }
    nr_came++;
}

static void failed(void *argument, int error)
{
    (void)argument;
    failed_error = error;
    nr_failed++;
}

static const struct netdev_client full = {.offloads = true, .receive = receive, .failed = failed},
                                  plain = {.receive = receive, .failed = failed};

static void done(struct net_packet *packet, int error)
{
    (void)packet;
    done_error = error;
    nr_done++;
}

static void open_card(uint64_t features, unsigned queue_size, const struct netdev_client *client)
{
    vdev_begin(1, features, queue_size);
    memcpy(vdev.config, "\x52\x54\x00\x01\x02\x03\x01\x00", 8); /* address, link up */
    nr_came = nr_done = nr_failed = 0;
    failed_error = 0;
    assert_int_equal(virtio_net_start(&vdev_model.pci), 0);
    dev = netdev_first();
    assert_int_equal(netdev_open(dev, client, NULL), 0);
}

static int teardown(void **state)
{
    (void)state;
    netdev_close(dev);
    entered->gone(entered);
    world_check_empty();
    return 0;
}

/* The device writes a frame with its header into as many buffers as that takes; said: what the header says
 * of their number, 0: the truth. How many it took. */
static unsigned deliver_as(struct vheader header, const uint8_t *frame, unsigned length, unsigned said)
{
    unsigned heads[64], written[64], n = 0, at = 0;
    void *first = NULL;

    while (at < length || !n) {
        struct vdesc chain[4];
        unsigned parts = vq_take(RX, chain, &heads[n]), from = n ? 0 : sizeof(header);

        assert_true(parts > 0);
        written[n] = from;
        for (unsigned i = 0; i < parts && at < length; i++) {
            uint8_t *to = (uint8_t *)(uintptr_t)chain[i].address; // NOLINT
            unsigned room = chain[i].length - from;

            assert_true(chain[i].flags & 2);
            first = first ? first : to;
            room = room < length - at ? room : length - at;
            memcpy(to + from, frame + at, room);
            at += room;
            written[n] += room;
            from = 0;
        }
        n++;
    }
    header.buffers = (uint16_t)(said ? said : n);
    memcpy(first, &header, sizeof(header));
    for (unsigned i = 0; i < n; i++)
        vq_give(RX, heads[i], written[i]);
    return n;
}

static unsigned deliver(struct vheader header, const uint8_t *frame, unsigned length)
{
    return deliver_as(header, frame, length, 0);
}

static uint8_t frame[65549];

static void fill(unsigned seed)
{
    for (unsigned i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)(i * 31 + (i >> 9) + seed);
    memcpy(frame, vdev.config, 6);
}

static void expect_frame(unsigned length)
{
    assert_int_equal(came_length, length);
    assert_memory_equal(came, frame, length);
}

/* ---- tests ---- */

static void test_features(void **state)
{
    (void)state;
    open_card(ALL, 256, &full);
    assert_int_equal(vdev.accepted, ALL | 1ull << 32);
    assert_int_equal(dev->offloads, NETDEV_TX_CHECKSUM | NETDEV_TX_TSO4 | NETDEV_TX_TSO6 |
                                        NETDEV_RX_CHECKSUM | NETDEV_RX_LARGE);
    assert_true(dev->link_up);
}

/* A client that takes frames as they are on the wire gets no others. */
static void test_plain_client(void **state)
{
    (void)state;
    open_card(ALL, 256, &plain);
    assert_int_equal(vdev.accepted & (GUEST_CSUM | GUEST_TSO | MRG), 0);
    fill(1);
    deliver((struct vheader){0}, frame, 1514);
    fire();
    expect_frame(1514);
    assert_int_equal(last.nr_more, 0);
    deliver((struct vheader){.flags = 1, .gso_type = 1, .gso_size = 100}, frame,
            1514); /* nobody asked for it */
    fire();
    assert_int_equal(nr_came, 1);
    assert_int_equal(dev->counters.rx_errors, 1);
}

/* Long frames need several buffers: without these there are none. */
static void test_not_mergeable(void **state)
{
    (void)state;
    open_card(ALL & ~MRG, 256, &full);
    assert_int_equal(vdev.accepted & (GUEST_CSUM | GUEST_TSO | MRG), GUEST_CSUM);
    fill(2);
    for (unsigned i = 0; i < 300; i++) {
        deliver((struct vheader){.flags = i % 2 ? 1 : 2}, frame, 60 + i);
        fire();
        expect_frame(60 + i);
        assert_int_equal(last.checksum_blank, i % 2);
        assert_int_equal(last.checksum_good, 1 - i % 2);
    }
    assert_false(dev->offloads & NETDEV_RX_LARGE);
}

static void test_large(void **state)
{
    (void)state;
    open_card(ALL, 256, &full);
    for (unsigned i = 0; i < 40; i++) {
        bool ipv6 = i % 2;
        unsigned length = 65535 - i * 1500, n;

        fill(i);
        n = deliver((struct vheader){.flags = 1, .gso_type = ipv6 ? 4 | 0x80 : 1, .gso_size = 1448}, frame,
                    length);
        assert_true(n > 1 || length < 2000);
        fire();
        assert_int_equal(nr_came, i + 1);
        expect_frame(length);
        assert_int_equal(last.segment_size, 1448);
        assert_int_equal(last.ipv6, ipv6);
        assert_true(last.checksum_blank);
    }
    assert_int_equal(dev->counters.rx_errors, 0);
}

/* More than a turn's worth of buffers at once, so that a frame's parts come in two turns. */
static void test_turns(void **state)
{
    unsigned n = 0;

    (void)state;
    open_card(ALL, 64, &full);
    fill(3);
    for (unsigned i = 0; i < 21; i++)
        n += deliver((struct vheader){.flags = 1, .gso_type = 1, .gso_size = 1448}, frame, 5000);
    assert_int_equal(n, 63);
    fire();
    assert_int_equal(nr_came, 21);
    for (unsigned i = 0; i < 30; i++) {
        deliver((struct vheader){.flags = 1, .gso_type = 1, .gso_size = 1448}, frame, 60000);
        fire();
        expect_frame(60000);
    }
    assert_int_equal(nr_failed, 0);
}

/* Half a frame: the rest comes later. */
static void test_in_pieces(void **state)
{
    struct vheader header = {.flags = 1, .gso_type = 1, .gso_size = 1448, .buffers = 2};
    struct vdesc chain[2];
    unsigned heads[2];
    uint8_t *to;

    (void)state;
    open_card(ALL, 64, &full);
    fill(4);
    assert_int_equal(vq_take(RX, chain, &heads[0]), 1);
    assert_int_equal(vq_take(RX, chain + 1, &heads[1]), 1);
    to = (uint8_t *)(uintptr_t)chain[0].address; // NOLINT
    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), frame, 1500);
    vq_give(RX, heads[0], 1512);
    fire();
    assert_int_equal(nr_came, 0);
    memcpy((void *)(uintptr_t)chain[1].address, frame + 1500, 700); // NOLINT
    vq_give(RX, heads[1], 700);
    fire();
    expect_frame(2200);
}

static void test_bad_headers(void **state)
{
    static const struct vheader bad[] = {
        {.flags = 0, .gso_type = 1, .gso_size = 1448}, /* to be cut, and without a blank checksum */
        {.flags = 1, .gso_type = 1, .gso_size = 0},
        {.flags = 1, .gso_type = 3, .gso_size = 1448}, /* UDP, which nobody asked for */
        {.flags = 1, .gso_type = 5, .gso_size = 1448}};

    (void)state;
    open_card(ALL, 64, &full);
    fill(5);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        deliver(bad[i], frame, 5000);
        fire();
        assert_int_equal(nr_came, i);
        assert_int_equal(dev->counters.rx_errors, i + 1);
        deliver((struct vheader){0}, frame, 100);
        fire();
        assert_int_equal(nr_came, i + 1);
    }
    assert_int_equal(nr_failed, 0);
}

/* Numbers that cannot be are the end of the device, until it is reset. */
static void bad_device(unsigned said, unsigned extra)
{
    struct vdesc chain[2];
    unsigned head;

    open_card(ALL, 64, &full);
    fill(6);
    if (extra) {
        assert_int_equal(vq_take(RX, chain, &head), 1);
        vq_give(RX, extra == 1 ? head + 1000 : head, extra == 1 ? 100 : extra);
    } else {
        deliver_as((struct vheader){0}, frame, 100, said);
    }
    fire();
    assert_int_equal(failed_error, -EIO);
    assert_int_equal(nr_came, 0);
    assert_int_equal(vdev.status, 0); /* it was reset */
    assert_int_equal(netdev_reopen(dev), 0);
    deliver((struct vheader){0}, frame, 100);
    fire();
    assert_int_equal(nr_came, 1);
    teardown(NULL);
}

static void test_bad_device(void **state)
{
    (void)state;
    bad_device(0xffff, 0);
    bad_device(41, 0);
    bad_device(0, 1);    /* a buffer that there is not */
    bad_device(0, 3000); /* more than its room */
    bad_device(0, 12);   /* a header alone */
    open_card(ALL, 64, &full);
}

static void test_send(void **state)
{
    static struct dma_segment segments[17];
    struct net_packet p = {.segments = segments, .data = frame, .done = done};
    struct vdesc chain[32];
    struct vheader header;
    unsigned head, n, at = 0;

    (void)state;
    open_card(ALL, 256, &full);
    fill(7);
    for (p.nr_segments = 0; at < 65535; p.nr_segments++) {
        unsigned piece = 65535 - at < 4096 ? 65535 - at : 4096;

        segments[p.nr_segments] = (struct dma_segment){(uintptr_t)frame + at, piece};
        at += piece;
    }
    p.length = 65535;
    p.checksum = true;
    p.checksum_start = 34;
    p.checksum_offset = 16;
    p.segment_size = 1448;
    p.header_length = 66;
    assert_int_equal(netdev_send(dev, &p), 0);
    n = vq_take(TX, chain, &head);
    assert_int_equal(n, 1 + p.nr_segments);
    assert_int_equal(chain[0].length, sizeof(header));
    memcpy(&header, (void *)(uintptr_t)chain[0].address, sizeof(header)); // NOLINT
    assert_int_equal(header.flags, 1);
    assert_int_equal(header.gso_type, 1);
    assert_int_equal(header.gso_size, 1448);
    assert_int_equal(header.header_length, 66);
    assert_int_equal(header.start, 34);
    assert_int_equal(header.offset, 16);
    for (unsigned i = 1; i < n; i++) {
        assert_int_equal(chain[i].address, segments[i - 1].address);
        assert_int_equal(chain[i].length, segments[i - 1].length);
    }
    assert_int_equal(nr_done, 0);
    vq_give(TX, head, 0);
    fire();
    assert_int_equal(nr_done, 1);
    p.segment_size = 1480; /* longer than the wire takes */
    assert_int_equal(netdev_send(dev, &p), -EMSGSIZE);
    p.segment_size = 1448;
    p.ipv6 = true;
    assert_int_equal(netdev_send(dev, &p), 0);
    assert_int_equal(vq_take(TX, chain, &head), 1 + p.nr_segments);
    memcpy(&header, (void *)(uintptr_t)chain[0].address, sizeof(header)); // NOLINT
    assert_int_equal(header.gso_type, 4);
}

static void test_needs_reset(void **state)
{
    (void)state;
    open_card(ALL, 64, &full);
    vdev.status |= 64;
    vdev.isr |= 2;
    fire();
    assert_int_equal(failed_error, -EIO);
    vdev.refuses = true;
    assert_int_equal(netdev_reopen(dev), -EIO);
    vdev.refuses = false;
    assert_int_equal(netdev_reopen(dev), 0);
    assert_true(dev->link_up);
}

static void test_link(void **state)
{
    (void)state;
    open_card(ALL, 64, &full);
    vdev.config[6] = 0;
    vdev.isr |= 2;
    fire();
    assert_false(dev->link_up);
    vdev.config[6] = 1;
    vdev.isr |= 2;
    fire();
    assert_true(dev->link_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_features, teardown),
        cmocka_unit_test_teardown(test_plain_client, teardown),
        cmocka_unit_test_teardown(test_not_mergeable, teardown),
        cmocka_unit_test_teardown(test_large, teardown),
        cmocka_unit_test_teardown(test_turns, teardown),
        cmocka_unit_test_teardown(test_in_pieces, teardown),
        cmocka_unit_test_teardown(test_bad_headers, teardown),
        cmocka_unit_test_teardown(test_bad_device, teardown),
        cmocka_unit_test_teardown(test_send, teardown),
        cmocka_unit_test_teardown(test_needs_reset, teardown),
        cmocka_unit_test_teardown(test_link, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
