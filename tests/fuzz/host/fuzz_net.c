/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's target for netback's rings, with a frontend that writes whatever it likes, and for the frames
 * that come out of them: checksums to finish, segments to cut. The input is a list of the frontend's steps.
 * Grants are pages of the frontend's; copies are carried out as the hypervisor would.
 */
#include <string.h>
#include "coracle/grant.h"
#include "tests/unit/include/ring_pages.h"
#include "toolstack/backend/net_ring.h"
#include "tests/fuzz/host/fuzz_host.h"

#define PAGE   4096u
#define GRANTS 8u
#define DOMID  7u
#define TURN   64u

static uint8_t pages[GRANTS][PAGE];
static uint8_t tx_page[PAGE] __attribute__((aligned(4096))), rx_page[PAGE] __attribute__((aligned(4096)));
static netif_tx_sring_t *const tx = (netif_tx_sring_t *)tx_page;
static netif_rx_sring_t *const rx = (netif_rx_sring_t *)rx_page;
static struct net_ring ring;
static struct net_ring_batch batch;
static unsigned refused; /* bits: grants that have vanished */

void cor_grant_copy(struct gnttab_copy *ops, unsigned count)
{
    expect(count <= NET_BATCH_COPIES, "no more copies than a batch has");
    for (unsigned i = 0; i < count; i++) {
        bool in = ops[i].flags & GNTCOPY_source_gref;
        struct gnttab_copy_ptr *theirs = in ? &ops[i].source : &ops[i].dest;
        struct gnttab_copy_ptr *ours = in ? &ops[i].dest : &ops[i].source;
        uint8_t *own = (uint8_t *)(ours->u.gmfn * PAGE + ours->offset);

        expect(theirs->domid == DOMID && ours->domid == DOMID_SELF, "between it and us");
        expect(theirs->offset + ops[i].len <= PAGE && ours->offset + ops[i].len <= PAGE, "within a page");
        if (theirs->u.ref >= GRANTS || (refused >> theirs->u.ref & 1)) {
            ops[i].status = GNTST_bad_gntref;
            continue;
        }
        memcpy(in ? own : pages[theirs->u.ref] + theirs->offset,
               in ? pages[theirs->u.ref] + theirs->offset : own, ops[i].len);
        ops[i].status = GNTST_okay;
    }
}

/* ---- frames ---- */

static struct net_frame_buffer *last; /* a frame that came, to be given back to the frontend */

static void drop_segment(void *argument, struct net_frame_buffer *segment)
{
    expect(segment->length >= FRAME_ETHERNET && segment->length <= FRAME_MAX, "a segment is a frame");
    expect(segment->gso == FRAME_GSO_NONE, "a segment is not to be cut again");
    *(unsigned *)argument += 1;
    frame_finish_checksum(segment);
    frame_release(segment);
}

/* What the bridge and its ports do with a frame. */
static void take(void *argument, struct net_frame_buffer *frame)
{
    unsigned segments = 0;

    expect(frame->length >= FRAME_ETHERNET && frame->length <= FRAME_MAX && frame->references == 1,
           "a whole frame");
    ++*(unsigned *)argument;
    if (frame->gso != FRAME_GSO_NONE) {
        expect(frame->gso_size != 0, "segments have a size");
        expect(frame_segment(frame, drop_segment, &segments) != 0 || segments != 0, "it is cut, or refused");
    } else if (frame->checksum_blank && net_ring_wish(&ring, frame) == NET_RING_CHECKSUM) {
        expect(frame_finish_checksum(frame) == !frame->checksum_blank, "finished, or refused");
    }
    if (last) {
        frame_release(last);
    }
    last = frame;
}

/* ---- steps ---- */

static RING_IDX sent, put_out;

static void turn(struct input *input)
{
    uint8_t limits = next(input);
    int64_t credit = limits & 0x80 ? INT64_MAX : (limits & 0x7f) * 64, before = credit;
    RING_IDX answered = ring.tx.rsp_prod_pvt;
    unsigned taken = 0;
    bool broken, notify = false;

    broken = ring.broken != NULL;
    net_ring_take(&ring, 1 + limits % TURN, &credit, take, &taken, &notify);
    expect(taken <= 1u + limits % TURN && credit <= before, "no more than was asked for");
    expect(ring.tx.rsp_prod_pvt - answered <= NET_RING_SIZE, "no more answers than the ring has");
    expect(!broken || (taken == 0 && ring.tx.rsp_prod_pvt == answered), "a broken ring is left alone");
}

static void give(struct input *input)
{
    uint8_t kind = next(input);
    bool broken = ring.broken != NULL, notify = false;

    if (kind & 1) {
        net_ring_flush(&ring, &batch, &notify);
    } else if (last) {
        if (kind & 2 && net_ring_wish(&ring, last) == NET_RING_CHECKSUM) {
            frame_finish_checksum(last);
        }
        expect(net_ring_give(&ring, &batch, last, &notify) != NET_RING_GIVEN || !broken,
               "not to a broken ring");
    }
}

/* A slot as it comes, or one that makes sense. */
static void put_request(struct input *input, bool any)
{
    uint8_t *slot = (uint8_t *)&tx->ring[sent++ % NET_RING_SIZE];

    if (any) {
        for (unsigned i = 0; i < sizeof(tx->ring[0]); i++) {
            slot[i] = next(input);
        }
    } else {
        uint8_t kind = next(input);
        netif_tx_request_t request = {.gref = kind & 7, .flags = kind >> 3 & 15, .id = (uint16_t)sent};

        request.offset = (uint16_t)(next(input) * 16);
        request.size = (uint16_t)(next(input) | next(input) << 8);
        memcpy(slot, &request, sizeof(request));
    }
}

static void put_extra(struct input *input)
{
    uint8_t kind = next(input);
    struct netif_extra_info info = {.type = kind & 7, .flags = kind >> 7};

    info.u.gso.type = kind >> 3 & 3;
    info.u.gso.size = (uint16_t)(next(input) * 8);
    memcpy(&tx->ring[sent++ % NET_RING_SIZE], &info, sizeof(info));
}

static void step(struct input *input)
{
    uint8_t kind = next(input);

    switch (kind % 12) {
    case 0:
    case 1:
        put_request(input, kind % 12 == 0);
        break;
    case 2:
        put_extra(input);
        break;
    case 3:
        tx->req_prod = sent;
        turn(input);
        break;
    case 4:
        tx->req_prod += (RING_IDX)(int8_t)next(input) * next(input);
        turn(input);
        break;
    case 5:
        for (unsigned n = next(input) % 40; n > 0; n--, put_out++) {
            rx->ring[put_out % NET_RING_SIZE].req =
                (netif_rx_request_t){.id = (uint16_t)put_out, .gref = n % (GRANTS + 1)};
        }
        rx->req_prod = put_out;
        break;
    case 6:
        rx->req_prod += (RING_IDX)(int8_t)next(input);
        net_ring_check(&ring);
        break;
    case 7:
        give(input);
        break;
    case 8:
        refused ^= 1u << next(input) % GRANTS;
        break;
    case 9: { /* what frames are made of: headers */
        uint8_t *at = pages[kind / 12 % GRANTS] + next(input) * 16;

        for (unsigned n = next(input) % 96; n > 0 && at < pages[kind / 12 % GRANTS] + PAGE; n--) {
            *at++ = next(input);
        }
        break;
    }
    case 10: /* its answers, which are ours, and when it wants to hear of them */
        (kind & 64 ? tx_page : rx_page)[next(input) % 64] = next(input);
        break;
    default:
        kind = next(input);
        ring.scatter = kind & 1;
        ring.gso_v4 = kind & 2;
        ring.gso_v6 = kind & 4;
        ring.checks_v4 = kind & 8;
        ring.checks_v6 = kind & 16;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    bool notify = false;

    memset(tx_page, 0, PAGE);
    memset(rx_page, 0, PAGE);
    memset(pages, 0, sizeof(pages));
    memset(&batch, 0, sizeof(batch));
    refused = 0;
    sent = put_out = 0;
    net_ring_init(&ring, DOMID, tx_page, rx_page);
    while (left(&input)) {
        step(&input);
    }
    /* What is gathered is let go. */
    net_ring_flush(&ring, &batch, &notify);
    if (last) {
        frame_release(last);
    }
    last = NULL;
    frame_trim();
    expect(mapped == 0, "no frame is lost");
    return 0;
}
