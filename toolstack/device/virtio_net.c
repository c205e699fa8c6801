/* SPDX-License-Identifier: MIT */
/*
 * virtio network devices (virtio 1.1, 5.1), one pair of queues. A frame has a header in front, in a
 * descriptor of its own, as the legacy transport wants it. With F_MRG_RXBUF a frame that comes in may fill
 * several buffers, of which the first begins with the header.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/mem.h"
#include "toolstack/device/buffers.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/netdev.h"
#include "toolstack/device/virtio.h"

#define F_CSUM       (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_MTU        (1ull << 3)
#define F_MAC        (1ull << 5)
#define F_GUEST_TSO4 (1ull << 7)
#define F_GUEST_TSO6 (1ull << 8)
#define F_HOST_TSO4  (1ull << 11)
#define F_HOST_TSO6  (1ull << 12)
#define F_MRG_RXBUF  (1ull << 15)
#define F_STATUS     (1ull << 16)
#define F_LARGE      (F_GUEST_TSO4 | F_GUEST_TSO6) /* frames that only come in several buffers */
#define F_RECEIVE    (F_GUEST_CSUM | F_LARGE | F_MRG_RXBUF)
#define WANTED       (F_CSUM | F_MTU | F_MAC | F_HOST_TSO4 | F_HOST_TSO6 | F_STATUS | F_RECEIVE)

enum { CFG_MAC = 0, CFG_STATUS = 6, CFG_MTU = 10 };
enum { QUEUE_RECEIVE, QUEUE_SEND };

#define STATUS_LINK  1u
#define NEEDS_CSUM   1u /* header.flags */
#define DATA_VALID   2u
#define GSO_TCPV4    1u /* header.gso_type */
#define GSO_TCPV6    4u
#define GSO_ECN      0x80u /* beside these: nothing that a receiver has to know */
#define HEADER_SHORT 10u   /* legacy: without num_buffers */
#define HEADER_LONG  12u

struct header {
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, checksum_start, checksum_offset, buffers;
};
_Static_assert(sizeof(struct header) == HEADER_LONG, "virtio 1.1, 5.1.6");

#define BUFFERS     128u
#define PARTS       40u                  /* buffers of a frame: 64 KiB, and some more */
#define SLOTS       (COR_PAGE_SIZE / 16) /* headers of packets to send, 16 bytes each */
#define MTU_DEFAULT 1500u

struct slot {
    struct net_packet *packet;
    struct slot *next;
};

struct virtio_net {
    struct netdev dev;
    struct virtio virtio;
    struct virtqueue receive, send;
    unsigned header_length;
    struct net_buffer buffers[BUFFERS];
    unsigned nr_buffers;
    uint64_t offered; /* features that it had when it was found */
    bool mergeable;
    /* The frame that comes in: the buffers that have arrived, of so many; 0: none has. */
    struct net_buffer *arrived[PARTS];
    struct net_part parts[PARTS];
    unsigned nr_arrived, nr_expected;
    char *headers; /* a page of SLOTS */
    uint64_t headers_address;
    struct slot slots[SLOTS], *free;
    bool full; /* the client was refused */
};

static bool offer(struct virtio_net *n, struct net_buffer *buffer)
{
    const struct dma_segment segments[] = {{buffer->address, n->header_length},
                                           {buffer->address + NET_BUFFER_FRAME, NET_BUFFER_ROOM}};
    const struct dma_segment whole = {buffer->address + NET_BUFFER_FRAME - HEADER_LONG,
                                      NET_BUFFER_ROOM + HEADER_LONG};

    return (n->mergeable ? virtqueue_add(&n->receive, &whole, 0, 1, buffer)
                         : virtqueue_add(&n->receive, segments, 0, 2, buffer)) == 0;
}

/* What the header says beyond the frame itself. False: nonsense, or what nobody has asked for. */
static bool read_header(const struct virtio_net *n, const struct header *h, struct net_frame *frame)
{
    unsigned gso = h->gso_type & ~GSO_ECN;

    if (!(n->virtio.features & F_GUEST_CSUM)) {
        return h->gso_type == 0;
    }
    frame->checksum_blank = h->flags & NEEDS_CSUM;
    frame->checksum_good = h->flags & DATA_VALID;
    if (gso == 0) {
        return true;
    }
    frame->segment_size = h->gso_size;
    frame->ipv6 = gso == GSO_TCPV6;
    return frame->checksum_blank && h->gso_size &&
           ((gso == GSO_TCPV4 && (n->virtio.features & F_GUEST_TSO4)) ||
            (gso == GSO_TCPV6 && (n->virtio.features & F_GUEST_TSO6)));
}

/* All buffers of a frame are here. */
static void receive_frame(struct virtio_net *n)
{
    const struct net_buffer *first = n->arrived[0];
    const char *header = n->mergeable ? first->memory + NET_BUFFER_FRAME - HEADER_LONG : first->memory;
    struct net_frame frame = {.data = first->memory + NET_BUFFER_FRAME,
                              .address = first->address + NET_BUFFER_FRAME,
                              .length = n->parts[0].length,
                              .more = n->parts + 1,
                              .nr_more = n->nr_arrived - 1};
    struct header h;

    memcpy(&h, header, n->header_length);
    if (frame.length < 14 || !read_header(n, &h, &frame)) {
        n->dev.counters.rx_errors++;
    } else {
        netdev_receive(&n->dev, &frame);
    }
}

/* A buffer has come; with it perhaps a frame. False: the device may not do that. */
static bool arrive(struct virtio_net *n, struct net_buffer *buffer, uint32_t written)
{
    char *begin = buffer->memory + NET_BUFFER_FRAME;
    uint32_t header = n->nr_arrived ? 0 : n->header_length;
    struct header h = {.buffers = 1};

    if (n->mergeable) {
        begin -= HEADER_LONG - header;
        memcpy(&h, buffer->memory + NET_BUFFER_FRAME - HEADER_LONG, sizeof(h));
    }
    if (written <= header || written > n->header_length + NET_BUFFER_ROOM) {
        return false;
    }
    if (!n->nr_arrived) {
        n->nr_expected = n->mergeable ? h.buffers : 1;
    }
    if (n->nr_expected == 0 || n->nr_expected > PARTS) {
        return false;
    }
    n->arrived[n->nr_arrived] = buffer;
    n->parts[n->nr_arrived++] = (struct net_part){begin, written - header};
    return true;
}

/* Gives the buffers of the last frame back to the device. */
static void offer_again(struct virtio_net *n)
{
    for (unsigned i = 0; i < n->nr_arrived; i++) {
        if (!offer(n, n->arrived[i])) {
            n->virtio.broken = true; /* there is room for each buffer that came out */
        }
    }
    n->nr_arrived = 0;
}

/* The client may close or fail the card at any moment: its queues are gone then. */
static void handle_receive(struct virtqueue *queue)
{
    struct virtio_net *n = (struct virtio_net *)((char *)queue - offsetof(struct virtio_net, receive));
    struct net_buffer *buffer;
    uint32_t written;

    n->dev.counters.interrupts++;
    while (queue->memory && (buffer = virtqueue_get(queue, &written)) != NULL) {
        if (!arrive(n, buffer, written)) {
            n->virtio.broken = true;
        } else if (n->nr_arrived == n->nr_expected) {
            receive_frame(n);
            if (queue->memory) {
                offer_again(n);
            }
        }
    }
    if (!queue->memory) {
        return;
    }
    virtqueue_kick(queue);
    if (n->virtio.broken) {
        netdev_fail(&n->dev, -EIO);
    }
}

static void handle_send(struct virtqueue *queue)
{
    struct virtio_net *n = (struct virtio_net *)((char *)queue - offsetof(struct virtio_net, send));
    struct slot *slot;
    uint32_t written;

    n->dev.counters.interrupts++;
    while (queue->memory && (slot = virtqueue_get(queue, &written)) != NULL) {
        struct net_packet *packet = slot->packet;

        slot->packet = NULL;
        slot->next = n->free;
        n->free = slot;
        packet->done(packet, 0);
    }
    if (queue->memory && n->virtio.broken) {
        netdev_fail(&n->dev, -EIO);
    } else if (queue->memory && n->full) {
        n->full = false;
        netdev_writable(&n->dev);
    }
}

static void fill_header(struct header *h, const struct net_packet *p)
{
    *h = (struct header){0};
    if (p->checksum) {
        h->flags = NEEDS_CSUM;
        h->checksum_start = p->checksum_start;
        h->checksum_offset = p->checksum_offset;
    }
    if (p->segment_size) {
        h->gso_type = p->ipv6 ? GSO_TCPV6 : GSO_TCPV4;
        h->gso_size = p->segment_size;
        h->header_length = p->header_length;
    }
}

static int send(struct netdev *dev, struct net_packet *packet)
{
    struct virtio_net *n = (struct virtio_net *)dev;
    struct dma_segment all[1 + NETDEV_SEGMENTS_MAX];
    struct slot *slot = n->free;

    if (slot) {
        size_t at = (size_t)(slot - n->slots) * 16;

        all[0] = (struct dma_segment){n->headers_address + at, n->header_length};
        memcpy(all + 1, packet->segments, packet->nr_segments * sizeof(all[0]));
        fill_header((struct header *)(n->headers + at), packet);
    }
    if (!slot || virtqueue_add(&n->send, all, 1 + packet->nr_segments, 0, slot) != 0) {
        n->full = true;
        return -EAGAIN;
    }
    n->free = slot->next;
    slot->packet = packet;
    dev->counters.tx_frames++;
    dev->counters.tx_bytes += packet->length;
    virtqueue_kick(&n->send);
    return 0;
}

static void link_update(struct virtio_net *n)
{
    bool up = !(n->virtio.features & F_STATUS) || (virtio_config(&n->virtio, CFG_STATUS, 2) & STATUS_LINK);

    netdev_link(&n->dev, up);
}

static void changed(struct virtio *v)
{
    struct virtio_net *n = (struct virtio_net *)((char *)v - offsetof(struct virtio_net, virtio));

    if (virtio_alive(v)) {
        link_update(n);
    } else {
        netdev_fail(&n->dev, pci_present(&v->pci) ? -EIO : -ENODEV);
    }
}

static void release_memory(struct virtio_net *n)
{
    net_buffers_free(n->buffers, n->nr_buffers);
    n->nr_buffers = 0;
    dma_free(n->headers, COR_PAGE_SIZE);
    n->headers = NULL;
}

static void close(struct netdev *dev)
{
    struct virtio_net *n = (struct virtio_net *)dev;
    struct slot *slot;

    virtio_close(&n->virtio);
    while (virtqueue_take_back(&n->receive)) {
    }
    while ((slot = virtqueue_take_back(&n->send)) != NULL) {
        dev->counters.tx_errors++;
        slot->packet->done(slot->packet, -ENODEV);
    }
    release_memory(n);
}

static int make_buffers(struct virtio_net *n)
{
    unsigned most = n->mergeable ? n->receive.size : n->receive.size / 2;
    unsigned wanted = most < BUFFERS ? most & ~1u : BUFFERS;

    n->headers = dma_alloc(COR_PAGE_SIZE, 64, &n->headers_address);
    if (!n->headers) {
        return -ENOMEM;
    }
    n->free = NULL;
    for (unsigned i = 0; i < SLOTS; i++) {
        n->slots[i] = (struct slot){.next = n->free};
        n->free = &n->slots[i];
    }
    if (!net_buffers_make(n->buffers, wanted, 64)) {
        return -ENOMEM;
    }
    n->nr_buffers = wanted;
    return 0;
}

static int open(struct netdev *dev)
{
    struct virtio_net *n = (struct virtio_net *)dev;
    struct virtio *v = &n->virtio;
    uint64_t wanted = WANTED;
    int error;

    if (!dev->client->offloads) {
        wanted &= ~F_RECEIVE;
    } else if (!(n->offered & F_MRG_RXBUF)) {
        wanted &= ~F_LARGE;
    }
    v->changed = changed;
    n->full = false;
    n->nr_arrived = 0;
    error = virtio_open(v, &n->dev.device.pci, wanted);
    if (error) {
        return error;
    }
    n->mergeable = v->features & F_MRG_RXBUF;
    n->header_length = v->modern || n->mergeable ? HEADER_LONG : HEADER_SHORT;
    n->receive.handle = handle_receive;
    n->send.handle = handle_send;
    error = virtio_queue_open(v, &n->receive, QUEUE_RECEIVE);
    error = error ? error : virtio_queue_open(v, &n->send, QUEUE_SEND);
    error = error ? error : make_buffers(n);
    for (unsigned i = 0; !error && i < n->nr_buffers; i++) {
        error = offer(n, &n->buffers[i]) ? 0 : -EIO;
    }
    error = error ? error : virtio_go(v);
    if (error) {
        close(dev);
        return error;
    }
    virtqueue_kick(&n->receive);
    link_update(n);
    return 0;
}

static const struct netdev_ops ops = {.open = open, .close = close, .send = send};

/* What can be known of the card before it is used. */
static void describe(struct virtio_net *n)
{
    struct virtio *v = &n->virtio;
    struct netdev *dev = &n->dev;

    if (v->features & F_MAC) {
        for (unsigned i = 0; i < sizeof(dev->mac); i++) {
            dev->mac[i] = (uint8_t)virtio_config(v, CFG_MAC + i, 1);
        }
    } else { /* locally administered, and different for each card of the machine */
        memcpy(dev->mac, (const uint8_t[]){2, 0, 0, 0, n->dev.device.pci.bus, n->dev.device.pci.devfn},
               sizeof(dev->mac));
    }
    dev->mtu = v->features & F_MTU ? (uint16_t)virtio_config(v, CFG_MTU, 2) : MTU_DEFAULT;
    if (dev->mtu > NET_BUFFER_ROOM - 18) {
        dev->mtu = MTU_DEFAULT;
    }
    dev->offloads = (v->features & F_CSUM ? NETDEV_TX_CHECKSUM : 0) |
                    (v->features & F_HOST_TSO4 ? NETDEV_TX_TSO4 : 0) |
                    (v->features & F_HOST_TSO6 ? NETDEV_TX_TSO6 : 0) |
                    (v->features & F_GUEST_CSUM ? NETDEV_RX_CHECKSUM : 0) |
                    ((v->features & F_LARGE) && (v->features & F_MRG_RXBUF) ? NETDEV_RX_LARGE : 0);
    n->offered = v->features;
}

int virtio_net_start(const struct pci_device *pci)
{
    struct virtio_net *n;
    int error;

    if (virtio_type(pci) != VIRTIO_NET) {
        return -ENOTSUP;
    }
    n = calloc(1, sizeof(*n));
    if (!n) {
        return -ENOMEM;
    }
    n->dev.device.pci = *pci;
    error = virtio_open(&n->virtio, pci, WANTED);
    if (error) {
        free(n);
        return error;
    }
    describe(n);
    virtio_close(&n->virtio);
    n->dev.driver = "virtio-net";
    n->dev.ops = &ops;
    netdev_add(&n->dev);
    device_enter(&n->dev.device, pci, netdev_device_gone);
    return 0;
}
