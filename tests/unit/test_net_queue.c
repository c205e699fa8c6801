/* SPDX-License-Identifier: MIT */
/*
 * netfront's rings against a model of a backend, which is friendly, slow, or malicious. Grants, pages and
 * pbufs are counted: whatever a backend does, nothing is lost and no page is in two places.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "coracle/event.h"
#include "coracle/grant.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "libos/front/net_queue.h"

#define PAGE   4096u
#define GRANTS 2048u
#define TCP_AT 34 /* of an IPv4 frame without options */

/* The guest's world --------------------------------------------------------------------------------------------- */

static long pages, pbufs; /* alive */
static long pages_left;   /* that cor_map still gives */
static unsigned events, logs;
static void *blocks[100000]; /* freed with the test: the host cannot take single pages of a block back */
static unsigned block_count;

static struct {
    uint8_t *page; /* NULL: not granted */
    bool readonly, mapped;
} grants[GRANTS];

void *cor_map(size_t length, unsigned prot)
{
    void *memory;

    (void)prot;
    if (pages_left < (long)(length / PAGE))
        return NULL;
    pages_left -= (long)(length / PAGE);
    pages += (long)(length / PAGE);
    memory = aligned_alloc(PAGE, length);
    blocks[block_count++] = memory;
    memset(memory, 0xee, length);
    return memory;
}

int cor_unmap(void *address, size_t length)
{
    (void)address;
    pages -= (long)(length / PAGE);
    pages_left += (long)(length / PAGE);
    return 0;
}

int64_t cor_grant_access(uint16_t domain, const void *address, bool readonly)
{
    assert_int_equal(domain, 7);
    for (cor_gref gref = 8; gref < GRANTS; gref++)
        assert_ptr_not_equal(grants[gref].page, address);
    for (cor_gref gref = 8; gref < GRANTS; gref++) {
        if (!grants[gref].page) {
            grants[gref].page = (uint8_t *)(uintptr_t)address;
            grants[gref].readonly = readonly;
            return gref;
        }
    }
    return -ENOMEM;
}

int cor_grant_revoke(cor_gref gref)
{
    assert_non_null(grants[gref].page);
    if (grants[gref].mapped)
        return -EBUSY;
    grants[gref].page = NULL;
    return 0;
}

int cor_event_send(uint32_t port)
{
    assert_int_equal(port, 42);
    events++;
    return 0;
}

void cor_log(const char *format, ...)
{
    (void)format;
    logs++;
}

struct pbuf *pbuf_alloc(pbuf_layer layer, u16_t length, pbuf_type type)
{
    struct pbuf *p = calloc(1, sizeof(*p) + length);

    assert_int_equal(layer, PBUF_RAW);
    assert_int_equal(type, PBUF_RAM);
    *p = (struct pbuf){.payload = p + 1, .tot_len = length, .len = length, .ref = 1};
    pbufs++;
    return p;
}

struct pbuf *pbuf_alloced_custom(pbuf_layer layer, u16_t length, pbuf_type type, struct pbuf_custom *p,
                                 void *memory, u16_t size)
{
    assert_true(layer == PBUF_RAW && type == PBUF_REF && length == size);
    p->pbuf = (struct pbuf){
        .payload = memory, .tot_len = length, .len = length, .ref = 1, .flags = PBUF_FLAG_IS_CUSTOM};
    pbufs++;
    return &p->pbuf;
}

void pbuf_cat(struct pbuf *head, struct pbuf *tail)
{
    for (; head->next; head = head->next)
        head->tot_len = (u16_t)(head->tot_len + tail->tot_len);
    head->tot_len = (u16_t)(head->tot_len + tail->tot_len);
    head->next = tail;
}

u8_t pbuf_free(struct pbuf *p)
{
    u8_t count = 0;

    while (p) {
        struct pbuf *next = p->next;

        assert_int_equal(p->ref, 1);
        pbufs--;
        count++;
        if (p->flags & PBUF_FLAG_IS_CUSTOM)
            ((struct pbuf_custom *)p)->custom_free_function(p);
        else
            free(p);
        p = next;
    }
    return count;
}

u16_t pbuf_copy_partial(const struct pbuf *p, void *to, u16_t length, u16_t offset)
{
    u16_t done = 0;

    for (; p && done < length; p = p->next) {
        u16_t n;

        if (offset >= p->len) {
            offset = (u16_t)(offset - p->len);
            continue;
        }
        n = (u16_t)(p->len - offset);
        n = n < length - done ? n : (u16_t)(length - done);
        memcpy((uint8_t *)to + done, (uint8_t *)p->payload + offset, n);
        done = (u16_t)(done + n);
        offset = 0;
    }
    return done;
}

/* The backend ---------------------------------------------------------------------------------------------------- */

static struct net_queue queue;
static netif_tx_back_ring_t tx;
static netif_rx_back_ring_t rx;

static struct frame {
    uint8_t bytes[70000];
    unsigned size;
    bool checked;
} got; /* the last frame that arrived, at either end */
static unsigned arrived;

static void receive(void *context, struct pbuf *frame, bool checked)
{
    assert_ptr_equal(context, &queue);
    got.size = frame->tot_len;
    got.checked = checked;
    assert_int_equal(pbuf_copy_partial(frame, got.bytes, frame->tot_len, 0), frame->tot_len);
    for (struct pbuf *p = frame; p; p = p->next) {
        for (cor_gref gref = 8; gref < GRANTS; gref++) /* the backend cannot change it any more */
            assert_true(!grants[gref].page || (uint8_t *)p->payload < grants[gref].page ||
                        (uint8_t *)p->payload >= grants[gref].page + PAGE);
    }
    arrived++;
    pbuf_free(frame);
}

static int free_blocks(void **state)
{
    (void)state;
    while (block_count)
        free(blocks[--block_count]);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    free_blocks(NULL);
    pages = pbufs = 0;
    events = logs = arrived = 0;
    pages_left = 100000;
    memset(grants, 0, sizeof(grants));
    assert_int_equal(net_queue_make(&queue, 7), 0);
    queue.port = 42;
    queue.scatter = queue.checks_v4 = queue.checks_v6 = true;
    assert_int_equal(net_queue_open(&queue), 0);
    BACK_RING_INIT(&tx, (netif_tx_sring_t *)grants[queue.tx_gref].page, PAGE);
    BACK_RING_INIT(&rx, (netif_rx_sring_t *)grants[queue.rx_gref].page, PAGE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (cor_gref gref = 8; gref < GRANTS; gref++)
        grants[gref].mapped = false;
    assert_int_equal(net_queue_free(&queue), 0);
    net_pages_trim();
    for (cor_gref gref = 8; gref < GRANTS; gref++)
        assert_null(grants[gref].page);
    assert_int_equal(pages, 0);
    assert_int_equal(pbufs, 0);
    return 0;
}

/* Takes a frame that the guest sends, without answering; its requests. */
static unsigned take_frame(netif_tx_request_t requests[20])
{
    unsigned n = 0;

    got.size = 0;
    do {
        netif_tx_request_t *request = &requests[n];
        unsigned size;

        assert_true(n < 20 && tx.req_cons != tx.sring->req_prod);
        *request = *RING_GET_REQUEST(&tx, tx.req_cons);
        tx.req_cons++;
        assert_true(request->gref < GRANTS && grants[request->gref].page && grants[request->gref].readonly);
        size = request->size;
        if (n == 0 && (request->flags & NETTXF_more_data))
            size = PAGE; /* ours fill their pages; the first says the whole */
        assert_true(request->offset + size <= PAGE);
        memcpy(got.bytes + got.size, grants[request->gref].page + request->offset, size);
        got.size += size;
    } while (requests[n++].flags & NETTXF_more_data);
    assert_int_equal(requests[0].size, got.size);
    return n;
}

static void answer(uint16_t id, int16_t status)
{
    *RING_GET_RESPONSE(&tx, tx.rsp_prod_pvt) = (netif_tx_response_t){.id = id, .status = status};
    tx.rsp_prod_pvt++;
    tx.sring->rsp_prod = tx.rsp_prod_pvt;
}

static void fill(uint8_t *bytes, unsigned size, unsigned seed)
{
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)((i * 131 + seed * 17) >> 3 ^ i);
}

/* Puts one response, with size bytes of a frame at offset, into the ring; it is not yet announced. */
static void deliver(const uint8_t *bytes, unsigned size, uint16_t offset, uint16_t flags)
{
    netif_rx_request_t request = *RING_GET_REQUEST(&rx, rx.req_cons);

    assert_true(rx.req_cons != rx.sring->req_prod);
    rx.req_cons++;
    assert_true(request.gref < GRANTS && grants[request.gref].page && !grants[request.gref].readonly);
    memcpy(grants[request.gref].page + offset, bytes, size);
    *RING_GET_RESPONSE(&rx, rx.rsp_prod_pvt) =
        (netif_rx_response_t){.id = request.id, .offset = offset, .flags = flags, .status = (int16_t)size};
    rx.rsp_prod_pvt++;
}

static void announce(void)
{
    rx.sring->rsp_prod = rx.rsp_prod_pvt;
}

static unsigned waiting(void)
{
    return rx.sring->req_prod - rx.req_cons;
}

/* A frame in pieces of so many bytes. */
static struct pbuf *make_frame(const uint8_t *bytes, unsigned size, unsigned piece)
{
    struct pbuf *first = NULL;

    for (unsigned at = 0; at < size; at += piece) {
        unsigned n = size - at < piece ? size - at : piece;
        struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM);

        memcpy(p->payload, bytes + at, n);
        if (first)
            pbuf_cat(first, p);
        else
            first = p;
    }
    return first;
}

static bool transmit(const uint8_t *bytes, unsigned size, unsigned piece)
{
    struct pbuf *frame = make_frame(bytes, size, piece);
    bool sent = net_queue_transmit(&queue, frame);

    pbuf_free(frame);
    return sent;
}

/* Transmission --------------------------------------------------------------------------------------------------- */

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

/* Reception ------------------------------------------------------------------------------------------------------- */

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

/* Malice ----------------------------------------------------------------------------------------------------------- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_transmit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checksum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events, setup, teardown),
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
    };

    return cmocka_run_group_tests(tests, NULL, free_blocks);
}
