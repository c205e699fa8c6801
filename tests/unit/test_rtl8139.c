/* SPDX-License-Identifier: MIT */
/*
 * The driver of the Realtek 8139 (toolstack/device/rtl8139.c) with netdev.c before it and a model of the
 * card behind.
 */
#include "tests/unit/model_rtl8139.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/netdev.h"

static struct device *entered;

void device_enter(struct device *device, const struct pci_device *pci, void (*gone)(struct device *device))
{
    device->pci = *pci;
    device->gone = gone;
    entered = device;
}

/* ---- a client ---- */

static struct netdev *dev;
static uint8_t came[2048];
static unsigned came_length, nr_came, nr_writable, nr_done, nr_failed;
static int done_error, failed_error;
static bool link_told, close_at_frame;

static void receive(void *argument, const struct net_frame *frame)
{
    assert_ptr_equal(argument, &dev);
    assert_int_equal((uintptr_t)frame->data / 4096, ((uintptr_t)frame->data + frame->length - 1) / 4096);
    memcpy(came, frame->data, frame->length);
    came_length = frame->length;
    nr_came++;
    if (close_at_frame)
        netdev_close(dev);
}

static void writable(void *argument)
{
    (void)argument;
    nr_writable++;
}

static void link_changed(void *argument, bool up)
{
    (void)argument;
    link_told = up;
}

static void failed(void *argument, int error)
{
    (void)argument;
    failed_error = error;
    nr_failed++;
}

static const struct netdev_client client = {
    .receive = receive, .writable = writable, .link_changed = link_changed, .failed = failed};

static void done(struct net_packet *packet, int error)
{
    (void)packet;
    done_error = error;
    nr_done++;
}

struct packet {
    struct net_packet packet;
    struct dma_segment segment;
    uint8_t data[1518];
};

static void make(struct packet *p, unsigned length, unsigned seed)
{
    for (unsigned i = 0; i < length; i++)
        p->data[i] = (uint8_t)(i * 7 + seed);
    p->segment = (struct dma_segment){(uint64_t)(uintptr_t)p->data, length};
    p->packet = (struct net_packet){
        .segments = &p->segment, .data = p->data, .nr_segments = 1, .length = length, .done = done};
}

static int send(struct packet *p, unsigned length, unsigned seed)
{
    make(p, length, seed);
    return netdev_send(dev, &p->packet);
}

static int setup(void **state)
{
    (void)state;
    r8139_begin();
    nr_came = nr_writable = nr_done = nr_failed = 0;
    done_error = failed_error = 1;
    close_at_frame = false;
    assert_int_equal(rtl8139_start(&r8139_model.pci), 0);
    dev = netdev_first();
    assert_int_equal(netdev_open(dev, &client, &dev), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    netdev_close(dev);
    entered->gone(entered);
    assert_null(netdev_first());
    world_check_empty();
    return 0;
}

/* ---- tests ---- */

static void test_start(void **state)
{
    (void)state;
    assert_memory_equal(dev->mac, r8139_mac, 6);
    assert_true(dev->link_up && link_told);
    assert_string_equal(dev->driver, "rtl8139");
    assert_int_equal(dev->offloads, 0);
    assert_int_equal(r8139.rcr & 0x3f, 0x0e); /* ours, broadcasts, multicasts; no bad ones */
    netdev_set_promiscuous(dev, true);
    assert_int_equal(r8139.rcr & 0x3f, 0x0f);
    assert_int_equal(r8139.mask & 0x80ff, 0x807f);
}

/* Short ones are filled up with zeros, not with what was in the buffer. */
static void test_send(void **state)
{
    static struct packet p;
    static const uint8_t zeros[60];

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        unsigned length = i % 3 ? 60 + i * 29 : 42;

        assert_int_equal(send(&p, length, i), 0);
        assert_int_equal(r8139.sent_length, length < 60 ? 60 : length);
        assert_memory_equal(r8139.sent, p.data, length);
        if (length < 60)
            assert_memory_equal(r8139.sent + length, zeros, 60 - length);
        assert_int_equal(nr_done, i);
        r8139_complete();
        fire();
        assert_int_equal(nr_done, i + 1);
        assert_int_equal(done_error, 0);
        assert_int_equal(r8139.status, 0);
    }
    assert_int_equal(dev->counters.tx_frames, 50);
}

static void test_no_room(void **state)
{
    static struct packet p[5];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(send(&p[i], 100, i), 0);
    assert_int_equal(send(&p[4], 100, 4), -EAGAIN);
    assert_int_equal(r8139.nr_sent, 4);
    r8139_complete();
    fire();
    assert_int_equal(nr_done, 4);
    assert_int_equal(nr_writable, 1);
    assert_int_equal(send(&p[4], 100, 4), 0);
    assert_int_equal(send(&p[0], 1519, 4), -EMSGSIZE);
    r8139_complete();
    fire();
}

/* Too many collisions: that packet is lost, and told so; the next is sent. */
static void test_abort(void **state)
{
    static struct packet p[2];

    (void)state;
    r8139.fate = 1u << 30;
    assert_int_equal(send(&p[0], 100, 1), 0);
    r8139_complete();
    fire();
    assert_int_equal(done_error, -EIO);
    assert_int_equal(dev->counters.tx_errors, 1);
    r8139.fate = 0;
    assert_int_equal(send(&p[1], 100, 2), 0);
    r8139_complete();
    fire();
    assert_int_equal(nr_done, 2);
    assert_int_equal(done_error, 0);
}

/* A card that sends nothing has failed after a while, and works again after a reset. */
static void test_stuck(void **state)
{
    static struct packet p[5];

    (void)state;
    r8139.stuck = true;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(send(&p[i], 100, i), 0);
    assert_int_equal(send(&p[4], 100, 4), -EAGAIN);
    run(NETDEV_TIMEOUT - 1000000);
    assert_int_equal(nr_failed, 0);
    run(2000000);
    assert_int_equal(nr_failed, 1);
    assert_int_equal(failed_error, -EIO);
    assert_int_equal(nr_done, 4);
    assert_int_equal(send(&p[4], 100, 4), -ENODEV);
    r8139.never_resets = true;
    assert_int_equal(netdev_reopen(dev), -EIO);
    r8139.never_resets = r8139.stuck = false;
    netdev_set_promiscuous(dev, true);
    r8139.nr_sent = 0;
    assert_int_equal(netdev_reopen(dev), 0);
    assert_int_equal(r8139.rcr & 1, 1);
    assert_int_equal(send(&p[4], 100, 4), 0);
    r8139_complete();
    fire();
    assert_int_equal(nr_done, 5);
    assert_int_equal(done_error, 0);
}

/* Many times around the ring, with several frames at once and at each place of its end. */
static void test_receive(void **state)
{
    uint8_t frame[1514];
    unsigned expected = 0;

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        unsigned length = 60 + i * 37 % 1455;

        for (unsigned j = 0; j < length; j++)
            frame[j] = (uint8_t)(j * 13 + i);
        memcpy(frame, r8139_mac, 6);
        assert_true(r8139_receive(frame, length));
        if (i % 5 == 0 || i % 7 == 0) {
            fire();
            expected = i + 1;
            assert_int_equal(nr_came, expected);
            assert_int_equal(came_length, length);
            assert_memory_equal(came, frame, length);
        }
    }
    fire();
    assert_int_equal(dev->counters.rx_frames, 3000);
    assert_int_equal(dev->counters.rx_errors, 0);
}

static void test_overflow(void **state)
{
    uint8_t frame[1514] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    unsigned n = 0;

    (void)state;
    while (r8139_receive(frame, sizeof(frame)))
        n++;
    assert_true(n > 15);
    fire();
    assert_int_equal(nr_came, n);
    assert_int_equal(netdev_counters(dev)->rx_dropped, 1);
    assert_true(r8139_receive(frame, 60));
    fire();
    assert_int_equal(nr_came, n + 1);
    assert_int_equal(netdev_counters(dev)->rx_dropped, 1);
}

/* What cannot be a frame ends what is in the ring: the receiver is started anew. */
static void test_bad_headers(void **state)
{
    static const uint16_t bad[][2] = {{1, 0},      {1, 17},     {1, 2049},   {1, 0xffff},   {0, 64},
                                      {1 | 2, 64}, {1 | 4, 64}, {1 | 8, 64}, {1 | 0x20, 64}};
    uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        r8139_receive_as(frame, 60, bad[i][0], bad[i][1]);
        r8139_receive(frame, 60);
        fire();
        assert_int_equal(nr_came, i);
        assert_int_equal(dev->counters.rx_errors, i + 1);
        assert_int_equal(r8139.starts, i + 2);
        r8139_receive(frame, 60);
        fire();
        assert_int_equal(nr_came, i + 1);
    }
}

/* The card has not written all of it: it is taken later. */
static void test_unfinished(void **state)
{
    uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    unsigned at = r8139.cbr;

    (void)state;
    r8139_receive_as(frame, 60, 0, 0xfff0);
    fire();
    assert_int_equal(nr_came + dev->counters.rx_errors, 0);
    r8139_put(at, (const uint16_t[]){1, 64}, 4);
    r8139.status |= 1;
    fire();
    assert_int_equal(nr_came, 1);
}

static void test_link(void **state)
{
    (void)state;
    r8139.link = false;
    r8139.status |= 0x20;
    fire();
    assert_false(dev->link_up || link_told);
    r8139.link = true;
    r8139.status |= 0x20;
    fire();
    assert_true(dev->link_up && link_told);
}

/* The line is another device's, too. */
static void test_not_ours(void **state)
{
    (void)state;
    fire();
    assert_int_equal(dev->counters.interrupts, 0);
    r8139.status = 0x4000; /* the timer, which is not in use */
    fire();
    assert_int_equal(dev->counters.interrupts, 0);
}

static void test_bus_error(void **state)
{
    (void)state;
    r8139.status = 0x8000;
    fire();
    assert_int_equal(failed_error, -EIO);
    assert_int_equal(r8139.mask, 0);
    assert_int_equal(netdev_reopen(dev), 0);
}

static void test_closed_by_client(void **state)
{
    uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    (void)state;
    close_at_frame = true;
    r8139_receive(frame, 60);
    r8139_receive(frame, 60);
    fire();
    assert_int_equal(nr_came, 1);
}

static void test_vanishes(void **state)
{
    static struct packet p;

    (void)state;
    assert_int_equal(send(&p, 100, 0), 0);
    present = false;
    fire();
    assert_int_equal(failed_error, -ENODEV);
    assert_int_equal(done_error, -ENODEV);
    assert_int_equal(netdev_reopen(dev), -ENODEV);
    assert_int_equal(send(&p, 100, 0), -ENODEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_send, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stuck, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unfinished, setup, teardown),
        cmocka_unit_test_setup_teardown(test_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bus_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_by_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vanishes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
