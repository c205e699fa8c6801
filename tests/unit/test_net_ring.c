/* SPDX-License-Identifier: MIT */
/*
 * netback's rings (toolstack/backend/net_ring.h) against a model of a frontend, which is good or malicious.
 * Grants are pages of the model; copies are carried out, and checked, as the hypervisor would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coracle/grant.h"
#include "tests/unit/include/ring_pages.h"
#include "toolstack/backend/net_ring.h"

#define PAGE   4096u
#define GRANTS 64u
#define DOMID  7u

static uint8_t pages[GRANTS][PAGE] __attribute__((aligned(4096)));
static bool granted[GRANTS];
static unsigned copies;
static uint8_t tx_page[PAGE] __attribute__((aligned(4096))), rx_page[PAGE] __attribute__((aligned(4096)));
static netif_tx_sring_t *const tx = (netif_tx_sring_t *)tx_page;
static netif_rx_sring_t *const rx = (netif_rx_sring_t *)rx_page;
static struct net_ring ring;
static struct net_ring_batch batch;

void cor_grant_copy(struct gnttab_copy *ops, unsigned count)
{
    assert_true(count <= NET_BATCH_COPIES);
    for (unsigned i = 0; i < count; i++, copies++) {
        bool in = ops[i].flags & GNTCOPY_source_gref;
        struct gnttab_copy_ptr *theirs = in ? &ops[i].source : &ops[i].dest;
        struct gnttab_copy_ptr *ours = in ? &ops[i].dest : &ops[i].source;
        uint8_t *own = (uint8_t *)(ours->u.gmfn * PAGE + ours->offset);

        assert_int_equal(theirs->domid, DOMID);
        assert_int_equal(ours->domid, DOMID_SELF);
        assert_true(theirs->offset + ops[i].len <= PAGE && ours->offset + ops[i].len <= PAGE);
        if (theirs->u.ref >= GRANTS || !granted[theirs->u.ref]) {
            ops[i].status = GNTST_bad_gntref;
            continue;
        }
        memcpy(in ? own : pages[theirs->u.ref] + theirs->offset,
               in ? pages[theirs->u.ref] + theirs->offset : own, ops[i].len);
        ops[i].status = GNTST_okay;
    }
}

/* ---- the frontend ---- */

static RING_IDX sent, put_out;

static int begin(void **state)
{
    (void)state;
    memset(tx_page, 0, PAGE);
    memset(rx_page, 0, PAGE);
    tx->rsp_event = rx->rsp_event = 1;
    for (unsigned i = 0; i < GRANTS; i++) {
        granted[i] = true;
        for (unsigned k = 0; k < PAGE; k++) {
            pages[i][k] = (uint8_t)(i * 31 + k * 7);
        }
    }
    net_ring_init(&ring, DOMID, tx_page, rx_page);
    ring.scatter = ring.checks_v4 = ring.checks_v6 = ring.gso_v4 = ring.gso_v6 = true;
    memset(&batch, 0, sizeof(batch));
    sent = put_out = copies = 0;
    return 0;
}

static void request(uint32_t gref, unsigned offset, unsigned size, unsigned flags)
{
    tx->ring[sent % NET_RING_SIZE].req = (netif_tx_request_t){.gref = gref,
                                                              .offset = (uint16_t)offset,
                                                              .size = (uint16_t)size,
                                                              .flags = (uint16_t)flags,
                                                              .id = (uint16_t)(1000 + sent)};
    sent++;
}

static void extra_gso(unsigned type, unsigned size, bool more)
{
    struct netif_extra_info info = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
                                    .flags = more ? XEN_NETIF_EXTRA_FLAG_MORE : 0};

    info.u.gso.type = (uint8_t)type;
    info.u.gso.size = (uint16_t)size;
    memcpy(&tx->ring[sent++ % NET_RING_SIZE], &info, sizeof(info));
}

static struct net_frame_buffer *frames[64];
static unsigned nr_frames;

static void take(void *argument, struct net_frame_buffer *frame)
{
    assert_ptr_equal(argument, frames);
    frames[nr_frames++] = frame;
}

/* Pushes; how many frames came. They are released by let_go. */
static unsigned push(bool *more)
{
    int64_t credit = INT64_MAX;
    bool notify = false;

    tx->req_prod = sent;
    nr_frames = 0;
    *more = net_ring_take(&ring, 64, &credit, take, frames, &notify);
    return nr_frames;
}

static void let_go(void)
{
    while (nr_frames) {
        frame_release(frames[--nr_frames]);
    }
}

static int finish(void **state)
{
    (void)state;
    let_go();
    frame_trim();
    assert_int_equal(mapped, 0); /* no frame is lost, whatever the frontend did */
    return 0;
}

static void check_answer(RING_IDX at, unsigned id, int status)
{
    assert_true((int)(tx->rsp_prod - at) > 0);
    assert_int_equal(tx->ring[at % NET_RING_SIZE].rsp.id, id);
    assert_int_equal(tx->ring[at % NET_RING_SIZE].rsp.status, status);
}

static void frames_come_whole(void **state)
{
    bool more;

    (void)state;
    request(3, 100, 60, NETTXF_data_validated);
    request(4, 0, 10000, NETTXF_more_data | NETTXF_csum_blank); /* 4096 + 4000 + 1904 */
    request(5, 96, 4000, NETTXF_more_data);
    request(6, 0, 1904, 0);
    assert_int_equal(push(&more), 2);
    assert_false(more);
    assert_int_equal(frames[0]->length, 60);
    assert_memory_equal(frames[0]->data, pages[3] + 100, 60);
    assert_true(frames[0]->validated && !frames[0]->checksum_blank);
    assert_int_equal(frames[1]->length, 10000);
    assert_memory_equal(frames[1]->data, pages[4], 4096);
    assert_memory_equal(frames[1]->data + 4096, pages[5] + 96, 4000);
    assert_memory_equal(frames[1]->data + 8096, pages[6], 1904);
    assert_true(frames[1]->checksum_blank);
    for (unsigned i = 0; i < 4; i++) {
        check_answer(i, 1000 + i, NETIF_RSP_OKAY);
    }
    assert_int_equal(tx->req_event, 5); /* the next one brings an event */
}

static void segmentation_is_an_extra_info(void **state)
{
    bool more;

    (void)state;
    request(1, 0, 5000, NETTXF_extra_info | NETTXF_more_data | NETTXF_csum_blank);
    extra_gso(XEN_NETIF_GSO_TYPE_TCPV6, 1400, false);
    request(2, 0, 904, 0);
    assert_int_equal(push(&more), 1);
    assert_int_equal(frames[0]->gso, FRAME_GSO_TCPV6);
    assert_int_equal(frames[0]->gso_size, 1400);
    assert_memory_equal(frames[0]->data + 4096, pages[2], 904);
    check_answer(0, 1000, NETIF_RSP_OKAY);
    assert_int_equal(tx->ring[1].rsp.status, NETIF_RSP_NULL);
    check_answer(2, 1002, NETIF_RSP_OKAY);
}

/* Around the ring many times, at its fullest; the credit and the number of frames are kept to. */
static void the_ring_goes_round(void **state)
{
    bool more = false, notify = false;
    int64_t credit = 100;

    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        unsigned got = 0;

        for (unsigned i = 0; i < NET_RING_SIZE; i++) {
            request(i % GRANTS, 0, 60, 0);
        }
        do {
            got += push(&more);
            assert_true(nr_frames <= 64);
            let_go();
        } while (more);
        assert_int_equal(got, NET_RING_SIZE);
        assert_int_equal(tx->rsp_prod, sent);
    }
    for (unsigned i = 0; i < 10; i++) {
        request(0, 0, 60, 0);
    }
    tx->req_prod = sent;
    assert_true(net_ring_take(&ring, 64, &credit, take, frames, &notify));
    assert_int_equal(nr_frames, 2); /* 100 bytes: one, and one that goes over */
    assert_int_equal(credit, -20);
}

static void bad_frames_are_answered_with_an_error(void **state)
{
    bool more;

    (void)state;
    request(GRANTS + 5, 0, 60, 0); /* no such grant */
    request(1, 0, 13, 0);          /* no Ethernet header */
    request(1, 0, 60, NETTXF_extra_info);
    extra_gso(XEN_NETIF_GSO_TYPE_TCPV4, 1400, false); /* without a blank checksum */
    request(2, 0, 60, 0);
    request(1, 0, 5000, NETTXF_more_data); /* a second piece that has vanished */
    granted[9] = false;
    request(9, 0, 904, 0);
    request(1, 0, 2048, NETTXF_extra_info | NETTXF_csum_blank);
    extra_gso(XEN_NETIF_GSO_TYPE_TCPV4, 2, false); /* a thousand packets of two bytes */
    request(1, 0, 2048, NETTXF_extra_info | NETTXF_csum_blank);
    extra_gso(XEN_NETIF_GSO_TYPE_TCPV4, 3, false);
    assert_int_equal(push(&more), 2);
    assert_null(ring.broken);
    check_answer(0, 1000, NETIF_RSP_ERROR);
    check_answer(1, 1001, NETIF_RSP_ERROR);
    check_answer(2, 1002, NETIF_RSP_ERROR);
    check_answer(4, 1004, NETIF_RSP_OKAY);
    check_answer(5, 1005, NETIF_RSP_ERROR);
    check_answer(6, 1006, NETIF_RSP_ERROR);
    check_answer(7, 1007, NETIF_RSP_ERROR);
    check_answer(9, 1009, NETIF_RSP_OKAY);
    assert_int_equal(ring.counters.tx_errors, 5);
}

/* Each breaks the ring, takes no frame, and copies nothing. */
static void broken(void)
{
    bool more;

    assert_int_equal(push(&more), 0);
    assert_false(more);
    assert_non_null(ring.broken);
    assert_int_equal(copies, 0);
    push(&more); /* it is not touched any more */
    assert_int_equal(nr_frames, 0);
    finish(NULL);
    begin(NULL);
}

static void what_breaks_a_ring(void **state)
{
    (void)state;
    sent = NET_RING_SIZE + 1;
    broken();
    sent = (RING_IDX)-1;
    broken();
    request(1, 0, 100, NETTXF_more_data); /* without an end */
    broken();
    request(1, 0, 100, NETTXF_extra_info);
    broken();
    for (unsigned i = 0; i < 30; i++) {
        request(1, 0, i ? 10 : 290, i < 29 ? NETTXF_more_data : 0);
    }
    broken();
    request(1, 0, 100, NETTXF_more_data); /* pieces that are longer than it */
    request(1, 0, 101, 0);
    broken();
    request(1, 4090, 60, 0);
    broken();
    request(1, 65535, 60, 0);
    broken();
    request(1, 0, 65535, 0); /* its first piece would be longer than a page */
    broken();
    request(1, 0, 60, NETTXF_extra_info | NETTXF_csum_blank);
    extra_gso(XEN_NETIF_GSO_TYPE_TCPV4, 0, false);
    broken();
    request(1, 0, 60, NETTXF_extra_info | NETTXF_csum_blank);
    extra_gso(3, 1400, false);
    broken();
    request(1, 0, 60, NETTXF_extra_info | NETTXF_csum_blank);
    for (unsigned i = 0; i < 6; i++) {
        extra_gso(XEN_NETIF_GSO_TYPE_TCPV4, 1400, i < 5);
    }
    broken();
}

/* ---- frames to the frontend ---- */

static void put(uint32_t gref)
{
    rx->ring[put_out % NET_RING_SIZE].req =
        (netif_rx_request_t){.id = (uint16_t)(2000 + put_out), .gref = gref};
    rx->req_prod = ++put_out;
}

static struct net_frame_buffer *a_frame(uint32_t length)
{
    struct net_frame_buffer *frame = frame_new(length);

    for (uint32_t i = 0; i < length; i++) {
        frame->data[i] = (uint8_t)(i * 13 + 5);
    }
    frame->data[12] = 0x08;
    return frame;
}

static void frames_are_given(void **state)
{
    struct net_frame_buffer *small = a_frame(60), *large = a_frame(5000);
    bool notify = false;

    (void)state;
    large->gso = FRAME_GSO_TCPV4;
    large->gso_size = 1400;
    large->checksum_blank = true;
    for (unsigned i = 0; i < 4; i++) {
        put(i);
    }
    assert_int_equal(net_ring_give(&ring, &batch, small, &notify), NET_RING_GIVEN);
    assert_int_equal(net_ring_give(&ring, &batch, large, &notify), NET_RING_GIVEN);
    assert_int_equal(net_ring_give(&ring, &batch, small, &notify), NET_RING_FULL);
    assert_int_equal(rx->req_event, 5);
    net_ring_flush(&ring, &batch, &notify);
    assert_true(notify);
    assert_int_equal(rx->rsp_prod, 4);
    assert_int_equal(rx->ring[0].rsp.id, 2000);
    assert_int_equal(rx->ring[0].rsp.status, 60);
    assert_memory_equal(pages[0], small->data, 60);
    assert_int_equal(rx->ring[1].rsp.status, 4096);
    assert_int_equal(rx->ring[1].rsp.flags,
                     NETRXF_csum_blank | NETRXF_data_validated | NETRXF_more_data | NETRXF_extra_info);
    assert_int_equal(((struct netif_extra_info *)&rx->ring[2])->type, XEN_NETIF_EXTRA_TYPE_GSO);
    assert_int_equal(((struct netif_extra_info *)&rx->ring[2])->u.gso.size, 1400);
    assert_int_equal(rx->ring[3].rsp.id, 2003);
    assert_int_equal(rx->ring[3].rsp.status, 904);
    assert_int_equal(rx->ring[3].rsp.flags, 0);
    assert_memory_equal(pages[3], large->data + 4096, 904);
    frame_release(small);
    frame_release(large);
}

static void what_a_frontend_cannot_take(void **state)
{
    struct net_frame_buffer *frame = a_frame(5000);
    bool notify = false;

    (void)state;
    put(0);
    put(1);
    put(2);
    ring.scatter = false;
    assert_int_equal(net_ring_give(&ring, &batch, frame, &notify), NET_RING_NEVER);
    ring.scatter = true;
    ring.checks_v4 = false;
    frame->checksum_blank = true;
    assert_int_equal(net_ring_wish(&ring, frame), NET_RING_CHECKSUM);
    assert_int_equal(net_ring_give(&ring, &batch, frame, &notify), NET_RING_NEVER);
    ring.checks_v4 = true;
    ring.gso_v4 = false;
    frame->gso = FRAME_GSO_TCPV4;
    assert_int_equal(net_ring_wish(&ring, frame), NET_RING_SEGMENT);
    frame->gso = FRAME_GSO_TCPV6;
    frame->data[12] = 0x86;
    frame->data[13] = 0xdd;
    assert_int_equal(net_ring_wish(&ring, frame), NET_RING_AS_IS);
    frame_release(frame);
}

static void vanished_buffers_are_errors(void **state)
{
    struct net_frame_buffer *frame = a_frame(5000);
    bool notify = false;

    (void)state;
    granted[1] = false;
    put(0);
    put(1);
    assert_int_equal(net_ring_give(&ring, &batch, frame, &notify), NET_RING_GIVEN);
    net_ring_flush(&ring, &batch, &notify);
    assert_int_equal(rx->ring[0].rsp.status, 4096);
    assert_int_equal(rx->ring[1].rsp.status, NETIF_RSP_ERROR);
    assert_null(ring.broken);
    frame_release(frame);
}

static void a_bad_index_of_buffers_breaks(void **state)
{
    static const RING_IDX bad[] = {NET_RING_SIZE + 1, (RING_IDX)-1, 1u << 31};
    struct net_frame_buffer *frame = a_frame(60);
    bool notify = false;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rx->req_prod = bad[i];
        assert_int_equal(net_ring_give(&ring, &batch, frame, &notify), NET_RING_BROKEN);
        assert_int_equal(net_ring_give(&ring, &batch, frame, &notify), NET_RING_BROKEN);
        begin(NULL);
        rx->req_prod = bad[i];
        assert_false(net_ring_check(&ring));
        assert_non_null(ring.broken);
        begin(NULL);
    }
    put(1);
    assert_true(net_ring_check(&ring));
    assert_int_equal(net_ring_give(&ring, &batch, frame, &notify), NET_RING_GIVEN);
    rx->req_prod = 0; /* it goes back while the batch is open */
    assert_int_equal(net_ring_give(&ring, &batch, frame, &notify), NET_RING_BROKEN);
    net_ring_flush(&ring, &batch, &notify);
    frame_release(frame);
}

/* Batches of more copies than fit at once, all around the ring. */
static void many_frames_are_given(void **state)
{
    struct net_frame_buffer *frame = a_frame(9000);
    bool notify = false;
    unsigned given = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        put(i % GRANTS);
        if (net_ring_give(&ring, &batch, frame, &notify) == NET_RING_GIVEN) {
            given++;
        }
        if (i % 100 == 99) {
            net_ring_flush(&ring, &batch, &notify);
            assert_int_equal(rx->rsp_prod, given * 3);
        }
    }
    net_ring_flush(&ring, &batch, &notify);
    assert_int_equal(given, 333);
    assert_int_equal(frame->references, 1);
    frame_release(frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_come_whole, begin, finish),
        cmocka_unit_test_setup_teardown(segmentation_is_an_extra_info, begin, finish),
        cmocka_unit_test_setup_teardown(the_ring_goes_round, begin, finish),
        cmocka_unit_test_setup_teardown(bad_frames_are_answered_with_an_error, begin, finish),
        cmocka_unit_test_setup_teardown(what_breaks_a_ring, begin, finish),
        cmocka_unit_test_setup_teardown(frames_are_given, begin, finish),
        cmocka_unit_test_setup_teardown(what_a_frontend_cannot_take, begin, finish),
        cmocka_unit_test_setup_teardown(vanished_buffers_are_errors, begin, finish),
        cmocka_unit_test_setup_teardown(a_bad_index_of_buffers_breaks, begin, finish),
        cmocka_unit_test_setup_teardown(many_frames_are_given, begin, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
