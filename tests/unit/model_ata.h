/* SPDX-License-Identifier: MIT */
/*
 * Models of a disk on an AHCI adapter (AHCI 1.3.1) and on an IDE channel (SFF-8038i): they read, and
 * nothing else.
 */
#ifndef TESTS_UNIT_MODEL_ATA_H
#define TESTS_UNIT_MODEL_ATA_H

#include "tests/unit/device_world.h"

static void ata_identify(uint16_t words[256])
{
    memset(words, 0, 512);
    words[49] = 0x0300;
    words[60] = words[100] = 2048;
    words[83] = 0x4400;
    words[85] = 0x0020;
}

/* ---- AHCI, a disk on port 0 ---- */

static struct {
    uint32_t ghc, is, clb, cmd, ie, port_is, ci;
} ahci;

static uint32_t ahci_read(int bar, unsigned where, unsigned size)
{
    assert_true(bar == 5 && size == 4);
    switch (where) {
    case 0x00:
        return 1u << 31;
    case 0x04:
        return ahci.ghc;
    case 0x08:
        return ahci.is;
    case 0x0c:
        return 1;
    case 0x110:
        return ahci.port_is;
    case 0x118:
        return ahci.cmd | (ahci.cmd & 1) << 15 | (ahci.cmd & 0x10) << 10;
    case 0x120:
        return 0x50;
    case 0x124:
        return 0x101;
    case 0x128:
        return 0x123;
    case 0x138:
        return ahci.ci;
    default:
        return 0;
    }
}

/* Carries out what is in slot 0, with an interrupt. */
static void ahci_tick(void)
{
    const uint32_t *header = (const uint32_t *)(uintptr_t)ahci.clb; // NOLINT
    uint8_t *table;
    uint32_t *segment;
    uint16_t words[256];

    if (!(ahci.ci & 1))
        return;
    assert_true(mastering && (ahci.cmd & 1));
    table = (uint8_t *)(uintptr_t)header[2]; // NOLINT
    segment = (uint32_t *)(void *)(table + 128);
    if (table[2] == 0xec) {
        ata_identify(words);
        memcpy((void *)(uintptr_t)segment[0], words, 512); // NOLINT
    } else {
        memset((void *)(uintptr_t)segment[0], 0x5a, segment[3] + 1); // NOLINT
    }
    ahci.ci = 0;
    ahci.port_is |= 1;
    ahci.is |= 1;
}

static void ahci_write(int bar, unsigned where, unsigned size, uint32_t value)
{
    assert_true(bar == 5 && size == 4);
    switch (where) {
    case 0x04:
        ahci.ghc = value & ~1u;
        break;
    case 0x08:
        ahci.is &= ~value;
        break;
    case 0x100:
        ahci.clb = value;
        break;
    case 0x110:
        ahci.port_is &= ~value;
        break;
    case 0x114:
        ahci.ie = value;
        break;
    case 0x118:
        ahci.cmd = value & 0x17;
        break;
    case 0x138:
        ahci.ci = value;
        if (!ahci.ie)
            ahci_tick(); /* somebody waits for it */
        break;
    default:
        break;
    }
}

static void ahci_begin(void)
{
    static const struct device_model of = {
        .read = ahci_read,
        .write = ahci_write,
        .pci = {.vendor = 0x8086, .device = 0x2922, .class = 0x010601, .line = 11},
        .bars = {[5] = {.address = 0xfebd0000, .size = 0x1100}}};

    memset(&ahci, 0, sizeof(ahci));
    world_begin(&of);
}

/* ---- IDE, a disk as the first of the first channel ---- */

static struct {
    uint8_t status, device, master_status;
    bool busy;
    uint32_t table;
    uint16_t words[256];
    unsigned left; /* words of identification */
} ide;

static uint32_t ide_read(int bar, unsigned where, unsigned size)
{
    assert_int_equal(bar, -1);
    if (where >= 0xc000)
        return where == 0xc002 ? ide.master_status : 0;
    if ((where & 0x80) == 0)
        return ~0u; /* nothing on the second channel */
    if (ide.device & 0x10)
        return 0; /* nor as the second on this one */
    if (where == 0x1f0 && size == 2 && ide.left)
        return ide.words[256 - ide.left--];
    return where == 0x1f7 || where == 0x3f6 ? (ide.busy ? 0xd0u : 0x50u | (ide.left ? 8u : 0u)) : 0;
}

static void ide_write(int bar, unsigned where, unsigned size, uint32_t value)
{
    (void)size;
    assert_int_equal(bar, -1);
    if (where == 0xc002)
        ide.master_status &= (uint8_t)~value;
    else if (where == 0xc004)
        ide.table = value;
    else if (where == 0x1f6)
        ide.device = (uint8_t)value;
    else if (where == 0x1f7 && (ide.device & 0x10)) {
        return; /* nobody hears it */
    } else if (where == 0x1f7 && value == 0xec) {
        ata_identify(ide.words);
        ide.left = 256;
    } else if (where == 0x1f7) {
        ide.busy = true;
    } else if (where == 0x3f6 && (value & 4)) {
        ide.busy = false;
    }
}

static void ide_tick(void)
{
    const uint32_t *segment = (const uint32_t *)(uintptr_t)ide.table; // NOLINT

    if (ide.busy) {
        assert_true(mastering);
        memset((void *)(uintptr_t)segment[0], 0x5a, segment[1] & 0xffff); // NOLINT
        ide.busy = false;
        ide.master_status |= 4;
    }
}

static void ide_begin(void)
{
    static const struct device_model of = {.read = ide_read,
                                           .write = ide_write,
                                           .pci = {.vendor = 0x8086, .device = 0x7010, .class = 0x010180},
                                           .bars = {[4] = {.address = 0xc000, .size = 16, .io = true}}};

    memset(&ide, 0, sizeof(ide));
    world_begin(&of);
}

#endif
