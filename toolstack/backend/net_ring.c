/* SPDX-License-Identifier: MIT */
/* Frames from a frontend; those to it are net_ring_rx.c's. */
#include "toolstack/backend/net_ring.h"
#include <string.h>
#include "coracle/dma.h"
#include "coracle/grant.h"
#include "coracle/mem.h"
#include "toolstack/backend/net_ring_internal.h"

#define FRAMES_MOST 16u /* of a batch */
#define EXTRAS_MOST 4u  /* of a frame: one of each type */

_Static_assert(__CONST_RING_SIZE(netif_tx, COR_PAGE_SIZE) == NET_RING_SIZE, "a page of tx entries");
_Static_assert(__CONST_RING_SIZE(netif_rx, COR_PAGE_SIZE) == NET_RING_SIZE, "a page of rx entries");
_Static_assert(sizeof(struct netif_extra_info) == sizeof(netif_rx_response_t), "an extra info is an entry");

void net_ring_init(struct net_ring *ring, uint16_t domid, void *tx_page, void *rx_page)
{
    netif_tx_sring_t *tx = tx_page;
    netif_rx_sring_t *rx = rx_page;
    RING_IDX at;

    memset(ring, 0, sizeof(*ring));
    ring->domid = domid;
    /*
     * It may have been in use by a backend before us: we go on where that one left off, and what it has not
     * answered is asked again by a frontend that connects anew.
     */
    at = __atomic_load_n(&tx->rsp_prod, __ATOMIC_RELAXED); /* once: the macro names it twice */
    BACK_RING_ATTACH(&ring->tx, tx, at, COR_PAGE_SIZE);
    at = __atomic_load_n(&rx->rsp_prod, __ATOMIC_RELAXED);
    BACK_RING_ATTACH(&ring->rx, rx, at, COR_PAGE_SIZE);
}

/* ------------------------------------------------------------------ requests */

/* A frame as the ring has it. */
struct arrival {
    netif_tx_request_t data[NET_SLOTS_MOST];
    unsigned nr_data;
    uint16_t flags; /* of the first */
    uint32_t length;
    enum frame_gso gso;
    uint16_t gso_size;
    /* entries in all: those of data, and behind the first one those of extra infos */
    unsigned nr_extras;
};

/* Frames that are being taken: arrivals, their frames, and the copies that fill these. */
struct taking {
    struct {
        struct net_frame_buffer *frame; /* NULL: there is none, the answer is an error */
        unsigned first_copy, nr_copies;
        unsigned nr_data, nr_extras;
        uint16_t ids[NET_SLOTS_MOST];
        uint32_t length;
    } frames[FRAMES_MOST];
    unsigned nr_frames;
    struct gnttab_copy copies[NET_BATCH_COPIES];
    unsigned nr_copies;
    void (*take)(void *argument, struct net_frame_buffer *frame);
    void *argument;
};

static bool break_ring(struct net_ring *ring, const char *what)
{
    ring->broken = what;
    return false;
}

/* Copies an entry of the shared page; it is not read again. */
static void read_once(netif_tx_request_t *entry, const volatile void *from)
{
    const volatile uint32_t *shared = from;
    const uint32_t words[3] = {shared[0], shared[1], shared[2]};

    _Static_assert(sizeof(*entry) == sizeof(words), "an entry of the tx ring is three words");
    memcpy(entry, words, sizeof(*entry));
}

static bool read_extra(struct net_ring *ring, const netif_tx_request_t *entry, struct arrival *a, bool *more)
{
    struct netif_extra_info info;

    memcpy(&info, entry, sizeof(info));
    *more = info.flags & XEN_NETIF_EXTRA_FLAG_MORE;
    if (info.type == XEN_NETIF_EXTRA_TYPE_GSO) {
        if (info.u.gso.size == 0 ||
            (info.u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 && info.u.gso.type != XEN_NETIF_GSO_TYPE_TCPV6)) {
            return break_ring(ring, "a segmentation that is none");
        }
        a->gso = info.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4 ? FRAME_GSO_TCPV4 : FRAME_GSO_TCPV6;
        a->gso_size = info.u.gso.size;
        return true;
    }
    return info.type == XEN_NETIF_EXTRA_TYPE_HASH || break_ring(ring, "an extra info that was not offered");
}

/* The next entry; false: there is none, of `ready` that there were. */
static bool next_entry(struct net_ring *ring, unsigned *ready, netif_tx_request_t *entry)
{
    if (*ready == 0) {
        return break_ring(ring, "a frame without an end");
    }
    read_once(entry, RING_GET_REQUEST(&ring->tx, ring->tx.req_cons));
    ring->tx.req_cons++;
    --*ready;
    return true;
}

/* Takes one frame's entries off the ring. False: the ring is broken. */
static bool read_arrival(struct net_ring *ring, unsigned *ready, struct arrival *a)
{
    netif_tx_request_t entry;
    uint32_t others = 0;
    bool more;

    a->nr_data = a->nr_extras = 0; /* what of data is used is set below */
    a->gso = FRAME_GSO_NONE;
    a->gso_size = 0;
    if (!next_entry(ring, ready, &entry)) {
        return false;
    }
    a->flags = entry.flags;
    a->length = entry.size;
    a->data[a->nr_data++] = entry;
    for (more = entry.flags & NETTXF_extra_info; more; a->nr_extras++) {
        if (a->nr_extras == EXTRAS_MOST) {
            return break_ring(ring, "more extra infos than there are types");
        }
        if (!next_entry(ring, ready, &entry) || !read_extra(ring, &entry, a, &more)) {
            return false;
        }
    }
    for (more = a->flags & NETTXF_more_data; more; more = entry.flags & NETTXF_more_data) {
        if (a->nr_data == NET_SLOTS_MOST) {
            return break_ring(ring, "a frame in more pieces than a frame can have");
        }
        if (!next_entry(ring, ready, &entry)) {
            return false;
        }
        others += entry.size;
        a->data[a->nr_data++] = entry;
    }
    if (others > a->length) {
        return break_ring(ring, "pieces that are longer than their frame");
    }
    a->data[0].size = (uint16_t)(a->length - others); /* the first one says the frame's length */
    for (unsigned i = 0; i < a->nr_data; i++) {
        if (a->data[i].offset + (uint32_t)a->data[i].size > COR_PAGE_SIZE) {
            return break_ring(ring, "a piece that crosses its page");
        }
    }
    return true;
}

/* ------------------------------------------------------------------ copies and answers */

void net_ring_copy(struct gnttab_copy *copy, uint16_t domid, uint32_t gref, unsigned offset, void *ours,
                   unsigned length, bool from_guest)
{
    struct gnttab_copy_ptr *guest = from_guest ? &copy->source : &copy->dest;
    struct gnttab_copy_ptr *own = from_guest ? &copy->dest : &copy->source;
    uint64_t machine = cor_machine_address(ours);

    guest->u.ref = gref;
    guest->domid = domid;
    guest->offset = (uint16_t)offset;
    own->u.gmfn = machine >> 12;
    own->domid = DOMID_SELF;
    own->offset = (uint16_t)(machine & (COR_PAGE_SIZE - 1));
    copy->len = (uint16_t)length;
    copy->flags = from_guest ? GNTCOPY_source_gref : GNTCOPY_dest_gref;
}

/* The copies that fill a frame: pieces follow each other, and are cut where our pages end. */
static void plan_copies(const struct net_ring *ring, struct taking *t, const struct arrival *a,
                        struct net_frame_buffer *frame)
{
    uint32_t at = 0;

    for (unsigned i = 0; i < a->nr_data; i++) {
        unsigned done = 0;

        while (done < a->data[i].size) {
            unsigned room = (unsigned)(COR_PAGE_SIZE - (at & (COR_PAGE_SIZE - 1)));
            unsigned size = a->data[i].size - done < room ? a->data[i].size - done : room;

            net_ring_copy(&t->copies[t->nr_copies++], ring->domid, a->data[i].gref, a->data[i].offset + done,
                          frame->data + at, size, true);
            done += size;
            at += size;
        }
    }
}

/* The frame of an arrival; NULL: it is no good by itself, or memory is short. */
static struct net_frame_buffer *make_frame(const struct arrival *a)
{
    bool blank = a->flags & NETTXF_csum_blank;
    struct net_frame_buffer *frame;

    if (a->length < FRAME_ETHERNET ||
        (a->gso != FRAME_GSO_NONE && (!blank || a->length / a->gso_size >= NET_SEGMENTS_MOST))) {
        return NULL;
    }
    frame = frame_new(a->length);
    if (frame) {
        frame->checksum_blank = blank;
        frame->validated = blank || (a->flags & NETTXF_data_validated);
        frame->gso = a->gso;
        frame->gso_size = a->gso_size;
    }
    return frame;
}

static void add(const struct net_ring *ring, struct taking *t, const struct arrival *a)
{
    unsigned n = t->nr_frames++;

    t->frames[n].first_copy = t->nr_copies;
    t->frames[n].nr_data = a->nr_data;
    t->frames[n].nr_extras = a->nr_extras;
    t->frames[n].length = a->length;
    for (unsigned i = 0; i < a->nr_data; i++) {
        t->frames[n].ids[i] = a->data[i].id;
    }
    t->frames[n].frame = make_frame(a);
    if (t->frames[n].frame) {
        plan_copies(ring, t, a, t->frames[n].frame);
    }
    t->frames[n].nr_copies = t->nr_copies - t->frames[n].first_copy;
}

static void answer(struct net_ring *ring, uint16_t id, int16_t status)
{
    *RING_GET_RESPONSE(&ring->tx, ring->tx.rsp_prod_pvt) = (netif_tx_response_t){.id = id, .status = status};
    ring->tx.rsp_prod_pvt++;
}

static void finish(struct net_ring *ring, struct taking *t, unsigned n)
{
    struct net_frame_buffer *frame = t->frames[n].frame;
    bool good = frame != NULL;
    int16_t status;

    for (unsigned i = 0; i < t->frames[n].nr_copies; i++) {
        good = good && t->copies[t->frames[n].first_copy + i].status == GNTST_okay;
    }
    status = good ? NETIF_RSP_OKAY : NETIF_RSP_ERROR;
    for (unsigned i = 0; i < t->frames[n].nr_data; i++) {
        answer(ring, t->frames[n].ids[i], status);
        for (unsigned e = 0; i == 0 && e < t->frames[n].nr_extras; e++) {
            answer(ring, 0, NETIF_RSP_NULL);
        }
    }
    if (good) {
        ring->counters.tx_frames++;
        ring->counters.tx_bytes += t->frames[n].length;
        t->take(t->argument, frame);
    } else {
        ring->counters.tx_errors++;
        if (frame) {
            frame_release(frame);
        }
    }
}

/* Copies, answers, and hands over. */
static void flush(struct net_ring *ring, struct taking *t, bool *notify)
{
    bool wanted;

    if (t->nr_copies) {
        cor_grant_copy(t->copies, t->nr_copies);
    }
    for (unsigned n = 0; n < t->nr_frames; n++) {
        finish(ring, t, n);
    }
    if (t->nr_frames) {
        RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->tx, wanted);
        *notify |= wanted;
    }
    t->nr_frames = t->nr_copies = 0;
}

/* How many entries wait. False: the index makes no sense. */
static bool requests_ready(struct net_ring *ring, unsigned *ready)
{
    RING_IDX produced = __atomic_load_n(&ring->tx.sring->req_prod, __ATOMIC_ACQUIRE);

    *ready = produced - ring->tx.req_cons;
    /* as many as the ring has room for, those that are not answered included */
    return produced - ring->tx.rsp_prod_pvt <= NET_RING_SIZE ||
           break_ring(ring, "a request index beyond its ring");
}

bool net_ring_take(struct net_ring *ring, unsigned most, int64_t *credit,
                   void (*take)(void *argument, struct net_frame_buffer *frame), void *argument, bool *notify)
{
    static struct taking t; /* one thread, and it is empty again at the end */
    unsigned ready, taken = 0;
    struct arrival a;

    if (ring->broken || !requests_ready(ring, &ready)) {
        return false;
    }
    t.take = take;
    t.argument = argument;
    for (; ready && taken<most && * credit> 0; taken++) {
        if (!read_arrival(ring, &ready, &a)) {
            break;
        }
        if (t.nr_frames == FRAMES_MOST || t.nr_copies + 2 * a.nr_data > NET_BATCH_COPIES) {
            flush(ring, &t, notify);
        }
        add(ring, &t, &a);
        *credit -= a.length;
    }
    flush(ring, &t, notify);
    if (ring->broken) {
        return false;
    }
    if (ready) {
        return true;
    }
    __atomic_store_n(&ring->tx.sring->req_event, ring->tx.req_cons + 1, __ATOMIC_RELAXED);
    xen_mb();
    return __atomic_load_n(&ring->tx.sring->req_prod, __ATOMIC_ACQUIRE) != ring->tx.req_cons;
}
