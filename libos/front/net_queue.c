/* SPDX-License-Identifier: MIT */
#include "libos/front/net_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/event.h"
#include "coracle/grant.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"

/*
 * The processor keeps the order of stores, so what the rings need is the compiler's order, and one full
 * barrier.
 */
#ifndef xen_mb
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

#define MASK(index)   ((index) & (NET_RING - 1))
#define ETHERNET_SIZE 14u

_Static_assert(__CONST_RING_SIZE(netif_tx, COR_PAGE_SIZE) == NET_RING, "a page of tx entries");
_Static_assert(__CONST_RING_SIZE(netif_rx, COR_PAGE_SIZE) == NET_RING, "a page of rx entries");

/* A page with a received frame, as lwIP has it. */
struct page_pbuf {
    struct pbuf_custom custom; /* first member */
    void *page;
};

#define BATCH 16u /* pages that are mapped at once */

/* Free pages, a list through their first words. */
static struct {
    void *first;
    unsigned count;
} pool;

static void page_put(void *page);

static void *page_get(void)
{
    uint8_t *pages = pool.first;

    if (!pages) {
        pages = cor_map(BATCH * COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
        for (unsigned i = 1; pages && i < BATCH; i++)
            page_put(pages + i * COR_PAGE_SIZE);
        return pages;
    }
    pool.first = *(void **)pages;
    pool.count--;
    return pages;
}

#define POOL_MOST (2 * NET_RING)

static void page_put(void *page)
{
    if (pool.count >= POOL_MOST) {
        cor_unmap(page, COR_PAGE_SIZE);
        return;
    }
    *(void **)page = pool.first;
    pool.first = page;
    pool.count++;
}

void net_pages_trim(void)
{
    while (pool.first) {
        void *page = pool.first;

        pool.first = *(void **)page;
        cor_unmap(page, COR_PAGE_SIZE);
    }
    pool.count = 0;
}

static void page_pbuf_free(struct pbuf *p)
{
    struct page_pbuf *own = (struct page_pbuf *)p;

    page_put(own->page);
    free(own);
}

/* Puts a page, granted, into an empty slot. */
static bool slot_put(struct net_queue *queue, struct net_slot *slot, void *page, bool readonly)
{
    int64_t gref = cor_grant_access(queue->backend, page, readonly);

    if (gref < 0) {
        page_put(page);
        return false;
    }
    *slot = (struct net_slot){.page = page, .gref = (uint32_t)gref};
    return true;
}

static bool slot_fill(struct net_queue *queue, struct net_slot *slot, bool readonly)
{
    void *page = page_get();

    return page && slot_put(queue, slot, page, readonly);
}

/* Takes a slot's page back from the backend; NULL while it has the page mapped. */
static void *slot_empty(struct net_slot *slot)
{
    void *page = slot->page;

    if (!page || cor_grant_revoke(slot->gref))
        return NULL;
    slot->page = NULL;
    return page;
}

static void break_queue(struct net_queue *queue, const char *what, unsigned value)
{
    queue->broken = true;
    cor_log("network: the backend (domain %u) sent %s %u; the interface is stopped", queue->backend, what,
            value);
}

int net_queue_make(struct net_queue *queue, uint16_t backend)
{
    struct net_slot tx = {0}, rx = {0};

    memset(queue, 0, sizeof(*queue));
    queue->backend = backend;
    if (!slot_fill(queue, &tx, false) || !slot_fill(queue, &rx, false)) {
        void *page = slot_empty(&tx);

        if (page)
            page_put(page);
        return -ENOMEM;
    }
    memset(tx.page, 0, COR_PAGE_SIZE);
    memset(rx.page, 0, COR_PAGE_SIZE);
    SHARED_RING_INIT((netif_tx_sring_t *)tx.page);
    SHARED_RING_INIT((netif_rx_sring_t *)rx.page);
    FRONT_RING_INIT(&queue->tx, (netif_tx_sring_t *)tx.page, COR_PAGE_SIZE);
    FRONT_RING_INIT(&queue->rx, (netif_rx_sring_t *)rx.page, COR_PAGE_SIZE);
    queue->tx_gref = tx.gref;
    queue->rx_gref = rx.gref;
    for (unsigned i = 0; i < NET_RING; i++)
        queue->tx_free[i] = queue->rx_free[i] = (uint8_t)i;
    queue->tx_free_count = queue->rx_free_count = NET_RING;
    queue->rx_target = NET_RX_FIRST;
    return 0;
}

/* Puts pages out until rx_target of them wait, or memory is short. */
static void refill(struct net_queue *queue)
{
    bool notify;

    while (queue->rx.req_prod_pvt - queue->rx.rsp_cons < queue->rx_target) {
        uint8_t i = queue->rx_free[queue->rx_free_count - 1];

        if (!queue->rx_slots[i].page && !slot_fill(queue, &queue->rx_slots[i], false))
            break;
        queue->rx_free_count--;
        queue->rx_at[MASK(queue->rx.req_prod_pvt)] = i;
        *RING_GET_REQUEST(&queue->rx, queue->rx.req_prod_pvt) =
            (netif_rx_request_t){.id = i, .gref = queue->rx_slots[i].gref};
        queue->rx.req_prod_pvt++;
    }
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&queue->rx, notify);
    if (notify)
        cor_event_send(queue->port);
}

int net_queue_open(struct net_queue *queue)
{
    refill(queue);
    return queue->rx.req_prod_pvt ? 0 : -ENOMEM;
}

unsigned net_queue_free(struct net_queue *queue)
{
    struct net_slot rings[2] = {{queue->tx.sring, queue->tx_gref}, {queue->rx.sring, queue->rx_gref}};
    unsigned lost = 0;

    for (unsigned i = 0; i < 2 * NET_RING + 2; i++) {
        struct net_slot *slot = i < NET_RING       ? &queue->tx_slots[i]
                                : i < 2 * NET_RING ? &queue->rx_slots[i - NET_RING]
                                                   : &rings[i - 2 * NET_RING];
        void *page;

        if (!slot->page)
            continue;
        page = slot_empty(slot);
        if (page)
            page_put(page);
        else
            lost++;
    }
    return lost;
}

/* Transmission ------------------------------------------------------------------------------------------ */

/* Adds up 16-bit words as they lie in memory; the ones' complement sum does not mind the byte order. */
static uint32_t sum_words(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < size; i += 2) {
        uint16_t word;

        memcpy(&word, bytes + i, sizeof(word));
        sum += word;
    }
    return sum;
}

/*
 * A TCP segment whose checksum lwIP has left to us holds 0 there; the ABI wants the pseudo header's sum,
 * which the backend completes. frame: the whole headers, in one piece. Returns the flags of the request.
 */
static uint16_t prepare_checksum(const struct net_queue *queue, uint8_t *frame, size_t size)
{
    uint8_t *ip = frame + ETHERNET_SIZE, *tcp;
    uint32_t sum, length;
    uint16_t word;

    if (size < ETHERNET_SIZE + 40)
        return 0;
    if (frame[12] == 0x08 && frame[13] == 0x00 && ip[9] == 6 && queue->checks_v4) {
        size_t header = (ip[0] & 15u) * 4u;

        tcp = ip + header;
        length = (uint32_t)(ip[2] << 8 | ip[3]) - (uint32_t)header;
        sum = sum_words(ip + 12, 8);
    } else if (frame[12] == 0x86 && frame[13] == 0xdd && ip[6] == 6 && queue->checks_v6) {
        tcp = ip + 40;
        length = (uint32_t)(ip[4] << 8 | ip[5]);
        sum = sum_words(ip + 8, 32);
    } else {
        return 0;
    }
    if (tcp + 20 > frame + size || tcp[16] || tcp[17])
        return 0;              /* lwIP has completed it */
    sum += (uint16_t)(6 << 8); /* the protocol, and the length: two words in network order */
    sum += (uint16_t)((length & 0xff) << 8 | (length >> 8 & 0xff));
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    word = (uint16_t)sum;
    memcpy(tcp + 16, &word, sizeof(word));
    return NETTXF_csum_blank | NETTXF_data_validated;
}

bool net_queue_transmit(struct net_queue *queue, struct pbuf *frame)
{
    unsigned pieces = (frame->tot_len + COR_PAGE_SIZE - 1) / COR_PAGE_SIZE;
    uint16_t flags = 0;
    bool notify;

    if (queue->broken || (pieces > 1 && !queue->scatter) || pieces > XEN_NETIF_NR_SLOTS_MIN || !pieces)
        return true;
    if (queue->tx_free_count < pieces)
        net_queue_sent(queue);
    if (queue->tx_free_count < pieces) {
        queue->starved = true;
        return false;
    }
    for (unsigned i = 0; i < pieces; i++) { /* pages first: then nothing can fail */
        struct net_slot *slot = &queue->tx_slots[queue->tx_free[queue->tx_free_count - 1 - i]];

        if (!slot->page && !slot_fill(queue, slot, true)) {
            queue->starved = queue->tx_free_count < NET_RING; /* else no response will wake anybody */
            return false;
        }
    }
    for (unsigned i = 0, at = 0; i < pieces; i++) {
        uint8_t id = queue->tx_free[--queue->tx_free_count];
        struct net_slot *slot = &queue->tx_slots[id];
        unsigned size = frame->tot_len - at < COR_PAGE_SIZE ? frame->tot_len - at : (unsigned)COR_PAGE_SIZE;

        pbuf_copy_partial(frame, slot->page, (u16_t)size, (u16_t)at);
        at += size;
        if (i == 0)
            flags = prepare_checksum(queue, slot->page, size);
        queue->tx_busy[id] = true;
        *RING_GET_REQUEST(&queue->tx, queue->tx.req_prod_pvt) = (netif_tx_request_t){
            .gref = slot->gref,
            .flags = (uint16_t)((i ? 0 : flags) | (i + 1 < pieces ? NETTXF_more_data : 0)),
            .id = id,
            .size = (uint16_t)(i ? size : frame->tot_len), /* the first says the frame's */
        };
        queue->tx.req_prod_pvt++;
    }
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&queue->tx, notify);
    if (notify)
        cor_event_send(queue->port);
    return true;
}

/*
 * Responses that the other end has produced, no more than there are requests; -1: its counter makes no
 * sense.
 */
static int unread(RING_IDX produced, RING_IDX consumed, RING_IDX requested)
{
    return produced - consumed > requested - consumed ? -1 : (int)(produced - consumed);
}

bool net_queue_sent(struct net_queue *queue)
{
    netif_tx_sring_t *shared = queue->tx.sring;

    while (!queue->broken) {
        RING_IDX produced = __atomic_load_n(&shared->rsp_prod, __ATOMIC_ACQUIRE);
        int count = unread(produced, queue->tx.rsp_cons, queue->tx.req_prod_pvt);

        if (count < 0) {
            break_queue(queue, "a response counter", produced);
            break;
        }
        for (; count > 0; count--, queue->tx.rsp_cons++) {
            const volatile netif_tx_response_t *response = RING_GET_RESPONSE(&queue->tx, queue->tx.rsp_cons);
            uint16_t id = response->id;

            if (id >= NET_RING || !queue->tx_busy[id]) {
                break_queue(queue, "an answer to a request that was not made:", id);
                return false;
            }
            queue->tx_busy[id] = false;
            queue->tx_free[queue->tx_free_count++] = (uint8_t)id;
        }
        /*
         * Half of what is under way comes before the next event: few are needed, and none while there is
         * room.
         */
        __atomic_store_n(&shared->rsp_event, produced + ((queue->tx.req_prod_pvt - produced) >> 1) + 1,
                         __ATOMIC_RELAXED);
        xen_mb();
        if (__atomic_load_n(&shared->rsp_prod, __ATOMIC_ACQUIRE) == produced)
            break;
    }
    if (!queue->starved || queue->broken || queue->tx_free_count < XEN_NETIF_NR_SLOTS_MIN)
        return false;
    queue->starved = false;
    return true;
}

/* Reception --------------------------------------------------------------------------------------------- */

struct piece {
    unsigned slot, offset, size;
};

/* A frame as the ring has it. */
struct arrival {
    struct piece pieces[NET_SLOTS_MOST];
    unsigned count, size;
    bool bad, checked;
};

/* The slot that the response at the ring's next place answers: both kinds of entry stand in order. */
static netif_rx_response_t next_response(struct net_queue *queue, unsigned *slot)
{
    netif_rx_response_t response;

    *slot = queue->rx_at[MASK(queue->rx.rsp_cons)];
    memcpy(&response, RING_GET_RESPONSE(&queue->rx, queue->rx.rsp_cons), sizeof(response));
    __asm__ volatile("" : "+m"(response)); /* read once */
    queue->rx.rsp_cons++;
    return response;
}

/*
 * Takes one frame's entries off the ring, of `ready` that are there; how many, 0 when the frame is not
 * whole yet.
 */
static int take_entries(struct net_queue *queue, int ready, struct arrival *arrival)
{
    RING_IDX start = queue->rx.rsp_cons;
    bool more = true, extra = false;
    int taken = 0;

    *arrival = (struct arrival){0};
    while ((more || extra) && taken < ready) {
        unsigned slot;
        netif_rx_response_t response = next_response(queue, &slot);

        taken++;
        if (extra) { /* what it says (segment sizes) lwIP has no use for */
            struct netif_extra_info info;

            memcpy(&info, &response, sizeof(info));
            extra = info.flags & XEN_NETIF_EXTRA_FLAG_MORE;
            continue;
        }
        if (taken == 1) {
            arrival->checked = response.flags & (NETRXF_csum_blank | NETRXF_data_validated);
            extra = response.flags & NETRXF_extra_info;
        }
        more = response.flags & NETRXF_more_data;
        if (response.status <= 0 || response.offset + (unsigned)response.status > COR_PAGE_SIZE ||
            arrival->count == NET_SLOTS_MOST || arrival->size + (unsigned)response.status > NET_FRAME_MOST) {
            arrival->bad = true;
            continue;
        }
        arrival->pieces[arrival->count++] = (struct piece){slot, response.offset, (unsigned)response.status};
        arrival->size += (unsigned)response.status;
    }
    if (more || extra) {
        queue->rx.rsp_cons = start; /* the backend is still writing */
        return 0;
    }
    return taken;
}

static struct pbuf *copy_frame(const struct net_queue *queue, const struct arrival *arrival)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)arrival->size, PBUF_RAM);
    unsigned at = 0;

    for (unsigned i = 0; p && i < arrival->count; i++) {
        const struct piece *piece = &arrival->pieces[i];

        memcpy((uint8_t *)p->payload + at, (const uint8_t *)queue->rx_slots[piece->slot].page + piece->offset,
               piece->size);
        at += piece->size;
    }
    return p;
}

/*
 * Takes a slot's page with what the backend wrote there, and puts another in its place: a slot that had a
 * page always has one. NULL when that cannot be done now.
 */
static struct page_pbuf *swap_page(struct net_queue *queue, struct net_slot *slot)
{
    struct page_pbuf *own = malloc(sizeof(*own));
    void *other = own ? page_get() : NULL;

    if (!other || !(own->page = slot_empty(slot))) {
        if (other)
            page_put(other);
        free(own);
        return NULL;
    }
    own->custom.custom_free_function = page_pbuf_free;
    slot_put(queue, slot, other,
             false); /* an entry of the grant table has just become free; else refill tries again */
    return own;
}

/* A piece of a frame as lwIP has it: the page itself, or a copy. */
static struct pbuf *take_piece(struct net_queue *queue, const struct piece *piece)
{
    struct net_slot *slot = &queue->rx_slots[piece->slot];
    struct page_pbuf *own = piece->size > NET_COPY_MOST ? swap_page(queue, slot) : NULL;
    struct pbuf *p;

    if (own)
        return pbuf_alloced_custom(PBUF_RAW, (u16_t)piece->size, PBUF_REF, &own->custom,
                                   (uint8_t *)own->page + piece->offset, (u16_t)piece->size);
    p = pbuf_alloc(PBUF_RAW, (u16_t)piece->size, PBUF_RAM);
    if (p)
        memcpy(p->payload, (const uint8_t *)slot->page + piece->offset, piece->size);
    return p;
}

static struct pbuf *assemble(struct net_queue *queue, const struct arrival *arrival)
{
    struct pbuf *first = NULL;

    if (arrival->bad || arrival->size < ETHERNET_SIZE)
        return NULL;
    if (arrival->size <= NET_COPY_MOST)
        return copy_frame(queue, arrival);
    for (unsigned i = 0; i < arrival->count; i++) {
        struct pbuf *p = take_piece(queue, &arrival->pieces[i]);

        if (!p) {
            if (first)
                pbuf_free(first);
            return NULL;
        }
        if (first)
            pbuf_cat(first, p);
        else
            first = p;
    }
    return first;
}

bool net_queue_receive(struct net_queue *queue, unsigned most,
                       void (*receive)(void *context, struct pbuf *frame, bool checked), void *context)
{
    netif_rx_sring_t *shared = queue->rx.sring;
    RING_IDX produced = __atomic_load_n(&shared->rsp_prod, __ATOMIC_ACQUIRE);
    int ready = unread(produced, queue->rx.rsp_cons, queue->rx.req_prod_pvt), taken = 0;
    unsigned frames = 0;

    if (queue->broken)
        return false;
    if (ready < 0) {
        break_queue(queue, "a response counter", produced);
        return false;
    }
    for (; ready > 0 && frames < most; ready -= taken, frames++) {
        struct arrival arrival;
        struct pbuf *frame;

        taken = take_entries(queue, ready, &arrival);
        if (!taken)
            break;
        frame = assemble(queue, &arrival);
        for (RING_IDX at = queue->rx.rsp_cons - (RING_IDX)taken; at != queue->rx.rsp_cons; at++)
            queue->rx_free[queue->rx_free_count++] = queue->rx_at[MASK(at)];
        if (frame)
            receive(context, frame, arrival.checked);
    }
    /* Few pages were left when we came: next time there shall be more. */
    if (queue->rx.req_prod_pvt - produced < queue->rx_target / 4 && queue->rx_target < NET_RING)
        queue->rx_target *= 2;
    refill(queue);
    if (frames == most)
        return true;
    __atomic_store_n(&shared->rsp_event, produced + 1, __ATOMIC_RELAXED);
    xen_mb();
    return __atomic_load_n(&shared->rsp_prod, __ATOMIC_ACQUIRE) != produced;
}
