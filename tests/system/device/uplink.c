/* SPDX-License-Identifier: MIT */
/*
 * A bridge with a card: TCP as guests hand it over, up to 64 KiB to be cut and without checksums, goes out
 * in packets that the host looks at (tests/system/test_devices.py). First cut by the card, if it does that,
 * then by the bridge; the processor's time of each is told. With -icount it is instructions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/system/device/test.h"
#include "toolstack/backend/bridge.h"
#include "toolstack/backend/net_frame.h"
#include "toolstack/backend/uplink.h"

#define MSS4   1448u
#define MSS6   1428u
#define ROUNDS 16u

static const uint8_t ours[6] = {2, 0, 0, 0, 0, 1}, theirs[6] = {2, 0, 0, 0, 0, 2};

static uint32_t sequence = 0xffff8000; /* it goes over */

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

static uint32_t fold(uint32_t total)
{
    total = (total & 0xffff) + (total >> 16);
    return (total & 0xffff) + (total >> 16);
}

/*
 * Headers of `payload` bytes of TCP, with options, the pseudo header's sum in place of the checksum. Their
 * length.
 */
static uint32_t make_headers(uint8_t *data, bool ipv6, uint32_t payload, unsigned mark)
{
    uint8_t *ip = data + 14, *tcp = ip + (ipv6 ? 40 : 20);
    uint32_t length = 32 + payload, pseudo;

    memcpy(data, theirs, 6);
    memcpy(data + 6, ours, 6);
    put16(data + 12, ipv6 ? 0x86dd : 0x0800);
    if (ipv6) {
        ip[0] = 0x60;
        put16(ip + 4, length);
        ip[6] = 6;
        ip[7] = 64;
        ip[8] = ip[24] = 0xfd;
        ip[23] = 1;
        ip[39] = 2;
        pseudo = sum(ip + 8, 32) + 6 + length;
    } else {
        ip[0] = 0x45;
        put16(ip + 2, 20 + length);
        put16(ip + 4, 0xfff0); /* goes over, too */
        ip[8] = 64;
        ip[9] = 6;
        memcpy(ip + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
        put16(ip + 10, ~fold(sum(ip, 20)) & 0xffff);
        pseudo = sum(ip + 12, 8) + 6 + length;
    }
    put16(tcp, mark);
    put16(tcp + 2, 80);
    put16(tcp + 4, sequence >> 16);
    put16(tcp + 6, sequence);
    tcp[12] = 0x80;
    tcp[13] = 0x19; /* FIN, PSH, ACK: the first two are the last packet's */
    put16(tcp + 14, 1000);
    put16(tcp + 16, fold(pseudo));
    memcpy(tcp + 20,
           "\1\1\x08\x0a"
           "abcdefgh",
           12);
    return (uint32_t)(tcp + 32 - data);
}

/* Byte i of the stream of all is a function of its sequence number. */
static struct net_frame_buffer *make_frame(bool ipv6, uint32_t payload, unsigned mark)
{
    uint32_t header = (ipv6 ? 54 : 34) + 32;
    struct net_frame_buffer *frame = frame_new(header + payload);

    memset(frame->data, 0, header);
    make_headers(frame->data, ipv6, payload, mark);
    for (uint32_t i = 0; i < payload; i++) {
        uint32_t at = sequence + i;

        frame->data[header + i] = (uint8_t)(at ^ at >> 8 ^ at >> 16);
    }
    frame->checksum_blank = true;
    if (payload > (ipv6 ? MSS6 : MSS4)) {
        frame->gso = ipv6 ? FRAME_GSO_TCPV6 : FRAME_GSO_TCPV4;
        frame->gso_size = ipv6 ? MSS6 : MSS4;
    }
    sequence += payload;
    return frame;
}

static volatile bool host_is_done;

/* The host has seen all of it, and says so with a frame. */
static void deliver(void *argument, void *handle)
{
    (void)argument, (void)handle;
    host_is_done = true;
}

static void ended(void *argument)
{
    (void)argument;
}

static uint64_t processor_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* What the card has: between the uplink and the driver. */
static struct netdev_ops counted;
static const struct netdev_ops *driver;
static void (*sent)(struct net_packet *packet, int error);
static unsigned under_way;

static void count_sent(struct net_packet *packet, int error)
{
    under_way--;
    sent(packet, error);
}

static int count_send(struct netdev *dev, struct net_packet *packet)
{
    int error;

    sent = packet->done;
    packet->done = count_sent;
    error = driver->send(dev, packet);
    if (error) {
        packet->done = sent;
    }
    under_way += !error;
    return error;
}

/* A frame from the guest, until there is nothing to do any more. */
static void pass(struct bridge_port *port, struct net_frame_buffer *frame)
{
    bridge_input(port, frame->data, frame->length, cor_monotonic_ns(), frame);
    while (under_way) {
        (void)loop_turn(cor_monotonic_ns() + SECOND);
    }
    frame_release(frame);
}

static void pass_all(struct netdev *dev, struct bridge_port *port, bool ipv6, unsigned mark)
{
    uint32_t mss = ipv6 ? MSS6 : MSS4;
    const uint32_t sizes[] = {1, 100, mss, mss + 1, 2 * mss, 4096, 30000, 65535 - 86};
    struct net_frame_buffer *frames[ROUNDS];
    uint64_t begin, used, dropped = dev->counters.tx_errors;
    uint32_t bytes = 0;

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        pass(port, make_frame(ipv6, sizes[i], mark));
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        frames[i] = make_frame(ipv6, 40 * mss, mark);
        bytes += 40 * mss;
    }
    begin = processor_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        pass(port, frames[i]);
    }
    used = processor_ns() - begin;
    printf("# %s IPv%c, cut by %s: %llu ns for %u bytes: %llu.%02llu a byte\n", dev->driver, ipv6 ? '6' : '4',
           dev->offloads & (ipv6 ? NETDEV_TX_TSO6 : NETDEV_TX_TSO4) ? "the card" : "the bridge",
           (unsigned long long)used, (unsigned)bytes, (unsigned long long)(used / bytes),
           (unsigned long long)(used * 100 / bytes % 100));
    check(dev->counters.tx_errors == dropped, "none was lost");
}

void test_uplink(struct netdev *dev)
{
    struct bridge_port_options options = {.learn = 1, .deliver = deliver};
    struct bridge *bridge = bridge_create();
    int error;
    struct uplink *uplink = uplink_open(dev, bridge, ended, NULL, &error);
    struct bridge_port *port = bridge_add(bridge, &options, &error);
    unsigned offloads = dev->offloads;

    if (!check(uplink && port && dev->link_up, "%s: at a bridge", dev->name)) {
        return;
    }
    printf("# card %s (%s)\n", dev->name, dev->driver);
    driver = dev->ops;
    counted = *driver;
    counted.send = count_send;
    dev->ops = &counted;
    for (unsigned mark = 1; mark <= 3; mark++) {
        pass_all(dev, port, false, mark);
        pass_all(dev, port, true, mark + 10);
        /* Without segmentation, then without checksums either. */
        dev->offloads &= mark == 1 ? NETDEV_TX_CHECKSUM | NETDEV_RX_CHECKSUM : 0;
    }
    dev->offloads = offloads;
    while (!host_is_done) {
        (void)loop_turn(cor_monotonic_ns() + SECOND);
    }
    check(uplink_dropped(uplink) == 0, "%s: nothing was dropped", dev->name);
}
