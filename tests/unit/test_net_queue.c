/* SPDX-License-Identifier: MIT */
/*
 * netfront's rings against a model of a backend, which is friendly, slow, or malicious. Grants, pages and
 * pbufs are counted: whatever a backend does, nothing is lost and no page is in two places.
 */
#include "tests/unit/net_queue_model.h"

#include <pthread.h>

/* Transmission ------------------------------------------------------------------------------------------ */

static void test_transmit(void **state)
{
    static const unsigned sizes[] = {14, 60, 1514, 4096, 4097, 9014, 65535};
    static uint8_t bytes[65535];
    netif_tx_request_t requests[20];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned n;

        fill(bytes, sizes[i], (unsigned)i);
        bytes[12] = 0x12; /* neither version of IP */
        assert_true(transmit(bytes, sizes[i], 700));
        n = take_frame(requests);
        assert_int_equal(n, (sizes[i] + PAGE - 1) / PAGE);
        assert_int_equal(got.size, sizes[i]);
        assert_memory_equal(got.bytes, bytes, sizes[i]);
        assert_int_equal(requests[0].flags & ~NETTXF_more_data, 0);
        while (n--)
            answer(requests[n].id, NETIF_RSP_OKAY);
        net_queue_sent(&queue);
    }
    assert_int_equal(queue.tx_free_count, NET_RING);
    queue.scatter = false;
    assert_true(transmit(bytes, 5000, 700)); /* dropped: the backend cannot take it */
    assert_int_equal(tx.sring->req_prod, tx.req_cons);
}

/* The checksum of a whole TCP segment behind a pseudo header, as RFC 9293 has it, byte by byte. */
static unsigned full_checksum(const uint8_t *addresses, unsigned address_size, const uint8_t *tcp,
                              unsigned size)
{
    unsigned long sum = 6 + size;

    for (unsigned i = 0; i < address_size; i++)
        sum += (unsigned long)addresses[i] << (i & 1 ? 0 : 8);
    for (unsigned i = 0; i < size; i++)
        sum += (unsigned long)tcp[i] << (i & 1 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (unsigned)(~sum & 0xffff);
}

/* Completes a checksum as a backend does: the field holds the pseudo header's sum. */
static void complete(uint8_t *tcp, unsigned size)
{
    unsigned long sum = 0;

    for (unsigned i = 0; i < size; i++)
        sum += (unsigned long)tcp[i] << (i & 1 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    tcp[16] = (uint8_t)(~sum >> 8);
    tcp[17] = (uint8_t)~sum;
}

static void test_checksum(void **state)
{
    uint8_t frame[1514], copy[1514];
    netif_tx_request_t requests[20];

    (void)state;
    for (unsigned payload = 0; payload < 200; payload++) {
        for (int six = 0; six < 2; six++) {
            unsigned ip = six ? 40 : 20, tcp_size = 20 + payload, size = 14 + ip + tcp_size, expected;
            uint8_t *tcp = frame + 14 + ip, *addresses = frame + (six ? 22 : 26);

            fill(frame, size, payload);
            frame[12] = six ? 0x86 : 8;
            frame[13] = six ? 0xdd : 0;
            frame[14] = six ? 0x60 : 0x45;
            frame[six ? 20 : 23] = 6;
            frame[six ? 18 : 16] = (uint8_t)((six ? tcp_size : ip + tcp_size) >> 8);
            frame[six ? 19 : 17] = (uint8_t)(six ? tcp_size : ip + tcp_size);
            tcp[16] = tcp[17] = 0;
            memcpy(copy, frame, size);
            expected = full_checksum(addresses, six ? 32 : 8, tcp, tcp_size);
            assert_true(transmit(frame, size, 54));
            take_frame(requests);
            assert_int_equal(requests[0].flags, NETTXF_csum_blank | NETTXF_data_validated);
            complete(got.bytes + 14 + ip, tcp_size);
            copy[14 + ip + 16] = (uint8_t)(expected >> 8);
            copy[14 + ip + 17] = (uint8_t)expected;
            assert_memory_equal(got.bytes, copy, size);
            answer(requests[0].id, NETIF_RSP_OKAY);
            net_queue_sent(&queue);
        }
    }
    /* A checksum that is there already stays, and so does that of a backend that completes none. */
    frame[12] = 8;
    frame[13] = 0;
    frame[14] = 0x45;
    frame[23] = 6;
    frame[TCP_AT + 16] = 1;
    assert_true(transmit(frame, 100, 100));
    take_frame(requests);
    assert_int_equal(requests[0].flags, 0);
    assert_memory_equal(got.bytes, frame, 100);
    frame[TCP_AT + 16] = frame[TCP_AT + 17] = 0;
    queue.checks_v4 = false;
    assert_true(transmit(frame, 100, 100));
    take_frame(requests);
    assert_int_equal(requests[0].flags, 0);
}

static void test_full_ring(void **state)
{
    uint8_t bytes[100] = {0};
    netif_tx_request_t requests[20];
    unsigned sent = 0, before;

    (void)state;
    while (transmit(bytes, sizeof(bytes), 100))
        sent++;
    assert_int_equal(sent, NET_RING);
    before = events;
    assert_false(transmit(bytes, sizeof(bytes), 100));
    assert_int_equal(events, before);
    assert_false(net_queue_sent(&queue));
    /* The event that it asks for comes when half has been answered, and then there is room. */
    for (unsigned i = 0; i < sent; i++) {
        take_frame(requests);
        answer(requests[0].id, NETIF_RSP_OKAY);
        if (tx.sring->rsp_event == tx.rsp_prod_pvt)
            break;
    }
    assert_int_equal(tx.sring->rsp_event, tx.rsp_prod_pvt);
    assert_true(net_queue_sent(&queue));
    assert_false(net_queue_sent(&queue));
    assert_true(transmit(bytes, sizeof(bytes), 100));
}

static void test_events(void **state)
{
    uint8_t bytes[100] = {0};
    unsigned before = events;

    (void)state;
    tx.sring->req_event = 1;
    assert_true(transmit(bytes, sizeof(bytes), 100));
    assert_int_equal(events, before + 1);
    assert_true(transmit(bytes, sizeof(bytes), 100)); /* the backend is at work and wants none */
    assert_true(transmit(bytes, sizeof(bytes), 100));
    assert_int_equal(events, before + 1);
    tx.sring->req_event = 5;
    assert_true(transmit(bytes, sizeof(bytes), 100));
    assert_int_equal(events, before + 1);
    assert_true(transmit(bytes, sizeof(bytes), 100));
    assert_int_equal(events, before + 2);
}

static void test_no_memory_at_the_start(void **state)
{
    struct net_queue other;

    (void)state;
    net_pages_trim();
    pages_left = 0;
    assert_int_equal(net_queue_make(&other, 7), -ENOMEM);
    pages_left = 100000;
    for (cor_gref gref = 8; gref < GRANTS; gref++) { /* no grant for the second ring */
        if (!grants[gref].page && gref != GRANTS - 1)
            grants[gref].page = (uint8_t *)grants;
    }
    assert_int_equal(net_queue_make(&other, 7), -ENOMEM);
    for (cor_gref gref = 8; gref < GRANTS; gref++) {
        if (grants[gref].page == (uint8_t *)grants)
            grants[gref].page = NULL;
    }
}

static void test_no_memory_to_transmit(void **state)
{
    uint8_t bytes[100] = {0};

    (void)state;
    net_pages_trim();
    pages_left = 0;
    assert_false(transmit(bytes, sizeof(bytes), 100));
    assert_int_equal(queue.tx_free_count, NET_RING);
    assert_int_equal(tx.sring->req_prod, 0);
    pages_left = 100000;
    assert_true(transmit(bytes, sizeof(bytes), 100));
}

/* Reception --------------------------------------------------------------------------------------------- */

static void expect_frame(const uint8_t *bytes, unsigned size, bool checked)
{
    unsigned before = arrived;

    announce();
    assert_false(net_queue_receive(&queue, 64, receive, &queue));
    assert_int_equal(arrived, before + 1);
    assert_int_equal(got.size, size);
    assert_memory_equal(got.bytes, bytes, size);
    assert_int_equal(got.checked, checked);
    assert_int_equal(rx.sring->rsp_event, rx.rsp_prod_pvt + 1);
}

static void test_receive(void **state)
{
    uint8_t bytes[4096];

    (void)state;
    assert_int_equal(waiting(), NET_RX_FIRST);
    for (unsigned i = 0; i < 1000; i++) {
        static const unsigned sizes[] = {14, 60, 256, 257, 1514, 4096};
        unsigned size = sizes[i % 6];
        uint16_t flags = i % 3 == 0   ? 0
                         : i % 3 == 1 ? NETRXF_data_validated
                                      : NETRXF_csum_blank | NETRXF_data_validated;

        fill(bytes, size, i);
        deliver(bytes, size, (uint16_t)(size == 4096 ? 0 : i % 64), flags);
        expect_frame(bytes, size, flags != 0);
        assert_int_equal(waiting(), NET_RX_FIRST);
    }
}

/* A segment of 64 KiB with its GSO descriptor, in pages. */
static void test_receive_large(void **state)
{
    static uint8_t bytes[65535];
    struct netif_extra_info info = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
                                    .u.gso = {.size = 1448, .type = XEN_NETIF_GSO_TYPE_TCPV4}};

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        unsigned size = 65535 - round * 1237, at = size < PAGE ? size : PAGE;

        fill(bytes, size, round);
        deliver(bytes, at, 0,
                (uint16_t)(NETRXF_data_validated | NETRXF_extra_info | (at < size ? NETRXF_more_data : 0)));
        rx.req_cons++; /* the descriptor takes a request's place */
        memcpy(RING_GET_RESPONSE(&rx, rx.rsp_prod_pvt++), &info, sizeof(info));
        while (at < size) {
            unsigned n = size - at < PAGE ? size - at : PAGE;

            deliver(bytes + at, n, 0, at + n < size ? NETRXF_more_data : 0);
            at += n;
        }
        expect_frame(bytes, size, true);
    }
}

static void test_receive_in_parts(void **state)
{
    uint8_t bytes[8192];

    (void)state;
    fill(bytes, sizeof(bytes), 1);
    deliver(bytes, 4096, 0, NETRXF_more_data);
    announce();
    assert_false(net_queue_receive(&queue, 64, receive, &queue));
    assert_int_equal(arrived, 0);
    assert_int_equal(rx.sring->rsp_event, rx.rsp_prod_pvt + 1); /* and it asks to hear of the rest */
    deliver(bytes + 4096, 4096, 0, 0);
    expect_frame(bytes, sizeof(bytes), false);
}

/* A page that the backend keeps mapped, or that cannot be replaced, is copied. */
static void test_receive_copies(void **state)
{
    uint8_t bytes[1514];

    (void)state;
    fill(bytes, sizeof(bytes), 2);
    for (cor_gref gref = 8; gref < GRANTS; gref++)
        grants[gref].mapped = grants[gref].page != NULL;
    deliver(bytes, sizeof(bytes), 0, 0);
    expect_frame(bytes, sizeof(bytes), false);
    for (cor_gref gref = 8; gref < GRANTS; gref++)
        grants[gref].mapped = false;
    net_pages_trim();
    pages_left = 0;
    for (unsigned i = 0; i < 300; i++) {
        deliver(bytes, sizeof(bytes), 0, 0);
        expect_frame(bytes, sizeof(bytes), false);
        assert_int_equal(waiting(), NET_RX_FIRST);
    }
    pages_left = 100000;
}

/* However long it runs, no more pages are out than are wanted. */
static void test_pages_stay_few(void **state)
{
    uint8_t bytes[1514] = {0};
    long before = pages;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        deliver(bytes, sizeof(bytes), 0, 0);
        expect_frame(bytes, sizeof(bytes), false);
    }
    assert_true(pages <= before + 16);
}

static void test_more_pages_under_load(void **state)
{
    uint8_t bytes[1514] = {0};
    unsigned most = 0;

    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        while (waiting())
            deliver(bytes, sizeof(bytes), 0, 0);
        announce();
        while (net_queue_receive(&queue, 16, receive, &queue))
            ;
        most = waiting() > most ? waiting() : most;
    }
    assert_int_equal(most, NET_RING);
    assert_int_equal(arrived, 64 + 128 + 256 * 4);
}

/* Malice ------------------------------------------------------------------------------------------------ */

static void test_bad_frames(void **state)
{
    static const struct {
        int16_t status;
        uint16_t offset;
    } bad[] = {{0, 0},    {-1, 0},        {INT16_MIN, 0},    {4096, 1},
               {1, 4096}, {INT16_MAX, 0}, {100, UINT16_MAX}, {13, 0}};
    uint8_t bytes[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        deliver(bytes, 0, 0, 0);
        RING_GET_RESPONSE(&rx, rx.rsp_prod_pvt - 1)->status = bad[i].status;
        RING_GET_RESPONSE(&rx, rx.rsp_prod_pvt - 1)->offset = bad[i].offset;
        announce();
        assert_false(net_queue_receive(&queue, 64, receive, &queue));
        assert_int_equal(arrived, i);
        fill(bytes, sizeof(bytes), 3);
        deliver(bytes, sizeof(bytes), 8, 0);
        expect_frame(bytes, sizeof(bytes), false); /* the next one is as good as ever */
        assert_int_equal(waiting(), NET_RX_FIRST);
    }
    assert_int_equal(logs, 0);
}

/* A frame of more than 65,535 bytes, and one that never ends. */
static void test_endless_frames(void **state)
{
    static uint8_t bytes[4096];

    (void)state;
    for (unsigned i = 0; i < 18; i++)
        deliver(bytes, 4096, 0, i < 17 ? NETRXF_more_data : 0);
    announce();
    assert_false(net_queue_receive(&queue, 64, receive, &queue));
    assert_int_equal(arrived, 0);
    for (unsigned i = 0; i < 30; i++)
        deliver(bytes, 100, 0, i < 29 ? NETRXF_more_data : 0);
    announce();
    assert_false(net_queue_receive(&queue, 64, receive, &queue));
    assert_int_equal(arrived, 0);
    deliver(bytes, 100, 0, 0);
    expect_frame(bytes, 100, false);
    for (unsigned i = 0; i < 64; i++)
        deliver(bytes, 100, 0, NETRXF_more_data);
    announce();
    assert_false(net_queue_receive(&queue, 64, receive, &queue));
    assert_int_equal(arrived, 1);
}

static void test_bad_counters(void **state)
{
    static const uint32_t jumps[] = {65, 300, 0x80000000u, UINT32_MAX};

    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        rx.sring->rsp_prod = jumps[i];
        assert_false(net_queue_receive(&queue, 64, receive, &queue));
        assert_true(queue.broken);
        assert_int_equal(arrived, 0);
        teardown(state);
        setup(state);
        tx.sring->rsp_prod = jumps[i];
        assert_false(net_queue_sent(&queue));
        assert_true(queue.broken);
        assert_int_equal(logs, 1);
        teardown(state);
        setup(state);
    }
}

static void test_bad_answers(void **state)
{
    static const uint16_t ids[] = {3, 255, 256, UINT16_MAX};
    uint8_t bytes[100] = {0};
    netif_tx_request_t requests[20];

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        queue.tx_free_count = 200; /* so that 200 to 255 are not in use, whichever come first */
        assert_true(transmit(bytes, sizeof(bytes), 100));
        take_frame(requests);
        answer(ids[i], NETIF_RSP_OKAY);
        assert_false(net_queue_sent(&queue));
        assert_true(queue.broken);
        assert_true(transmit(bytes, sizeof(bytes), 100)); /* dropped */
        assert_int_equal(tx.sring->req_prod, 1);
        teardown(state);
        setup(state);
    }
    /* The same answer twice. */
    assert_true(transmit(bytes, sizeof(bytes), 100) && transmit(bytes, sizeof(bytes), 100));
    take_frame(requests);
    answer(requests[0].id, NETIF_RSP_OKAY);
    answer(requests[0].id, NETIF_RSP_OKAY);
    assert_false(net_queue_sent(&queue));
    assert_true(queue.broken);
}

static void test_kept_pages(void **state)
{
    unsigned kept = 0;

    (void)state;
    for (cor_gref gref = 8; gref < GRANTS; gref += 5) {
        grants[gref].mapped = grants[gref].page != NULL;
        kept += grants[gref].mapped;
    }
    assert_int_equal(net_queue_free(&queue), kept);
    net_pages_trim();
    assert_int_equal(pages, kept);
    setup(state);
}

/* A backend that does anything at all, ten thousand times. */
static void test_random(void **state)
{
    static uint8_t bytes[20000];
    uint32_t seed = 1;

    for (unsigned i = 0; i < 10000; i++) {
        uint32_t dice = (seed = seed * 1664525 + 1013904223) >> 8;

        switch (dice % 8) {
        case 0:
        case 1:
            transmit(bytes, 14 + dice % 19000, 1 + dice % 3000);
            break;
        case 2:
            while (tx.req_cons != tx.sring->req_prod && dice % 7) {
                answer(RING_GET_REQUEST(&tx, tx.req_cons)->id, NETIF_RSP_OKAY);
                tx.req_cons++;
                dice /= 2;
            }
            break;
        case 3:
        case 4:
            while (waiting() && dice % 11) {
                deliver(bytes, dice % 4000, (uint16_t)(dice % 100), (uint16_t)(dice % 64));
                dice /= 2;
            }
            announce();
            break;
        case 5:
            pages_left = dice % 5 ? 100000 : 0;
            break;
        case 6: /* an answer that nobody has thought of */
            if (waiting()) {
                deliver(bytes, 0, 0, 0);
                memcpy(RING_GET_RESPONSE(&rx, rx.rsp_prod_pvt - 1), &(uint64_t){(uint64_t)dice << 40 | seed},
                       8);
            }
            break;
        default:
            net_queue_sent(&queue);
            net_queue_receive(&queue, 1 + dice % 64, receive, &queue);
            break;
        }
        if (queue.broken) {
            teardown(state);
            setup(state);
        }
    }
}

/* Writes into both rings' pages, indices and all, while the guest looks at them. */
static void *scribble(void *argument)
{
    volatile uint32_t *const *rings = argument;
    uint32_t seed = 7;

    for (unsigned i = 0; i < 300000; i++) {
        volatile uint32_t *page = rings[seed >> 20 & 1];

        seed = seed * 1664525 + 1013904223;
        if (seed >> 28) {
            page[16 + (seed >> 8) % (PAGE / 4 - 16)] = seed >> 4 & 1 ? seed : seed >> 24;
        } else { /* rsp_prod: mostly one more, so that what is there is looked at */
            page[2] += seed >> 27 & 1 ? 1 : seed >> 8 & 0xffff;
        }
    }
    return NULL;
}

/* What a backend has answered changes meanwhile. ASan watches. */
static void test_changing(void **state)
{
    static uint8_t bytes[9000];

    for (unsigned round = 0; round < 10; round++) {
        volatile uint32_t *rings[2] = {(volatile uint32_t *)tx.sring, (volatile uint32_t *)rx.sring};
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, scribble, rings), 0);
        for (unsigned i = 0; i < 20 && !queue.broken; i++) {
            transmit(bytes, 14 + i * 80, 4000);
            net_queue_sent(&queue);
            net_queue_receive(&queue, 64, receive, &queue);
        }
        pthread_join(thread, NULL);
        teardown(state);
        setup(state);
    }
}

/* Events that come for nothing cost a look at each ring, and change nothing. */
static void test_storm(void **state)
{
    static uint8_t bytes[100];
    unsigned sent;

    (void)state;
    assert_true(transmit(bytes, sizeof(bytes), 100));
    sent = events;
    for (unsigned i = 0; i < 100000; i++) {
        assert_false(net_queue_sent(&queue));
        assert_false(net_queue_receive(&queue, 64, receive, &queue));
    }
    assert_int_equal(events, sent); /* none is answered with one */
    assert_true(arrived == 0 && logs == 0 && !queue.broken);
    fill(bytes, sizeof(bytes), 1);
    deliver(bytes, sizeof(bytes), 0, 0);
    announce();
    net_queue_receive(&queue, 64, receive, &queue);
    assert_int_equal(arrived, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_transmit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checksum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory_to_transmit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receive_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receive_in_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_receive_copies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_stay_few, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_pages_under_load, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_counters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, free_blocks);
}
