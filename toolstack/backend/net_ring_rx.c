/* SPDX-License-Identifier: MIT */
/* Frames to a frontend; see net_ring.h. */
#include <string.h>
#include "coracle/grant.h"
#include "coracle/mem.h"
#include "toolstack/backend/net_ring_internal.h"

enum net_ring_wish net_ring_wish(const struct net_ring *ring, const struct net_frame_buffer *frame)
{
    bool ipv6 = frame->length > FRAME_ETHERNET && frame->data[12] == 0x86 && frame->data[13] == 0xdd;
    bool checks = ipv6 ? ring->checks_v6 : ring->checks_v4;
    bool segments = frame->gso == FRAME_GSO_TCPV6 ? ring->gso_v6 : ring->gso_v4;

    if (frame->gso != FRAME_GSO_NONE && !(segments && ring->scatter && checks)) {
        return NET_RING_SEGMENT;
    }
    return frame->checksum_blank && !checks ? NET_RING_CHECKSUM : NET_RING_AS_IS;
}

/* Buffers that the frontend has put out. False: the index makes no sense. */
static bool buffers_ready(struct net_ring *ring, const struct net_ring_batch *batch, unsigned *ready)
{
    RING_IDX produced = __atomic_load_n(&ring->rx.sring->req_prod, __ATOMIC_ACQUIRE);

    *ready = produced - ring->rx.req_cons;
    if (produced - ring->rx.rsp_prod_pvt > NET_RING_SIZE || *ready > NET_RING_SIZE - batch->nr_responses) {
        ring->broken = "a buffer index beyond its ring";
        return false;
    }
    return true;
}

bool net_ring_check(struct net_ring *ring)
{
    static const struct net_ring_batch empty;
    unsigned ready;

    return !ring->broken && buffers_ready(ring, &empty, &ready);
}

/* Enough buffers; if not, an event will tell of more. False: not now, or the ring is broken. */
static bool have_buffers(struct net_ring *ring, const struct net_ring_batch *batch, unsigned needed)
{
    unsigned ready;

    if (!buffers_ready(ring, batch, &ready)) {
        return false;
    }
    if (ready < needed) {
        __atomic_store_n(&ring->rx.sring->req_event, ring->rx.req_cons + needed, __ATOMIC_RELAXED);
        xen_mb();
        if (!buffers_ready(ring, batch, &ready)) {
            return false;
        }
    }
    return ready >= needed;
}

/* The next buffer; it is read once. */
static netif_rx_request_t next_buffer(struct net_ring *ring)
{
    const volatile uint32_t *shared =
        (const volatile uint32_t *)RING_GET_REQUEST(&ring->rx, ring->rx.req_cons);
    uint32_t words[2] = {shared[0], shared[1]};
    netif_rx_request_t request;

    _Static_assert(sizeof(request) == sizeof(words), "an rx request is two words");
    memcpy(&request, words, sizeof(request));
    ring->rx.req_cons++;
    return request;
}

static void add_extra(struct net_ring *ring, struct net_ring_batch *batch,
                      const struct net_frame_buffer *frame)
{
    struct netif_extra_info info = {.type = XEN_NETIF_EXTRA_TYPE_GSO};

    (void)next_buffer(ring); /* its place in the ring is what the extra info takes */
    info.u.gso.size = frame->gso_size;
    info.u.gso.type = frame->gso == FRAME_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
    batch->copy_of[batch->nr_responses] = -1;
    memcpy(&batch->responses[batch->nr_responses++], &info, sizeof(info));
}

static void add_piece(struct net_ring *ring, struct net_ring_batch *batch,
                      const struct net_frame_buffer *frame, uint32_t at)
{
    unsigned size = frame->length - at < COR_PAGE_SIZE ? frame->length - at : (unsigned)COR_PAGE_SIZE;
    netif_rx_request_t buffer = next_buffer(ring);
    netif_rx_response_t response = {.id = buffer.id, .status = (int16_t)size};

    if (at == 0) {
        response.flags = (uint16_t)((frame->checksum_blank ? NETRXF_csum_blank | NETRXF_data_validated : 0) |
                                    (frame->validated ? NETRXF_data_validated : 0) |
                                    (frame->gso != FRAME_GSO_NONE ? NETRXF_extra_info : 0));
    }
    if (at + size < frame->length) {
        response.flags |= NETRXF_more_data;
    }
    net_ring_copy(&batch->copies[batch->nr_copies], ring->domid, buffer.gref, 0, frame->data + at, size,
                  false);
    batch->copy_of[batch->nr_responses] = (int8_t)batch->nr_copies++;
    batch->responses[batch->nr_responses++] = response;
}

enum net_ring_room net_ring_give(struct net_ring *ring, struct net_ring_batch *batch,
                                 struct net_frame_buffer *frame, bool *notify)
{
    unsigned pieces = (unsigned)((frame->length + COR_PAGE_SIZE - 1) / COR_PAGE_SIZE);
    unsigned entries = pieces + (frame->gso != FRAME_GSO_NONE);

    if (ring->broken) {
        return NET_RING_BROKEN;
    }
    if ((pieces > 1 && !ring->scatter) || net_ring_wish(ring, frame) != NET_RING_AS_IS) {
        return NET_RING_NEVER;
    }
    if (batch->nr_responses + entries > NET_BATCH_COPIES) {
        net_ring_flush(ring, batch, notify);
    }
    if (!have_buffers(ring, batch, entries)) {
        return ring->broken ? NET_RING_BROKEN : NET_RING_FULL;
    }
    for (uint32_t at = 0; at < frame->length; at += COR_PAGE_SIZE) {
        add_piece(ring, batch, frame, at);
        if (at == 0 && frame->gso != FRAME_GSO_NONE) {
            add_extra(ring, batch, frame);
        }
    }
    frame_hold(frame);
    batch->frames[batch->nr_frames++] = frame;
    ring->counters.rx_frames++;
    ring->counters.rx_bytes += frame->length;
    return NET_RING_GIVEN;
}

void net_ring_flush(struct net_ring *ring, struct net_ring_batch *batch, bool *notify)
{
    bool wanted;

    if (!batch->nr_responses) {
        return;
    }
    cor_grant_copy(batch->copies, batch->nr_copies);
    for (unsigned i = 0; i < batch->nr_responses; i++) {
        netif_rx_response_t response = batch->responses[i];

        if (batch->copy_of[i] >= 0 && batch->copies[batch->copy_of[i]].status != GNTST_okay) {
            response.status = NETIF_RSP_ERROR;
            ring->counters.rx_errors++;
        }
        *RING_GET_RESPONSE(&ring->rx, ring->rx.rsp_prod_pvt) = response;
        ring->rx.rsp_prod_pvt++;
    }
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->rx, wanted);
    *notify |= wanted;
    for (unsigned i = 0; i < batch->nr_frames; i++) {
        frame_release(batch->frames[i]);
    }
    batch->nr_copies = batch->nr_responses = batch->nr_frames = 0;
}
