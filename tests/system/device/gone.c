/* SPDX-License-Identifier: MIT */
/*
 * Devices that vanish under their users, and come back: device_gone() in the midst of their work,
 * device_arrived() afterwards. The hardware is there all the time, so that each driver has to start it anew
 * as well.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/mem.h"
#include "tests/system/device/test.h"
#include "toolstack/device/device.h"

#define REQUESTS 40u
#define FRAMES   400u
#define READ     4096u

struct read {
    struct blk_request request;
    struct dma_segment segments[2];
    char *data;
    volatile bool done;
    int error;
};

struct frame {
    struct net_packet packet;
    struct dma_segment segment;
    volatile bool done;
    int error;
};

static volatile bool told;
static int told_error;

static void read_over(struct blk_request *request, int error)
{
    struct read *r = (struct read *)request;

    r->error = error;
    r->done = true;
}

static int submit(struct blkdev *dev, struct read *r, unsigned i)
{
    int n = dma_map(r->data, READ, r->segments, 2);

    r->done = false;
    r->request = (struct blk_request){.sector = (uint64_t)i * (READ / BLKDEV_SECTOR),
                                      .count = READ / BLKDEV_SECTOR,
                                      .segments = r->segments,
                                      .nr_segments = (unsigned)n,
                                      .done = read_over};
    return blkdev_submit(dev, &r->request);
}

static void ignore(void *argument, const struct net_frame *frame)
{
    (void)argument, (void)frame;
}

static void card_failed(void *argument, int error)
{
    (void)argument;
    told = true;
    told_error = error;
}

static const struct netdev_client client = {.receive = ignore, .failed = card_failed};

static void frame_over(struct net_packet *packet, int error)
{
    struct frame *f = (struct frame *)packet;

    f->error = error;
    f->done = true;
}

/* Sends until there is no room. How many. */
static unsigned flood(struct netdev *dev, struct frame *frames, char *data)
{
    unsigned n = 0;

    memset(data, 0xff, 6);
    memcpy(data + 6, dev->mac, 6);
    memset(data + 12, 0x88, 2);
    for (int error = 0; n < FRAMES; n++) {
        struct frame *f = &frames[n];

        dma_map(data, 60, &f->segment, 1);
        f->done = false;
        f->packet = (struct net_packet){
            .segments = &f->segment, .data = data, .nr_segments = 1, .length = 60, .done = frame_over};
        error = netdev_send(dev, &f->packet);
        if (error) {
            break;
        }
    }
    return n;
}

/* Everything that the image has uses is under way when everything vanishes. */
static struct read reads[REQUESTS];
static struct frame frames[FRAMES];

static void vanish(const struct pci_device *pci, void *argument)
{
    *(unsigned *)argument += device_gone(pci);
}

static void arrive(const struct pci_device *pci, void *argument)
{
    *(unsigned *)argument += device_arrived(pci) == 0;
}

static void round_trip(unsigned number)
{
    struct blkdev *disk = blkdev_first();
    struct netdev *card = netdev_first();
    unsigned gone = 0, back = 0, again = 0, wrong = 0, sent = 0;
    struct blk_request late;
    char name[BLKDEV_NAME] = "";
    char *data = malloc(READ);
    bool idle = false;

    told = false;
    if (disk) {
        strcpy(name, disk->name);
        blkdev_hold(disk);
        for (unsigned i = 0; i < REQUESTS; i++) {
            reads[i].data = reads[i].data ? reads[i].data : aligned_alloc(READ, READ);
            wrong += submit(disk, &reads[i], i) != 0;
            /* QEMU's NVMe, when it is switched off with requests under way, falls. */
            idle = strcmp(disk->driver, "nvme") == 0;
            wrong += idle && !wait_for(&reads[i].done, 20);
        }
    }
    if (card) {
        wrong += netdev_open(card, &client, NULL) != 0;
        sent = flood(card, frames, data);
    }
    check(wrong == 0, "round %u: under way", number);
    pci_scan(vanish, &gone);
    check(gone > 0 && !blkdev_first() && !netdev_first(), "round %u: all gone", number);
    for (unsigned i = 0; disk && i < REQUESTS; i++) {
        wrong += !wait_for(&reads[i].done, 20) || (reads[i].error && reads[i].error != -ENODEV);
    }
    for (unsigned i = 0; i < sent; i++) {
        wrong += !frames[i].done || (frames[i].error && frames[i].error != -ENODEV);
    }
    check(wrong == 0, "round %u: what was under way is over", number);
    if (disk) {
        check(idle || reads[REQUESTS - 1].error == -ENODEV, "round %u: the last request failed", number);
        late = reads[0].request;
        check(blkdev_submit(disk, &late) == -ENODEV, "round %u: no more requests", number);
        blkdev_release(disk);
    }
    if (card) {
        check(told && told_error == -ENODEV, "round %u: the card's client knows", number);
        check(netdev_send(card, &frames[0].packet) == -ENODEV, "round %u: no more packets", number);
        netdev_close(card);
    }
    pci_scan(arrive, &back);
    pci_scan(vanish, &again);
    check(back == gone && again == gone, "round %u: back, and gone", number);
    pci_scan(arrive, &back);
    check(back == 2 * gone && (!disk || wait_for_disk(name)), "round %u: back under their names", number);
    if (disk) {
        disk = blkdev_first();
        check(submit(disk, &reads[0], 0) == 0 && wait_for(&reads[0].done, 20) && !reads[0].error,
              "round %u: %s reads again", number, disk->name);
    }
    free(data);
}

void test_gone(void)
{
    size_t before;

    round_trip(1);
    before = cor_pages_free();
    round_trip(2);
    check(cor_pages_free() == before, "all memory is back");
}
