/* SPDX-License-Identifier: MIT */
/* A model of the RTL8139C (its datasheet, 5 and 6), as much as a driver can see. */
#ifndef TESTS_UNIT_MODEL_RTL8139_H
#define TESTS_UNIT_MODEL_RTL8139_H

#include "tests/unit/device_world.h"

static const uint8_t r8139_mac[6] = {0x52, 0x54, 0, 1, 2, 3};

static struct {
    uint8_t command;
    uint16_t mask, status, capr, cbr;
    uint32_t tsd[4], tsad[4], rbstart, rcr, missed;
    bool link, stuck, never_resets;
    uint32_t fate;   /* of the next packets: bits of TSD */
    unsigned resets; /* of the whole, and of the receiver */
    unsigned starts;
    uint8_t sent[1792]; /* the last packet */
    unsigned sent_length, nr_sent;
} r8139;

#define RING_SIZE (8192u << (r8139.rcr >> 11 & 3))

static void r8139_reset(void)
{
    r8139.command = 0;
    r8139.mask = r8139.status = 0;
    r8139.capr = 0xfff0;
    r8139.cbr = 0;
    for (unsigned i = 0; i < 4; i++)
        r8139.tsd[i] = 0x2000;
    r8139.resets++;
}

static uint32_t r8139_read(int bar, unsigned where, unsigned size)
{
    assert_int_equal(bar, 1);
    if (where < 6 && size == 1)
        return r8139_mac[where];
    if (where >= 0x10 && where < 0x20 && size == 4)
        return r8139.tsd[(where - 0x10) / 4];
    switch (where << 4 | size) {
    case 0x371:
        return r8139.command | (uint8_t)(((r8139.capr + 16u) & 0xffff) % RING_SIZE == r8139.cbr);
    case 0x3e2:
        return r8139.status;
    case 0x4c4:
        return r8139.missed;
    case 0x581:
        return r8139.link ? 0x90 : 0x94;
    default:
        fail_msg("a read of %u bytes at 0x%x", size, where);
        return 0;
    }
}

static void r8139_transmit(unsigned i, uint32_t value)
{
    assert_true(mastering && (r8139.command & 4));
    assert_true(r8139.tsd[i] & 0x2000); /* it is the driver's */
    assert_int_equal(i, r8139.nr_sent % 4);
    assert_int_equal(r8139.tsad[i] % 4, 0);
    r8139.sent_length = value & 0x1fff;
    assert_true(r8139.sent_length >= 60 && r8139.sent_length <= sizeof(r8139.sent));
    memcpy(r8139.sent, (const void *)(uintptr_t)r8139.tsad[i], r8139.sent_length); // NOLINT
    r8139.nr_sent++;
    r8139.tsd[i] = value & 0x1fff;
}

/* The wire takes what it has. */
static void r8139_complete(void)
{
    for (unsigned i = 0; i < 4 && !r8139.stuck; i++) {
        if (!(r8139.tsd[i] & 0x2000)) {
            r8139.tsd[i] |= 0x2000 | (r8139.fate ? r8139.fate : 0x8000);
            r8139.status |= r8139.fate ? 8 : 4;
        }
    }
}

static void r8139_write(int bar, unsigned where, unsigned size, uint32_t value)
{
    assert_int_equal(bar, 1);
    if (where >= 0x10 && where < 0x20 && size == 4) {
        r8139_transmit((where - 0x10) / 4, value);
        return;
    }
    if (where >= 0x20 && where < 0x30 && size == 4) {
        r8139.tsad[(where - 0x20) / 4] = value;
        return;
    }
    switch (where << 4 | size) {
    case 0x084:
    case 0x0c4:
        assert_int_equal(value, ~0u);
        break;
    case 0x304:
        assert_false(r8139.command & 8);
        r8139.rbstart = value;
        r8139.cbr = 0;
        r8139.starts++;
        break;
    case 0x371:
        if ((value & 0x10) && r8139.never_resets)
            r8139.command = 0x10;
        else if (value & 0x10)
            r8139_reset();
        else
            r8139.command = (uint8_t)(value & 0x0c);
        break;
    case 0x382:
        r8139.capr = (uint16_t)value;
        break;
    case 0x3c2:
        r8139.mask = (uint16_t)value;
        break;
    case 0x3e2:
        r8139.status &= (uint16_t)~value;
        break;
    case 0x404:
        for (unsigned i = 0; i < 4 && (value & 1); i++) /* the aborted ones are the driver's again */
            r8139.tsd[i] |= 0x2000;
        break;
    case 0x444:
        r8139.rcr = value;
        break;
    case 0x4c4:
        r8139.missed = 0;
        break;
    default:
        fail_msg("a write of %u bytes at 0x%x", size, where);
    }
}

static const struct device_model r8139_model = {
    .read = r8139_read,
    .write = r8139_write,
    .pci = {.vendor = 0x10ec, .device = 0x8139, .class = 0x020000, .line = 11},
    .bars = {{.address = 0xc000, .size = 256, .io = true}, {.address = 0xfebf0000, .size = 256}}};

/* Bytes into the ring, which end behind it if they begin in it. */
static void r8139_put(unsigned at, const void *data, unsigned length)
{
    assert_true(mastering);
    memcpy((char *)(uintptr_t)r8139.rbstart + at, data, length); // NOLINT
}

/* A frame comes in, with any header. False: there was no room. */
static bool r8139_receive_as(const uint8_t *frame, unsigned length, uint16_t status, uint16_t said)
{
    const uint16_t header[2] = {status, said};
    unsigned used = (r8139.cbr - ((r8139.capr + 16u) & 0xffff)) % RING_SIZE,
             whole = (length + 4 + 4 + 3) & ~3u;

    assert_true((r8139.rcr & 0x80) && r8139.cbr % 4 == 0);
    if (!(r8139.command & 8))
        return false;
    if (used + whole >= RING_SIZE) {
        r8139.missed++;
        r8139.status |= 0x10;
        return false;
    }
    r8139_put(r8139.cbr, header, 4);
    r8139_put(r8139.cbr + 4u, frame, length);
    r8139_put(r8139.cbr + 4u + length, "\xde\xad\xbe\xef", 4);
    r8139.cbr = (uint16_t)((r8139.cbr + whole) % RING_SIZE);
    r8139.status |= 1;
    return true;
}

static bool r8139_receive(const uint8_t *frame, unsigned length)
{
    return r8139_receive_as(frame, length, 1, (uint16_t)(length + 4));
}

static void r8139_begin(void)
{
    memset(&r8139, 0, sizeof(r8139));
    r8139.link = true;
    r8139_reset();
    r8139.resets = 0;
    world_begin(&r8139_model);
}

#endif
