/* SPDX-License-Identifier: MIT */
/*
 * What test_net_queue.c puts around netfront's rings: the guest's pages, grants and pbufs, all counted, and a
 * backend with its ends of the rings.
 */
#ifndef TESTS_UNIT_NET_QUEUE_MODEL_H
#define TESTS_UNIT_NET_QUEUE_MODEL_H

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

/* The guest's world ------------------------------------------------------------------------------------- */

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

/* The backend ------------------------------------------------------------------------------------------- */

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

#endif
