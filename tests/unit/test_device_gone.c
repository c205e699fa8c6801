/* SPDX-License-Identifier: MIT */
/*
 * Devices that vanish: each driver of toolstack/device, with a model of its device that is gone before its
 * first access, before its second, and so on through a start, work, and an end. All that it answers then
 * are ones. Nobody may hang: what was asked of it ends, what it held is free, and nothing waits for long.
 */
#include "tests/unit/model_ata.h"
#include "tests/unit/model_e1000.h"
#include "tests/unit/model_nvme.h"
#include "tests/unit/model_rtl8139.h"
#include "tests/unit/model_virtio.h"
#include "toolstack/device/blkdev.h"
#include "toolstack/device/device.h"
#include "toolstack/device/netdev.h"

#define MS       1000000ull
#define REQUESTS 3u
#define PACKETS  3u

/* virtio_console.c's; there is none */
void *cor_map(size_t length, unsigned prot)
{
    (void)length, (void)prot;
    return NULL;
}

int cor_unmap(void *address, size_t length)
{
    (void)address, (void)length;
    return 0;
}

int dma_map(const void *data, size_t length, struct dma_segment *segments, unsigned room)
{
    (void)data, (void)length, (void)segments, (void)room;
    return -E2BIG;
}

/* ---- users ---- */

static unsigned over, errors, failures;

static void read_over(struct blk_request *request, int error)
{
    (void)request;
    assert_true(error == 0 || error == -EIO || error == -ENODEV);
    errors += error != 0;
    over++;
}

static void packet_over(struct net_packet *packet, int error)
{
    (void)packet;
    assert_true(error == 0 || error == -EIO || error == -ENODEV);
    errors += error != 0;
    over++;
}

static void ignore(void *argument, const struct net_frame *frame)
{
    (void)argument, (void)frame;
}

static void card_failed(void *argument, int error)
{
    (void)argument;
    assert_true(error == -EIO || error == -ENODEV);
    failures++;
}

static const struct netdev_client client = {.offloads = true, .receive = ignore, .failed = card_failed};

/* ---- devices ---- */

static void virtio_net_begin(void)
{
    vdev_begin(1, 1ull << 5 | 1ull << 16, 64);
    vdev.config[6] = 1;
}

static void virtio_blk_begin(void)
{
    vdev_begin(2, 1ull << 9, 64);
    vdev.config[1] = 0x10; /* 4096 sectors */
}

/* All requests are over, with good results. */
static void virtio_tick(void)
{
    struct vdesc chain[64];
    unsigned n, head, q = vdev_model.pci.device == 0x1042 ? 0 : 1;

    while (vdev.queue[q].enabled && (n = vq_take(q, chain, &head)) > 0) {
        if (chain[n - 1].flags & 2)
            *(uint8_t *)(uintptr_t)chain[n - 1].address = 0; // NOLINT
        vq_give(q, head, 1);
    }
}

struct kind {
    const char *name;
    void (*begin)(void);
    void (*tick)(void);
};

/* ---- a life ---- */

static struct blk_request requests[REQUESTS];
static struct net_packet packets[PACKETS];
static struct dma_segment segment;
static uint8_t *page;

/* What the disk or the card takes of the work; it is under way afterwards. */
static unsigned begin_work(struct blkdev *disk, struct netdev *card)
{
    unsigned taken = 0;

    for (unsigned i = 0; disk && i < REQUESTS; i++) {
        requests[i] = (struct blk_request){
            .sector = i * 8u, .count = 8, .segments = &segment, .nr_segments = 1, .done = read_over};
        taken += blkdev_submit(disk, &requests[i]) == 0;
    }
    for (unsigned i = 0; card && i < PACKETS; i++) {
        packets[i] = (struct net_packet){.segments = &segment,
                                         .data = page,
                                         .nr_segments = 1,
                                         .length = segment.length,
                                         .done = packet_over};
        taken += netdev_send(card, &packets[i]) == 0;
    }
    return taken;
}

/* The device works, and interrupts, as long as it is there. */
static void let_work(const struct kind *kind)
{
    for (unsigned i = 0; i < 2 * REQUESTS; i++) {
        if (present)
            kind->tick();
        fire();
    }
}

/* Nothing waits for a device that is gone; what is there has a second. */
static void in_time(uint64_t since)
{
    assert_true(now - since < (present ? 1000 : 50) * MS);
}

/* A device from its start to its end, gone before access `last`. True: it was there all the time. */
static bool live(const struct kind *kind, long last)
{
    uint64_t address, begin;
    struct blkdev *disk;
    struct netdev *card;
    unsigned taken = 0;
    bool there, opened = false;

    kind->begin();
    vanish_after = last;
    over = errors = failures = 0;
    page = dma_alloc(4096, 32, &address);
    begin = now;
    (void)device_arrived(&model->pci);
    in_time(begin);
    disk = blkdev_first();
    card = netdev_first();
    segment = (struct dma_segment){address, disk ? 4096 : 60};
    if (card) {
        begin = now;
        opened = netdev_open(card, &client, NULL) == 0;
        in_time(begin);
    }
    if (disk)
        blkdev_hold(disk);
    begin = now;
    taken += begin_work(disk, opened ? card : NULL);
    let_work(kind);
    in_time(begin);
    assert_true(!present || (taken && over == taken && !errors));
    if (disk) { /* one that says nothing any more has a time, whether it is there or not */
        run(2 * blkdev_timeout);
        assert_int_equal(over, taken);
    }
    taken += begin_work(disk, opened ? card : NULL); /* these are under way at the end */
    there = present;
    begin = now;
    device_gone(&model->pci);
    in_time(begin);
    run(MS);
    assert_int_equal(over, taken);
    assert_true(!opened || failures == 1);
    assert_null(blkdev_first());
    assert_null(netdev_first());
    if (opened) {
        assert_int_equal(begin_work(NULL, card), 0);
        netdev_close(card);
    }
    if (disk) {
        assert_int_equal(begin_work(disk, NULL), 0);
        blkdev_release(disk);
    }
    dma_free(page, 4096);
    world_check_empty();
    return there;
}

static void live_all(const struct kind *kind)
{
    long n = 0;

    while (!live(kind, n))
        n++;
    assert_true(n > 10);
    printf("%s: gone before each of %ld accesses\n", kind->name, n);
}

#define TEST(name)                                                                                           \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        (void)state;                                                                                         \
        live_all(&(struct kind){#name, name##_begin, name##_tick});                                          \
    }

static void virtio_net_tick(void)
{
    virtio_tick();
}

static void virtio_blk_tick(void)
{
    virtio_tick();
}

static void rtl8139_begin(void)
{
    r8139_begin();
}

static void rtl8139_tick(void)
{
    r8139_complete();
}

TEST(e1000)
TEST(rtl8139)
TEST(virtio_net)
TEST(virtio_blk)
TEST(ahci)
TEST(ide)
TEST(nvme)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e1000),      cmocka_unit_test(test_rtl8139), cmocka_unit_test(test_virtio_net),
        cmocka_unit_test(test_virtio_blk), cmocka_unit_test(test_ahci),    cmocka_unit_test(test_ide),
        cmocka_unit_test(test_nvme),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
