/* SPDX-License-Identifier: MIT */
/*
 * Intel's gigabit cards with the 8254x's registers: 82540EM and 82545EM (8254x software developer's manual),
 * and the 82574L (its datasheet), which takes the same descriptors. One ring each way. The card does
 * checksums, and cuts TCP into segments.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "toolstack/device/buffers.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/mmio.h"
#include "toolstack/device/netdev.h"
#include "toolstack/device/pirq.h"

#define INTEL 0x8086u

enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    ICR = 0x00c0,
    ITR = 0x00c4,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    TIPG = 0x0410,
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    CRCERRS = 0x4000,
    MPC = 0x4010, /* missed packets: no buffer */
    RXCSUM = 0x5000,
    MTA = 0x5200, /* 128 words */
    RAL = 0x5400,
    RAH = 0x5404,
    REGISTERS = 0x10000
};

#define CTRL_ASDE      (1u << 5)
#define CTRL_SLU       (1u << 6)
#define CTRL_RST       (1u << 26)
#define STATUS_LU      (1u << 1)
#define CAUSE_TXDW     (1u << 0)
#define CAUSE_LSC      (1u << 2)
#define CAUSE_RXDMT0   (1u << 4)
#define CAUSE_RXO      (1u << 6)
#define CAUSE_RXT0     (1u << 7)
#define CAUSES         (CAUSE_TXDW | CAUSE_LSC | CAUSE_RXDMT0 | CAUSE_RXO | CAUSE_RXT0)
#define RCTL_EN        (1u << 1)
#define RCTL_UPE       (1u << 3) /* promiscuous: unicast, multicast */
#define RCTL_MPE       (1u << 4)
#define RCTL_BAM       (1u << 15)
#define RCTL_SECRC     (1u << 26)
#define TCTL_DEFAULT   (1u << 1 | 1u << 3 | 0x0fu << 4 | 0x40u << 12) /* full duplex */
#define TIPG_DEFAULT   (10u | 10u << 10 | 10u << 20)
#define RXCSUM_DEFAULT (1u << 8 | 1u << 9)
#define RAH_AV         (1u << 31)
#define ITR_DEFAULT    196u /* units of 256 ns: at most 20,000 a second */

#define RX_DONE   0x01u /* status of a received frame */
#define RX_END    0x02u
#define RX_IXSM   0x04u /* checksums were not looked at */
#define RX_TCPCS  0x20u
#define RX_BAD    0x97u /* errors: CRC, symbol, sequence, carrier, data */
#define RX_BAD_L4 0x60u

#define TX_EOP     (1u << 24) /* command, of a data descriptor */
#define TX_IFCS    (1u << 25)
#define TX_RS      (1u << 27)
#define TX_DEXT    (1u << 29)
#define TX_DATA    (1u << 20)
#define TX_TSE     (1u << 26) /* cut it into segments */
#define TX_DONE    0x1u
#define POPTS_IXSM (1u << 8)  /* in the last word: do the IP header's checksum */
#define POPTS_TXSM (1u << 9)  /* ... TCP's or UDP's */
#define CTX_TCP    (1u << 24) /* command of a context descriptor */
#define CTX_IPV4   (1u << 25)

/*
 * To be cut, a packet needs a header of its own: without lengths, which the card puts in. A slot for every
 * other descriptor: such a packet has three of them.
 */
#define HEADER_SLOT 256u
#define HEADERS     (TX_RING / 2 * HEADER_SLOT)
#define ETHERNET    14u
#define TCP         6u

#define RX_RING 128u
#define TX_RING 256u
#define WAIT    1000000000ull /* ns, for a reset */

struct descriptor {
    uint64_t address;
    uint32_t word2, word3; /* see the manual: they differ by direction and kind */
};
_Static_assert(sizeof(struct descriptor) == 16, "8254x manual, 3.2.3");

struct e1000 {
    struct netdev dev;
    struct pirq pirq;
    struct loop_task again;
    volatile uint8_t *registers;
    volatile struct descriptor *rx, *tx;
    uint64_t rx_address, tx_address;
    uint8_t *headers; /* HEADERS bytes */
    uint64_t headers_address;
    struct net_buffer buffers[RX_RING];
    unsigned rx_next;
    struct net_packet *packets[TX_RING]; /* at a packet's last descriptor */
    unsigned tx_next, tx_clean;          /* where the next goes; the oldest that is not over */
    bool full;
};

static uint32_t get(const struct e1000 *e, unsigned reg)
{
    return mmio_read32(e->registers, reg);
}

static void put(const struct e1000 *e, unsigned reg, uint32_t value)
{
    mmio_write32(e->registers, reg, value);
}

/* Stops everything, and waits until the card has read its address again. */
static int reset(const struct e1000 *e)
{
    uint64_t end = cor_monotonic_ns() + WAIT;
    uint32_t ctrl;

    put(e, IMC, ~0u);
    put(e, RCTL, 0);
    put(e, TCTL, 0);
    put(e, CTRL, get(e, CTRL) | CTRL_RST);
    do {
        ctrl = get(e, CTRL);
    } while (((ctrl & CTRL_RST) || !(get(e, RAH) & RAH_AV)) && pci_present(&e->dev.device.pci) &&
             cor_monotonic_ns() < end);
    put(e, IMC, ~0u);
    (void)get(e, ICR);
    if (!pci_present(&e->dev.device.pci)) {
        return -ENODEV;
    }
    return (ctrl & CTRL_RST) || !(get(e, RAH) & RAH_AV) ? -EIO : 0;
}

/* ---- receiving ---- */

static void give(struct e1000 *e, unsigned at)
{
    e->rx[at].address = e->buffers[at].address + NET_BUFFER_FRAME;
    e->rx[at].word2 = e->rx[at].word3 = 0;
}

static void receive_one(struct e1000 *e, unsigned at)
{
    uint32_t word3 = e->rx[at].word3, status = word3 & 0xff, errors = word3 >> 8 & 0xff;
    struct net_frame frame = {.data = e->buffers[at].memory + NET_BUFFER_FRAME,
                              .address = e->buffers[at].address + NET_BUFFER_FRAME,
                              .length = e->rx[at].word2 & 0xffff};

    frame.checksum_good = !(status & RX_IXSM) && (status & RX_TCPCS) && !(errors & RX_BAD_L4);
    if (!(status & RX_END) || (errors & RX_BAD) || frame.length < 14 || frame.length > NET_BUFFER_ROOM) {
        e->dev.counters.rx_errors++;
    } else {
        netdev_receive(&e->dev, &frame);
    }
}

/* The client may close the card at any moment. True: there may be more. */
static bool receive(struct e1000 *e)
{
    unsigned n = 0;

    while (e->registers && n < RX_RING && (e->rx[e->rx_next].word3 & RX_DONE)) {
        unsigned at = e->rx_next;

        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        receive_one(e, at);
        if (!e->registers) {
            return false;
        }
        give(e, at);
        e->rx_next = (at + 1) % RX_RING;
        n++;
    }
    if (e->registers && n) {
        __atomic_thread_fence(__ATOMIC_RELEASE);
        put(e, RDT, (e->rx_next + RX_RING - 1) % RX_RING);
    }
    return n == RX_RING;
}

/* ---- sending ---- */

static unsigned tx_room(const struct e1000 *e)
{
    return (e->tx_clean + TX_RING - e->tx_next - 1) % TX_RING;
}

static void add(struct e1000 *e, uint64_t address, uint32_t word2, uint32_t word3)
{
    volatile struct descriptor *d = &e->tx[e->tx_next];

    d->address = address;
    d->word2 = word2;
    d->word3 = word3;
    e->packets[e->tx_next] = NULL;
    e->tx_next = (e->tx_next + 1) % TX_RING;
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static uint32_t sum(const uint8_t *p, unsigned length)
{
    uint32_t total = 0;

    for (unsigned i = 0; i < length; i += 2) {
        total += (uint32_t)p[i] << 8 | p[i + 1];
    }
    return total;
}

/*
 * The header as the card wants it (8254x manual, 3.5; 82574 datasheet, 7.2): lengths and IPv4's checksum
 * zero, and in place of TCP's checksum the pseudo header's sum without the length.
 */
static void make_header(uint8_t *to, const struct net_packet *p)
{
    uint8_t *ip = to + ETHERNET;
    uint32_t pseudo;

    memcpy(to, p->data, p->header_length);
    put16(ip + 2, 0);
    put16(ip + 10, 0);
    pseudo = sum(ip + 12, 8) + TCP;
    pseudo = (pseudo & 0xffff) + (pseudo >> 16);
    put16(to + p->checksum_start + p->checksum_offset, (pseudo & 0xffff) + (pseudo >> 16));
}

/*
 * Context: where IP's header is, where the sum begins and where it goes (it ends with the packet); how to
 * cut.
 */
static void add_context(struct e1000 *e, const struct net_packet *p)
{
    uint64_t where = (uint64_t)p->checksum_start << 32 | (uint64_t)(p->checksum_start + p->checksum_offset)
                                                             << 40;
    uint32_t command = TX_DEXT, sizes = 0;

    if (p->segment_size) {
        where |= ETHERNET | (ETHERNET + 10u) << 8 | (p->checksum_start - 1u) << 16;
        command |= CTX_TCP | CTX_IPV4 | TX_TSE | (p->length - p->header_length);
        sizes = (uint32_t)p->header_length << 8 | (uint32_t)p->segment_size << 16;
    }
    add(e, where, command, sizes);
}

static int send(struct netdev *dev, struct net_packet *p)
{
    struct e1000 *e = (struct e1000 *)dev;
    uint32_t options = p->checksum ? POPTS_TXSM : 0, command = TX_IFCS | TX_DEXT | TX_DATA, skip = 0;

    if (p->header_length > HEADER_SLOT) {
        return -EINVAL;
    }
    if (tx_room(e) < p->nr_segments + 2) {
        e->full = true;
        return -EAGAIN;
    }
    if (p->checksum) {
        add_context(e, p);
    }
    if (p->segment_size) {
        unsigned at = e->tx_next / 2 * HEADER_SLOT;

        skip = p->header_length;
        command |= TX_TSE;
        options |= POPTS_IXSM;
        make_header(e->headers + at, p);
        add(e, e->headers_address + at, skip | command, options);
    }
    for (unsigned i = 0; i < p->nr_segments; i++) {
        const struct dma_segment *s = &p->segments[i];
        uint32_t less = skip < s->length ? skip : s->length;

        skip -= less;
        if (s->length > less) {
            add(e, s->address + less,
                (s->length - less) | command | (i + 1 == p->nr_segments ? TX_EOP | TX_RS : 0), options);
        }
    }
    e->packets[(e->tx_next + TX_RING - 1) % TX_RING] = p;
    dev->counters.tx_frames++;
    dev->counters.tx_bytes += p->length;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    put(e, TDT, e->tx_next);
    return 0;
}

/* Packets that are over, oldest first; what comes before a packet's last descriptor is its own. */
static void clean(struct e1000 *e)
{
    unsigned at = e->tx_clean;

    while (e->registers && at != e->tx_next) {
        struct net_packet *p = e->packets[at];

        if (p && !(e->tx[at].word3 & TX_DONE)) {
            break;
        }
        at = (at + 1) % TX_RING;
        if (p) {
            e->packets[(at + TX_RING - 1) % TX_RING] = NULL;
            e->tx_clean = at;
            p->done(p, 0);
        }
    }
    if (e->registers && e->full && tx_room(e) >= NETDEV_SEGMENTS_MAX + 2) {
        e->full = false;
        netdev_writable(&e->dev);
    }
}

/* ---- interrupts, life ---- */

static void work(struct e1000 *e)
{
    if (receive(e)) {
        loop_post(&e->again);
    }
    clean(e);
}

static void work_again(struct loop_task *task)
{
    work((struct e1000 *)((char *)task - offsetof(struct e1000, again)));
}

static void interrupted(struct pirq *pirq)
{
    struct e1000 *e = (struct e1000 *)((char *)pirq - offsetof(struct e1000, pirq));
    uint32_t cause = get(e, ICR);

    if (cause == ~0u) {
        netdev_fail(&e->dev, -ENODEV);
        return;
    }
    e->dev.counters.interrupts += cause != 0;
    if (cause & CAUSE_LSC) {
        netdev_link(&e->dev, get(e, STATUS) & STATUS_LU);
    }
    if (cause && e->registers) {
        work(e);
    }
}

static void set_filter(struct netdev *dev, bool all)
{
    const struct e1000 *e = (const struct e1000 *)dev;

    put(e, RCTL, RCTL_EN | RCTL_BAM | RCTL_MPE | RCTL_SECRC | (all ? RCTL_UPE : 0));
}

static void close(struct netdev *dev)
{
    struct e1000 *e = (struct e1000 *)dev;

    if (e->registers) {
        (void)reset(e);
    }
    pci_quiesce(&e->dev.device.pci);
    pirq_close(&e->pirq);
    loop_cancel(&e->again);
    pci_unmap(e->registers, REGISTERS);
    e->registers = NULL;
    for (; e->tx_clean != e->tx_next; e->tx_clean = (e->tx_clean + 1) % TX_RING) {
        struct net_packet *p = e->packets[e->tx_clean];

        if (p) {
            dev->counters.tx_errors++;
            p->done(p, -ENODEV);
        }
    }
    dma_free((void *)e->rx, RX_RING * sizeof(*e->rx));
    dma_free((void *)e->tx, TX_RING * sizeof(*e->tx));
    dma_free(e->headers, HEADERS);
    e->rx = e->tx = NULL;
    e->headers = NULL;
    net_buffers_free(e->buffers, RX_RING);
}

static int make_rings(struct e1000 *e)
{
    e->rx_next = e->tx_next = e->tx_clean = 0;
    e->full = false;
    e->rx = dma_alloc(RX_RING * sizeof(*e->rx), 64, &e->rx_address);
    e->tx = dma_alloc(TX_RING * sizeof(*e->tx), 64, &e->tx_address);
    e->headers = dma_alloc(HEADERS, 64, &e->headers_address);
    if (!e->rx || !e->tx || !e->headers || !net_buffers_make(e->buffers, RX_RING, 64)) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < RX_RING; i++) {
        give(e, i);
    }
    return 0;
}

static void start_rings(struct e1000 *e)
{
    for (unsigned i = 0; i < 128; i++) {
        put(e, MTA + i * 4, 0);
    }
    put(e, RDBAL, (uint32_t)e->rx_address);
    put(e, RDBAH, (uint32_t)(e->rx_address >> 32));
    put(e, RDLEN, RX_RING * sizeof(*e->rx));
    put(e, RDH, 0);
    put(e, TDBAL, (uint32_t)e->tx_address);
    put(e, TDBAH, (uint32_t)(e->tx_address >> 32));
    put(e, TDLEN, TX_RING * sizeof(*e->tx));
    put(e, TDH, 0);
    put(e, TDT, 0);
    put(e, RXCSUM, RXCSUM_DEFAULT);
    put(e, TIPG, TIPG_DEFAULT);
    put(e, TCTL, TCTL_DEFAULT);
    set_filter(&e->dev, false);
    put(e, RDT, RX_RING - 1);
    put(e, ITR, ITR_DEFAULT);
    put(e, CTRL, get(e, CTRL) | CTRL_SLU | CTRL_ASDE);
    put(e, IMS, CAUSES);
}

static int open(struct netdev *dev)
{
    struct e1000 *e = (struct e1000 *)dev;
    int error;

    pci_enable(&e->dev.device.pci, true);
    e->registers = pci_map(&e->dev.device.pci, 0, 0, REGISTERS);
    error = e->registers ? reset(e) : -ENODEV;
    error = error ? error : make_rings(e);
    if (!error) {
        e->pirq.handle = interrupted;
        error = pirq_open_any(&e->pirq, &e->dev.device.pci);
    }
    if (error) {
        close(dev);
        return error;
    }
    start_rings(e);
    netdev_link(dev, get(e, STATUS) & STATUS_LU);
    return 0;
}

/* The card counts these and forgets them when they are read. */
static void update_counters(struct netdev *dev)
{
    const struct e1000 *e = (const struct e1000 *)dev;

    dev->counters.rx_errors += get(e, CRCERRS);
    dev->counters.rx_dropped += get(e, MPC);
}

static const struct netdev_ops ops = {.open = open,
                                      .close = close,
                                      .send = send,
                                      .set_promiscuous = set_filter,
                                      .update_counters = update_counters};

static bool is_ours(const struct pci_device *pci)
{
    static const uint16_t devices[] = {0x100e, 0x100f, 0x10d3};
    unsigned i = 0;

    while (i < sizeof(devices) / sizeof(devices[0]) && devices[i] != pci->device) {
        i++;
    }
    return pci->vendor == INTEL && i < sizeof(devices) / sizeof(devices[0]);
}

int e1000_start(const struct pci_device *pci)
{
    struct e1000 *e;
    int error;

    if (!is_ours(pci)) {
        return -ENOTSUP;
    }
    e = calloc(1, sizeof(*e));
    if (!e) {
        return -ENOMEM;
    }
    e->dev.device.pci = *pci;
    e->again.run = work_again;
    pci_enable(pci, false);
    e->registers = pci_map(pci, 0, 0, REGISTERS);
    error = e->registers ? reset(e) : -ENODEV;
    if (!error) {
        uint32_t low = get(e, RAL), high = get(e, RAH);

        memcpy(e->dev.mac, &low, 4);
        memcpy(e->dev.mac + 4, &high, 2);
    }
    pci_unmap(e->registers, REGISTERS);
    e->registers = NULL;
    if (error) {
        free(e);
        return error;
    }
    e->dev.driver = "e1000";
    e->dev.mtu = 1500;
    /* The 82574 can cut IPv6, too; QEMU's model of it, before 8.0, garbles that. */
    e->dev.offloads = NETDEV_TX_CHECKSUM | NETDEV_RX_CHECKSUM | NETDEV_TX_TSO4;
    e->dev.ops = &ops;
    netdev_add(&e->dev);
    device_enter(&e->dev.device, pci, netdev_device_gone);
    return 0;
}
