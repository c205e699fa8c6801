/* SPDX-License-Identifier: MIT */
/*
 * A model of a virtio device over PCI (virtio 1.1, 4.1: the modern transport), with split queues (2.6) that
 * the test plays the device on. What a driver must do in a certain order is asserted.
 */
#ifndef TESTS_UNIT_MODEL_VIRTIO_H
#define TESTS_UNIT_MODEL_VIRTIO_H

#include "tests/unit/device_world.h"

#define VQ_MAX 2

/* Where the structures are in BAR 4. */
enum { V_COMMON = 0, V_ISR = 0x1000, V_DEVICE = 0x2000, V_NOTIFY = 0x3000 };

static struct {
    uint64_t offers, accepted;
    uint32_t device_select, driver_select;
    uint8_t status, isr;
    uint8_t config[64];
    uint16_t select;
    bool refuses, never_resets;
    struct {
        uint16_t size, enabled;
        uint32_t address[6]; /* descriptors, available, used: low and high */
        uint16_t seen, used;
        unsigned kicks;
    } queue[VQ_MAX];
} vdev;

static uint32_t *vq_register(unsigned where)
{
    assert_true(where >= 32 && where < 56 && vdev.select < VQ_MAX);
    return &vdev.queue[vdev.select].address[(where - 32) / 4];
}

static void vdev_reset(void)
{
    vdev.status = vdev.isr = 0;
    vdev.accepted = 0;
    for (unsigned i = 0; i < VQ_MAX; i++) {
        unsigned size = vdev.queue[i].size;

        memset(&vdev.queue[i], 0, sizeof(vdev.queue[i]));
        vdev.queue[i].size = (uint16_t)size;
    }
}

static uint32_t vdev_common_read(unsigned where)
{
    switch (where) {
    case 4:
        return (uint32_t)(vdev.offers >> (vdev.device_select ? 32 : 0));
    case 16:
    case 26:
        return 0xffff;
    case 20:
        return vdev.status;
    case 24:
        return vdev.select < VQ_MAX ? vdev.queue[vdev.select].size : 0;
    case 30:
        return vdev.select;
    default:
        fail_msg("a read of common register %u", where);
        return 0;
    }
}

static void vdev_set_status(unsigned value)
{
    if (value == 0) {
        if (!vdev.never_resets)
            vdev_reset();
    } else if ((value & 8) && (vdev.refuses || (vdev.accepted & ~vdev.offers))) {
        vdev.status = (uint8_t)(value & ~8u);
    } else {
        vdev.status = (uint8_t)value;
    }
}

static void vdev_common_write(unsigned where, uint32_t value)
{
    uint64_t mask;

    switch (where) {
    case 0:
        vdev.device_select = value;
        break;
    case 8:
        vdev.driver_select = value;
        break;
    case 12:
        assert_false(vdev.status & 8);
        mask = vdev.driver_select ? 0xffffffff00000000 : 0xffffffff;
        vdev.accepted = (vdev.accepted & ~mask) | ((uint64_t)value << (vdev.driver_select ? 32 : 0));
        break;
    case 16:
    case 26:
        break;
    case 20:
        vdev_set_status(value);
        break;
    case 22:
        vdev.select = (uint16_t)value;
        break;
    case 24:
        vdev.queue[vdev.select].size = (uint16_t)value;
        break;
    case 28:
        assert_true(vdev.status & 8);
        vdev.queue[vdev.select].enabled = (uint16_t)value;
        break;
    default:
        *vq_register(where) = value;
    }
}

static uint32_t vdev_read(int bar, unsigned where, unsigned size)
{
    uint32_t value = 0;

    assert_int_equal(bar, 4);
    if (where < V_ISR)
        return vdev_common_read(where);
    if (where == V_ISR) {
        value = vdev.isr;
        vdev.isr = 0;
        return value;
    }
    assert_true(where >= V_DEVICE && where + size <= V_DEVICE + sizeof(vdev.config));
    memcpy(&value, vdev.config + where - V_DEVICE, size);
    return value;
}

static void vdev_write(int bar, unsigned where, unsigned size, uint32_t value)
{
    assert_int_equal(bar, 4);
    if (where >= V_NOTIFY) {
        unsigned queue = (where - V_NOTIFY) / 4;

        assert_true(size == 2 && queue < VQ_MAX && value == queue && (vdev.status & 4));
        vdev.queue[queue].kicks++;
    } else {
        assert_true(where < V_ISR);
        vdev_common_write(where, value);
    }
}

static struct device_model vdev_model = {.read = vdev_read,
                                         .write = vdev_write,
                                         .pci = {.vendor = 0x1af4, .line = 11},
                                         .bars = {[4] = {.address = 0xfe000000, .size = 0x4000}}};

static void vdev_capability(unsigned at, unsigned next, unsigned kind, uint32_t offset, uint32_t length)
{
    config[at] = PCI_CAP_VEND;
    config[at + 1] = (uint8_t)next;
    config[at + 3] = (uint8_t)kind;
    config[at + 4] = 4;
    memcpy(config + at + 8, &offset, 4);
    memcpy(config + at + 12, &length, 4);
    config[at + 16] = 4; /* of a notification: the step */
}

/* A device of that type (1: network) with these features and queues. */
static void vdev_begin(unsigned type, uint64_t features, unsigned queue_size)
{
    memset(&vdev, 0, sizeof(vdev));
    vdev.offers = features | 1ull << 32;
    for (unsigned i = 0; i < VQ_MAX; i++)
        vdev.queue[i].size = (uint16_t)queue_size;
    vdev_model.pci.device = (uint16_t)(0x1040 + type);
    world_begin(&vdev_model);
    config[0x34] = 0x40;
    vdev_capability(0x40, 0x60, 1, V_COMMON, 56);
    vdev_capability(0x60, 0x80, 2, V_NOTIFY, 0x1000);
    vdev_capability(0x80, 0xa0, 3, V_ISR, 1);
    vdev_capability(0xa0, 0, 4, V_DEVICE, sizeof(vdev.config));
}

/* ---- the device's end of a queue ---- */

struct vdesc {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

static void *vq_memory(unsigned queue, unsigned part)
{
    return (void *)(uintptr_t)(vdev.queue[queue].address[part * 2] |
                               (uint64_t)vdev.queue[queue].address[part * 2 + 1] << 32); // NOLINT
}

/* The next request: its descriptors, how many; 0: there is none. *head names it. */
static unsigned vq_take(unsigned queue, struct vdesc *chain, unsigned *head)
{
    const struct vdesc *all = vq_memory(queue, 0);
    const uint16_t *available = vq_memory(queue, 1);
    unsigned n = 0, at, size = vdev.queue[queue].size;

    assert_true(mastering && (vdev.status & 4) && vdev.queue[queue].enabled);
    if (available[1] == vdev.queue[queue].seen)
        return 0;
    at = *head = available[2 + vdev.queue[queue].seen++ % size];
    do {
        assert_true(at < size && n < size);
        chain[n] = all[at];
        at = chain[n].next;
    } while (chain[n++].flags & 1);
    return n;
}

/* It is over; the device wrote so much. No interrupt yet. */
static void vq_give(unsigned queue, unsigned head, uint32_t written)
{
    uint16_t *used = vq_memory(queue, 2);
    uint32_t *entry = (uint32_t *)(void *)(used + 2) + (vdev.queue[queue].used % vdev.queue[queue].size) * 2u;

    entry[0] = head;
    entry[1] = written;
    used[1] = ++vdev.queue[queue].used;
    vdev.isr |= 1;
}

#endif
