/* SPDX-License-Identifier: MIT */
/*
 * Realtek 8139 and its many twins (RTL8139C datasheet): 100 Mbit/s, a line for interrupts, addresses of 32
 * bits. What is sent must lie in one piece, in one of four buffers that take turns; what comes lies one
 * frame behind the other in a ring of bytes. Both are copied: the wire is slower.
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

enum {
    IDR = 0x00,  /* the address */
    MAR = 0x08,  /* filter of multicast, 64 bits */
    TSD = 0x10,  /* status of a buffer to send: four, 4 bytes each */
    TSAD = 0x20, /* its address */
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38, /* read so far, less 16 */
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    MPC = 0x4c, /* missed frames, 24 bits; a write clears it */
    MSR = 0x58,
    REGISTERS = 0x100
};

#define CR_EMPTY   0x01u
#define CR_TE      0x04u
#define CR_RE      0x08u
#define CR_RST     0x10u
#define IS_ROK     0x0001u
#define IS_RER     0x0002u
#define IS_TOK     0x0004u
#define IS_TER     0x0008u
#define IS_RXOVW   0x0010u /* the ring is full */
#define IS_LINK    0x0020u
#define IS_FOVW    0x0040u /* the card's own FIFO is */
#define IS_SERR    0x8000u /* an error of the bus */
#define CAUSES     (IS_ROK | IS_RER | IS_TOK | IS_TER | IS_RXOVW | IS_LINK | IS_FOVW | IS_SERR)
#define GONE       0xffffu
#define TSD_OWN    (1u << 13) /* the card has read it */
#define TSD_TUN    (1u << 14)
#define TSD_TOK    (1u << 15)
#define TSD_ABORT  (1u << 30)
#define TCR_RETRY  (1u << 0)            /* send again what was aborted */
#define TCR_USUAL  (3u << 24 | 6u << 8) /* the standard's gap; bursts of 1 KiB */
#define RCR_ALL    (1u << 0)
#define RCR_USUAL  (7u << 13 | 2u << 11 | 7u << 8 | 1u << 7 | 1u << 3 | 1u << 2 | 1u << 1)
#define MSR_NOLINK 0x04u

/* In front of each frame in the ring: status, then length with FCS. */
#define RX_ROK        0x0001u
#define RX_BAD        0x003eu
#define RX_UNFINISHED 0xfff0u /* as length: the card is still writing it */
#define RX_HEADER     4u
#define FCS           4u

#define RING      32768u /* as RCR_USUAL says: a frame that begins in it may go beyond its end */
#define RX_LENGTH (RING + 16u + 2048u)
#define BUFFERS   4u
#define TX_STEP   2048u
#define TX_LEAST  60u
#define TX_MOST   1792u
#define TURN      64u           /* frames that are received in a turn of the loop */
#define WAIT      1000000000ull /* ns, for a reset */

struct rtl8139 {
    struct netdev dev;
    struct pirq pirq;
    struct loop_task again;
    volatile uint8_t *registers;
    const volatile uint8_t *rx;
    uint8_t *tx; /* BUFFERS of TX_STEP */
    uint64_t rx_address, tx_address;
    uint32_t rx_at;              /* in the ring */
    struct net_buffer frames[2]; /* what is handed on; the second is not used */
    struct net_packet *packets[BUFFERS];
    unsigned tx_next, tx_clean; /* count on: buffers are these modulo BUFFERS */
    bool full;
};

/* Is it there? Reads give ones otherwise. */
static int reset(const struct rtl8139 *r)
{
    uint64_t end = cor_monotonic_ns() + WAIT;

    mmio_write16(r->registers, IMR, 0);
    mmio_write8(r->registers, CR, CR_RST);
    while (mmio_read8(r->registers, CR) & CR_RST) {
        if (!pci_present(&r->dev.device.pci)) {
            return -ENODEV;
        }
        if (cor_monotonic_ns() > end) {
            return -EIO;
        }
    }
    mmio_write16(r->registers, ISR, GONE);
    return 0;
}

/* ---- receiving ---- */

static void set_filter(struct netdev *dev, bool all)
{
    const struct rtl8139 *r = (const struct rtl8139 *)dev;

    mmio_write32(r->registers, RCR, RCR_USUAL | (all ? RCR_ALL : 0));
}

static void start_receiver(struct rtl8139 *r)
{
    r->rx_at = 0;
    mmio_write8(r->registers, CR, CR_TE);
    mmio_write32(r->registers, RBSTART, (uint32_t)r->rx_address);
    mmio_write8(r->registers, CR, CR_TE | CR_RE);
    mmio_write16(r->registers, CAPR, (uint16_t)(0u - 16));
    mmio_write32(r->registers, MAR, ~0u);
    mmio_write32(r->registers, MAR + 4, ~0u);
    set_filter(&r->dev, r->dev.promiscuous);
}

static uint32_t header_at(const struct rtl8139 *r, uint32_t at)
{
    return r->rx[at] | (uint32_t)r->rx[at + 1] << 8 | (uint32_t)r->rx[at + 2] << 16 |
           (uint32_t)r->rx[at + 3] << 24;
}

enum taken { TAKEN, NOT_YET, NONSENSE };

/* The frame at rx_at. The client may close the card. */
static enum taken receive_one(struct rtl8139 *r)
{
    uint32_t header = header_at(r, r->rx_at), length = header >> 16, at = r->rx_at;
    struct net_frame frame = {.data = r->frames[0].memory, .address = r->frames[0].address};

    if (length == RX_UNFINISHED) {
        return NOT_YET;
    }
    if (!(header & RX_ROK) || (header & RX_BAD) || length < 14 + FCS || length > NET_BUFFER_SIZE) {
        return NONSENSE;
    }
    frame.length = length - FCS;
    memcpy(r->frames[0].memory, (const uint8_t *)r->rx + at + RX_HEADER, frame.length);
    r->rx_at = ((at + RX_HEADER + length + 3) & ~3u) % RING;
    netdev_receive(&r->dev, &frame);
    if (r->registers) {
        mmio_write16(r->registers, CAPR, (uint16_t)(r->rx_at - 16));
    }
    return TAKEN;
}

/* True: there may be more. */
static bool receive(struct rtl8139 *r)
{
    for (unsigned n = 0; r->registers && n < TURN; n++) {
        if (mmio_read8(r->registers, CR) & CR_EMPTY) {
            return false;
        }
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        switch (receive_one(r)) {
        case TAKEN:
            break;
        case NOT_YET:
            return false;
        case NONSENSE: /* where the next one begins is not known either */
            r->dev.counters.rx_errors++;
            start_receiver(r);
            return false;
        }
    }
    return r->registers != NULL;
}

/* ---- sending ---- */

static int send(struct netdev *dev, struct net_packet *p)
{
    struct rtl8139 *r = (struct rtl8139 *)dev;
    unsigned at = r->tx_next % BUFFERS;
    uint32_t length = p->length < TX_LEAST ? TX_LEAST : p->length;
    uint8_t *buffer = r->tx + at * TX_STEP;

    if (p->length > TX_MOST) {
        return -EMSGSIZE;
    }
    if (r->tx_next - r->tx_clean == BUFFERS) {
        r->full = true;
        return -EAGAIN;
    }
    memcpy(buffer, p->data, p->length);
    memset(buffer + p->length, 0, length - p->length);
    r->packets[at] = p;
    r->tx_next++;
    dev->counters.tx_frames++;
    dev->counters.tx_bytes += p->length;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    mmio_write32(r->registers, TSAD + at * 4, (uint32_t)(r->tx_address + at * TX_STEP));
    mmio_write32(r->registers, TSD + at * 4, length); /* its clear OWN bit starts it */
    return 0;
}

static void clean(struct rtl8139 *r)
{
    while (r->registers && r->tx_clean != r->tx_next) {
        unsigned at = r->tx_clean % BUFFERS;
        uint32_t status = mmio_read32(r->registers, TSD + at * 4);
        struct net_packet *p = r->packets[at];

        if (status == ~0u || !(status & (TSD_TOK | TSD_TUN | TSD_ABORT))) {
            break;
        }
        if (status & TSD_ABORT) {
            mmio_write32(r->registers, TCR, TCR_USUAL | TCR_RETRY);
        }
        r->dev.counters.tx_errors += !(status & TSD_TOK);
        r->tx_clean++;
        p->done(p, status & TSD_TOK ? 0 : -EIO);
    }
    if (r->registers && r->full && r->tx_next - r->tx_clean < BUFFERS) {
        r->full = false;
        netdev_writable(&r->dev);
    }
}

/* ---- interrupts, life ---- */

static void link_update(struct rtl8139 *r)
{
    netdev_link(&r->dev, !(mmio_read8(r->registers, MSR) & MSR_NOLINK));
}

static void work(struct rtl8139 *r)
{
    if (receive(r)) {
        loop_post(&r->again);
    }
    clean(r);
}

static void work_again(struct loop_task *task)
{
    work((struct rtl8139 *)((char *)task - offsetof(struct rtl8139, again)));
}

static void interrupted(struct pirq *pirq)
{
    struct rtl8139 *r = (struct rtl8139 *)((char *)pirq - offsetof(struct rtl8139, pirq));
    uint16_t cause = mmio_read16(r->registers, ISR);

    if (cause == GONE && !pci_present(&r->dev.device.pci)) {
        netdev_fail(&r->dev, -ENODEV);
        return;
    }
    if (!(cause & CAUSES)) {
        return; /* another device's on the same line */
    }
    mmio_write16(r->registers, ISR, cause);
    r->dev.counters.interrupts++;
    if (cause & IS_SERR) {
        netdev_fail(&r->dev, -EIO);
        return;
    }
    if (cause & IS_LINK) {
        link_update(r);
    }
    if (r->registers) {
        work(r);
    }
}

static void update_counters(struct netdev *dev)
{
    const struct rtl8139 *r = (const struct rtl8139 *)dev;
    uint32_t missed = mmio_read32(r->registers, MPC);

    if (missed != ~0u) {
        dev->counters.rx_dropped += missed & 0xffffff;
        mmio_write32(r->registers, MPC, 0);
    }
}

static void close(struct netdev *dev)
{
    struct rtl8139 *r = (struct rtl8139 *)dev;

    if (r->registers) {
        (void)reset(r);
    }
    pci_quiesce(&r->dev.device.pci);
    pirq_close(&r->pirq);
    loop_cancel(&r->again);
    pci_unmap(r->registers, REGISTERS);
    r->registers = NULL;
    for (; r->tx_clean != r->tx_next; r->tx_clean++) {
        struct net_packet *p = r->packets[r->tx_clean % BUFFERS];

        dev->counters.tx_errors++;
        p->done(p, -ENODEV);
    }
    dma_free((void *)r->rx, RX_LENGTH);
    dma_free(r->tx, BUFFERS * TX_STEP);
    r->rx = r->tx = NULL;
    if (r->frames[0].memory) {
        net_buffers_free(r->frames, 2);
    }
}

static int open(struct netdev *dev)
{
    struct rtl8139 *r = (struct rtl8139 *)dev;
    int error;

    r->tx_next = r->tx_clean = 0;
    r->full = false;
    pci_enable(&r->dev.device.pci, true);
    r->registers = pci_map(&r->dev.device.pci, 1, 0, REGISTERS);
    error = r->registers ? reset(r) : -ENODEV;
    if (!error) {
        r->rx = dma_alloc(RX_LENGTH, 32, &r->rx_address);
        r->tx = dma_alloc(BUFFERS * TX_STEP, 32, &r->tx_address);
        error = r->rx && r->tx && net_buffers_make(r->frames, 2, 64) ? 0 : -ENOMEM;
    }
    if (!error) {
        r->pirq.handle = interrupted;
        error = pirq_open_any(&r->pirq, &r->dev.device.pci);
    }
    if (error) {
        close(dev);
        return error;
    }
    start_receiver(r);
    mmio_write32(r->registers, TCR, TCR_USUAL);
    mmio_write32(r->registers, MPC, 0);
    mmio_write16(r->registers, IMR, CAUSES);
    link_update(r);
    return 0;
}

static const struct netdev_ops ops = {.open = open,
                                      .close = close,
                                      .send = send,
                                      .set_promiscuous = set_filter,
                                      .update_counters = update_counters};

static bool is_ours(const struct pci_device *pci)
{
    static const uint16_t devices[][2] = {
        {0x10ec, 0x8139}, {0x10ec, 0x8138}, {0x1113, 0x1211}, {0x1186, 0x1300}, {0x1186, 0x1340}};

    for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        if (pci->vendor == devices[i][0] && pci->device == devices[i][1]) {
            return true;
        }
    }
    return false;
}

int rtl8139_start(const struct pci_device *pci)
{
    struct rtl8139 *r;
    int error;

    if (!is_ours(pci)) {
        return -ENOTSUP;
    }
    r = calloc(1, sizeof(*r));
    if (!r) {
        return -ENOMEM;
    }
    r->dev.device.pci = *pci;
    r->again.run = work_again;
    pci_enable(pci, false);
    r->registers = pci_map(pci, 1, 0, REGISTERS);
    error = r->registers ? reset(r) : -ENODEV;
    for (unsigned i = 0; !error && i < sizeof(r->dev.mac); i++) {
        r->dev.mac[i] = mmio_read8(r->registers, IDR + i);
    }
    pci_unmap(r->registers, REGISTERS);
    r->registers = NULL;
    if (error) {
        free(r);
        return error;
    }
    r->dev.driver = "rtl8139";
    r->dev.mtu = 1500;
    r->dev.ops = &ops;
    netdev_add(&r->dev);
    device_enter(&r->dev.device, pci, netdev_device_gone);
    return 0;
}
