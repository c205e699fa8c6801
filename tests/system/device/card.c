/* SPDX-License-Identifier: MIT */
/* A network card on QEMU's user network: ARP, DHCP and ICMP with the gateway 10.0.2.2. */
#include "tests/system/device/test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/mem.h"

#define PINGS   200u
#define PAYLOAD 1400u
#define DHCP    300u

struct packet {
    struct net_packet packet;
    struct dma_segment segments[8];
    char data[2048];
    bool checksum; /* of what follows the IP header: the card's affair */
    volatile bool done;
    int error;
};

static const uint8_t gateway_ip[4] = {10, 0, 2, 2}, own_ip[4] = {10, 0, 2, 15};
static uint8_t gateway_mac[6];
static volatile bool arp_answered, ping_answered, dhcp_answered, writable, link_told;
static unsigned answers, wrong;
static uint16_t expected;

static void put16(char *p, unsigned value)
{
    p[0] = (char)(value >> 8);
    p[1] = (char)value;
}

static unsigned sum(const void *data, unsigned length)
{
    const uint8_t *p = data;
    uint32_t total = 0;

    for (unsigned i = 0; i + 1 < length; i += 2) {
        total += (uint32_t)p[i] << 8 | p[i + 1];
    }
    while (total >> 16) {
        total = (total & 0xffff) + (total >> 16);
    }
    return ~total & 0xffff;
}

static void receive(void *argument, const struct net_frame *frame)
{
    const uint8_t *p = frame->data;

    (void)argument;
    if (frame->length < 42 || dma_address(p) != frame->address) {
        wrong++;
        return;
    }
    if (p[12] == 8 && p[13] == 6 && p[21] == 2 && memcmp(p + 28, gateway_ip, 4) == 0) {
        memcpy(gateway_mac, p + 22, 6);
        arp_answered = true;
    } else if (p[12] == 8 && p[13] == 0 && p[23] == 1 && p[34] == 0) {
        unsigned sequence = (unsigned)p[40] << 8 | p[41];

        if (frame->length < 42 + PAYLOAD || sum(p + 34, 8 + PAYLOAD) != 0 || sequence != expected) {
            wrong++;
        }
        answers++;
        ping_answered = true;
    } else if (p[12] == 8 && p[13] == 0 && p[23] == 17 && frame->length > 42 + 240 && p[37] == 68) {
        dhcp_answered = memcmp(p + 42 + 16, own_ip, 4) == 0 && memcmp(p + 42 + 4, "CORA", 4) == 0;
    }
}

static void now_writable(void *argument)
{
    (void)argument;
    writable = true;
}

static void link_changed(void *argument, bool up)
{
    (void)argument;
    link_told = up;
}

static const struct netdev_client client = {
    .receive = receive, .writable = now_writable, .link_changed = link_changed};

static void sent(struct net_packet *packet, int error)
{
    struct packet *p = (struct packet *)packet;

    p->error = error;
    p->done = true;
}

/* Sends the first `length` bytes in pieces of at most `piece`. */
static int send(struct netdev *dev, struct packet *p, unsigned length, unsigned piece)
{
    unsigned n = 0;

    for (unsigned at = 0; at < length; at += piece) {
        int more = dma_map(p->data + at, length - at < piece ? length - at : piece, p->segments + n, 8 - n);

        if (more < 0) {
            return more;
        }
        n += (unsigned)more;
    }
    p->done = false;
    p->packet = (struct net_packet){
        .segments = p->segments, .data = p->data, .nr_segments = n, .length = length, .done = sent};
    p->packet.checksum = p->checksum;
    p->packet.checksum_start = 34;
    p->packet.checksum_offset = 6; /* UDP's */
    return netdev_send(dev, &p->packet);
}

static void ethernet(const struct netdev *dev, struct packet *p, const uint8_t *to, unsigned type)
{
    memset(p->data, 0, sizeof(p->data));
    memcpy(p->data, to, 6);
    memcpy(p->data + 6, dev->mac, 6);
    put16(p->data + 12, type);
}

static bool arp(struct netdev *dev, struct packet *p)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const char head[8] = {0, 1, 8, 0, 6, 4, 0, 1};

    ethernet(dev, p, all, 0x0806);
    memcpy(p->data + 14, head, 8);
    memcpy(p->data + 22, dev->mac, 6);
    memcpy(p->data + 28, own_ip, 4);
    memcpy(p->data + 38, gateway_ip, 4);
    arp_answered = false;
    return send(dev, p, 60, 2048) == 0 && wait_for(&arp_answered, 20);
}

/* DHCP's discovery, answered with our address; the card finishes its UDP checksum, if it can. */
static bool discover(struct netdev *dev, struct packet *p)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, any[4] = {0};
    static const char magic[] = {0x63, (char)0x82, 0x53, 0x63, 53, 1, 1, (char)0xff};
    char *ip = p->data + 14, *udp = p->data + 34, *bootp = p->data + 42;
    uint8_t pseudo[12] = {0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 17, (8 + DHCP) >> 8, (8 + DHCP) & 0xff};
    bool good;

    ethernet(dev, p, all, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, 28 + DHCP);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, any, 4);
    memset(ip + 16, 0xff, 4);
    put16(ip + 10, sum(ip, 20));
    put16(udp, 68);
    put16(udp + 2, 67);
    put16(udp + 4, 8 + DHCP);
    bootp[0] = 1;
    bootp[1] = 1;
    bootp[2] = 6;
    memcpy(bootp + 4, "CORA", 4);
    memcpy(bootp + 28, dev->mac, 6);
    memcpy(bootp + 236, magic, sizeof(magic));
    put16(udp + 6, ~sum(pseudo, 12) & 0xffff);
    p->checksum = dev->offloads & NETDEV_TX_CHECKSUM;
    if (!p->checksum) {
        put16(udp + 6, sum(udp, 8 + DHCP));
    }
    dhcp_answered = false;
    good = send(dev, p, 42 + DHCP, 2048) == 0 && wait_for(&dhcp_answered, 20);
    p->checksum = false;
    return good;
}

static bool ping(struct netdev *dev, struct packet *p, unsigned sequence, unsigned piece)
{
    char *ip = p->data + 14, *icmp = p->data + 34;

    ethernet(dev, p, gateway_mac, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, 28 + PAYLOAD);
    ip[8] = 64;
    ip[9] = 1;
    memcpy(ip + 12, own_ip, 4);
    memcpy(ip + 16, gateway_ip, 4);
    put16(ip + 10, sum(ip, 20));
    icmp[0] = 8;
    put16(icmp + 6, sequence);
    for (unsigned i = 0; i < PAYLOAD; i++) {
        icmp[8 + i] = (char)(i * 7 + sequence);
    }
    put16(icmp + 2, sum(icmp, 8 + PAYLOAD));
    expected = (uint16_t)sequence;
    ping_answered = false;
    return send(dev, p, 42 + PAYLOAD, piece) == 0 && wait_for(&ping_answered, 20) && wait_for(&p->done, 20) &&
           p->error == 0;
}

/* As many as it takes until there is no room; then there is room again. */
static void flood(struct netdev *dev)
{
    static struct packet *packets[1024];
    unsigned n = 0, errors = 0;
    int error = 0;

    writable = false;
    while (n < 1024 && !error) {
        packets[n] = calloc(1, sizeof(struct packet));
        ethernet(dev, packets[n], gateway_mac, 0x88b5); /* for experiments: nobody answers */
        error = send(dev, packets[n], 1000, 300);
        n += !error;
    }
    check(error == 0 || error == -EAGAIN, "%s: a flood of %s", dev->name,
          error ? "more than there is room for" : "1024");
    if (error) {
        check(wait_for(&writable, 20), "%s: there is room again", dev->name);
    }
    for (unsigned i = 0; i < n; i++) {
        errors += !wait_for(&packets[i]->done, 20) || packets[i]->error;
    }
    check(errors == 0, "%s: all of it was sent", dev->name);
}

static void refused(struct netdev *dev, struct packet *p)
{
    int n = dma_map(p->data, 64, p->segments, 8);

    check(send(dev, p, 2000, 2048) == -EMSGSIZE, "%s: too long", dev->name);
    p->packet = (struct net_packet){.segments = p->segments, .data = p->data, .length = 64, .done = sent};
    check(netdev_send(dev, &p->packet) == -EINVAL, "%s: without data", dev->name);
    p->packet.nr_segments = (unsigned)n;
    p->packet.length = 63;
    check(netdev_send(dev, &p->packet) == -EINVAL, "%s: another length", dev->name);
}

static void test_open(struct netdev *dev, struct packet *p, const char *round)
{
    unsigned before = answers;
    bool good = true;

    link_told = false;
    if (!check(netdev_open(dev, &client, NULL) == 0, "%s: opened, %s", dev->name, round)) {
        return;
    }
    check(netdev_open(dev, &client, NULL) == -EBUSY, "%s: it has a client, %s", dev->name, round);
    check(dev->link_up || wait_for(&link_told, 20), "%s: link, %s", dev->name, round);
    check(arp(dev, p), "%s: the gateway answers ARP, %s", dev->name, round);
    check(discover(dev, p), "%s: DHCP offers an address, %s", dev->name, round);
    for (unsigned i = 0; i < PINGS && good; i++) {
        good = ping(dev, p, i, i % 2 ? 2048 : 300);
    }
    check(good && answers - before == PINGS, "%s: pings, %s", dev->name, round);
    check(wrong == 0, "%s: every frame is as it should be, %s", dev->name, round);
}

void test_card(struct netdev *dev)
{
    struct packet *p = calloc(1, sizeof(*p));
    const struct netdev_counters *c;
    size_t before;

    printf("# card %s (%s): %02x:%02x:%02x:%02x:%02x:%02x, mtu %u, offloads %x\n", dev->name, dev->driver,
           dev->mac[0], dev->mac[1], dev->mac[2], dev->mac[3], dev->mac[4], dev->mac[5], dev->mtu,
           dev->offloads);
    test_open(dev, p, "first");
    refused(dev, p);
    flood(dev);
    check(ping(dev, p, 1000, 2048), "%s: goes on after it", dev->name);
    c = netdev_counters(dev);
    check(c->rx_frames > PINGS && c->tx_frames > PINGS && c->rx_bytes > PINGS * PAYLOAD && c->interrupts > 0,
          "%s: counters", dev->name);
    printf("# %s: %llu interrupts\n", dev->name, (unsigned long long)c->interrupts);
    netdev_close(dev);
    check(send(dev, p, 60, 2048) == -ENODEV, "%s: closed", dev->name);
    before = cor_pages_free();
    test_open(dev, p, "again");
    netdev_close(dev);
    check(cor_pages_free() == before, "%s: all memory is back", dev->name);
    free(p);
}
