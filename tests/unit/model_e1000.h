/* SPDX-License-Identifier: MIT */
/*
 * A model of Intel's 82540EM (8254x software developer's manual), as much as a driver needs to start and to
 * send.
 */
#ifndef TESTS_UNIT_MODEL_E1000_H
#define TESTS_UNIT_MODEL_E1000_H

#include "tests/unit/device_world.h"

static struct {
    uint32_t registers[0x10000 / 4];
    unsigned nr_sent;
} e1000;

enum {
    E_CTRL = 0,
    E_STATUS = 8,
    E_ICR = 0xc0,
    E_TDBAL = 0x3800,
    E_TDLEN = 0x3808,
    E_TDH = 0x3810,
    E_TDT = 0x3818
};

#define E1000(reg) e1000.registers[(reg) / 4]

static uint32_t e1000_read(int bar, unsigned where, unsigned size)
{
    uint32_t value = E1000(where);

    assert_true(bar == 0 && size == 4);
    if (where == E_ICR)
        E1000(E_ICR) = 0;
    return value;
}

static void e1000_reset(void)
{
    memset(e1000.registers, 0, sizeof(e1000.registers));
    E1000(E_STATUS) = 2;
    E1000(0x5400) = 0x12005452;
    E1000(0x5404) = 0x80005634;
}

static void e1000_write(int bar, unsigned where, unsigned size, uint32_t value)
{
    assert_true(bar == 0 && size == 4);
    if (where == E_CTRL && (value & 1u << 26))
        e1000_reset();
    else
        E1000(where) = value;
}

/* The wire takes what there is. */
static void e1000_tick(void)
{
    struct {
        uint64_t address;
        uint32_t word2, word3;
    } *ring = (void *)(uintptr_t)E1000(E_TDBAL); // NOLINT

    for (uint32_t *head = &E1000(E_TDH); *head != E1000(E_TDT); *head = (*head + 1) % (E1000(E_TDLEN) / 16)) {
        assert_true(mastering);
        if ((ring[*head].word2 & 1u << 27) &&
            (ring[*head].word2 & 1u << 20)) { /* asks for its status: data */
            ring[*head].word3 |= 1;
            e1000.nr_sent++;
            E1000(E_ICR) |= 1;
        }
    }
}

static void e1000_begin(void)
{
    static const struct device_model of = {
        .read = e1000_read,
        .write = e1000_write,
        .pci = {.vendor = 0x8086, .device = 0x100e, .class = 0x020000, .line = 11},
        .bars = {{.address = 0xfebc0000, .size = 0x20000}}};

    memset(&e1000, 0, sizeof(e1000));
    world_begin(&of);
}

#endif
