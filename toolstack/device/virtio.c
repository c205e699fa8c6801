/* SPDX-License-Identifier: MIT */
/* The transports; the queues are in virtqueue.c. */
#include "toolstack/device/virtio.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/device/mmio.h"
#include "toolstack/device/port.h"
#include "toolstack/device/virtqueue.h"

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER      2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 64u
#define STATUS_FAILED      128u
#define ISR_CONFIG         2u
#define NO_VECTOR          0xffffu
#define RESET_WAIT         1000000000ull /* ns */

/* Modern: fields of the common configuration (4.1.4.3). */
enum {
    M_DEVICE_SELECT = 0,
    M_DEVICE_FEATURE = 4,
    M_DRIVER_SELECT = 8,
    M_DRIVER_FEATURE = 12,
    M_CONFIG_VECTOR = 16,
    M_STATUS = 20,
    M_QUEUE_SELECT = 22,
    M_QUEUE_SIZE = 24,
    M_QUEUE_VECTOR = 26,
    M_QUEUE_ENABLE = 28,
    M_QUEUE_NOTIFY = 30,
    M_QUEUE_DESC = 32,
    M_QUEUE_DRIVER = 40,
    M_QUEUE_DEVICE = 48,
    M_SIZE = 56
};

/* Legacy: ports (4.1.4.8). */
enum {
    L_DEVICE_FEATURE = 0,
    L_DRIVER_FEATURE = 4,
    L_QUEUE_FRAME = 8,
    L_QUEUE_SIZE = 12,
    L_QUEUE_SELECT = 14,
    L_NOTIFY = 16,
    L_STATUS = 18,
    L_ISR = 19,
    L_CONFIG_VECTOR = 20,
    L_QUEUE_VECTOR = 22,
    L_CONFIG = 20,
    L_CONFIG_MSIX = 24
};

/* Kinds of structures that the capabilities name (4.1.4). */
enum { CFG_COMMON = 1, CFG_NOTIFY, CFG_ISR, CFG_DEVICE };

unsigned virtio_type(const struct pci_device *pci)
{
    if (pci->vendor != VIRTIO_VENDOR || pci->device < 0x1000 || pci->device > 0x107f) {
        return 0;
    }
    return pci->device >= 0x1040 ? pci->device - 0x1040u : pci->subdevice;
}

static uint32_t read_at(volatile uint8_t *base, unsigned offset, unsigned size)
{
    return size == 1   ? mmio_read8(base, offset)
           : size == 2 ? mmio_read16(base, offset)
                       : mmio_read32(base, offset);
}

static void write_at(volatile uint8_t *base, unsigned offset, unsigned size, uint32_t value)
{
    if (size == 1) {
        mmio_write8(base, offset, (uint8_t)value);
    } else if (size == 2) {
        mmio_write16(base, offset, (uint16_t)value);
    } else {
        mmio_write32(base, offset, value);
    }
}

static uint32_t port_read(uint16_t port, unsigned size)
{
    return size == 1 ? port_in8(port) : size == 2 ? port_in16(port) : port_in32(port);
}

static unsigned status_read(const struct virtio *v)
{
    return v->modern ? read_at(v->common, M_STATUS, 1) : port_in8(v->port + L_STATUS);
}

static void status_write(const struct virtio *v, unsigned status)
{
    if (v->modern) {
        write_at(v->common, M_STATUS, 1, status);
    } else {
        port_out8(v->port + L_STATUS, (uint8_t)status);
    }
}

uint32_t virtio_config(struct virtio *v, unsigned offset, unsigned size)
{
    if (!v->modern) {
        return port_read((uint16_t)(v->port + (v->msix ? L_CONFIG_MSIX : L_CONFIG) + offset), size);
    }
    return offset + size <= v->config_size ? read_at(v->config, offset, size) : 0;
}

bool virtio_alive(struct virtio *v)
{
    unsigned status = status_read(v);

    return !v->broken && status != 0xff && (status & STATUS_DRIVER_OK) && !(status & STATUS_NEEDS_RESET);
}

/* Maps the structure of a kind; NULL: there is none, or it is too small. */
static volatile uint8_t *map_structure(struct virtio *v, unsigned kind, size_t least, size_t *size)
{
    const struct pci_device *d = &v->pci;

    for (unsigned at = pci_capability(d, PCI_CAP_VEND, 0); at; at = pci_capability(d, PCI_CAP_VEND, at)) {
        volatile void *p;

        *size = pci_read32(d, at + 12);
        if (pci_read8(d, at + 3) != kind || *size < least) {
            continue;
        }
        *size = *size < 0x10000 ? *size : 0x10000;
        p = pci_map(d, pci_read8(d, at + 4), pci_read32(d, at + 8), *size);
        if (p) {
            v->notify_unit = kind == CFG_NOTIFY ? pci_read32(d, at + 16) : v->notify_unit;
            return p;
        }
    }
    return NULL;
}

static void unmap_all(struct virtio *v)
{
    pci_unmap(v->common, v->common_size);
    pci_unmap(v->notify, v->notify_size);
    pci_unmap(v->isr, v->isr_size);
    pci_unmap(v->config, v->config_size);
    v->common = v->notify = v->isr = v->config = NULL;
}

static bool find_transport(struct virtio *v)
{
    struct pci_bar bar;

    v->common = map_structure(v, CFG_COMMON, M_SIZE, &v->common_size);
    v->notify = map_structure(v, CFG_NOTIFY, 2, &v->notify_size);
    v->isr = map_structure(v, CFG_ISR, 1, &v->isr_size);
    v->config = map_structure(v, CFG_DEVICE, 1, &v->config_size);
    v->modern = v->common && v->notify && v->isr && v->config;
    if (v->modern) {
        return true;
    }
    unmap_all(v);
    bar = pci_bar(&v->pci, 0);
    v->port = (uint16_t)bar.address;
    return v->pci.device < 0x1040 && bar.io && bar.size >= L_CONFIG_MSIX;
}

static bool reset(struct virtio *v)
{
    uint64_t end = cor_monotonic_ns() + RESET_WAIT;

    status_write(v, 0);
    while (status_read(v) != 0 && pci_present(&v->pci) && cor_monotonic_ns() < end) {
    }
    return status_read(v) == 0;
}

static uint64_t offered(const struct virtio *v)
{
    uint64_t low;

    if (!v->modern) {
        return port_in32(v->port + L_DEVICE_FEATURE);
    }
    write_at(v->common, M_DEVICE_SELECT, 4, 0);
    low = read_at(v->common, M_DEVICE_FEATURE, 4);
    write_at(v->common, M_DEVICE_SELECT, 4, 1);
    return (uint64_t)read_at(v->common, M_DEVICE_FEATURE, 4) << 32 | low;
}

/* True if the device takes them. */
static bool accept(const struct virtio *v, unsigned status)
{
    if (!v->modern) {
        port_out32(v->port + L_DRIVER_FEATURE, (uint32_t)v->features);
        return true;
    }
    write_at(v->common, M_DRIVER_SELECT, 4, 0);
    write_at(v->common, M_DRIVER_FEATURE, 4, (uint32_t)v->features);
    write_at(v->common, M_DRIVER_SELECT, 4, 1);
    write_at(v->common, M_DRIVER_FEATURE, 4, (uint32_t)(v->features >> 32));
    status_write(v, status | STATUS_FEATURES_OK);
    return status_read(v) & STATUS_FEATURES_OK;
}

int virtio_open(struct virtio *v, const struct pci_device *pci, uint64_t wanted)
{
    void (*changed)(struct virtio *) = v->changed;

    *v = (struct virtio){.pci = *pci, .type = virtio_type(pci), .changed = changed};
    pci_enable(pci, true);
    if (!find_transport(v)) {
        pci_quiesce(pci);
        return -ENOTSUP;
    }
    if (!reset(v)) {
        pci_quiesce(pci);
        unmap_all(v);
        return -EIO;
    }
    status_write(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    v->features = offered(v) & (wanted | (v->modern ? VIRTIO_F_VERSION_1 : 0));
    if ((v->modern && !(v->features & VIRTIO_F_VERSION_1)) ||
        !accept(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER)) {
        status_write(v, STATUS_FAILED);
        pci_quiesce(pci);
        unmap_all(v);
        return -EIO;
    }
    return 0;
}

static void address_write(const struct virtio *v, unsigned offset, uint64_t address)
{
    write_at(v->common, offset, 4, (uint32_t)address);
    write_at(v->common, offset + 4, 4, (uint32_t)(address >> 32));
}

int virtio_queue_open(struct virtio *v, struct virtqueue *q, unsigned index)
{
    unsigned size;
    uint64_t machine;
    int error;

    if (v->nr_queues == VIRTIO_QUEUES) {
        return -ENOTSUP;
    }
    if (v->modern) {
        write_at(v->common, M_QUEUE_SELECT, 2, index);
        size = read_at(v->common, M_QUEUE_SIZE, 2);
        size = size < VIRTIO_QUEUE_MAX ? size : VIRTIO_QUEUE_MAX;
    } else {
        port_out16(v->port + L_QUEUE_SELECT, (uint16_t)index);
        size = port_in16(v->port + L_QUEUE_SIZE);
    }
    if (size == 0 || size & (size - 1)) {
        return -ENOTSUP;
    }
    error = virtqueue_make(q, v, index, size, &machine);
    if (error) {
        return error;
    }
    if (v->modern) {
        uint64_t offset = (uint64_t)read_at(v->common, M_QUEUE_NOTIFY, 2) * v->notify_unit;

        if (offset + 2 > v->notify_size) {
            virtqueue_free(q);
            return -ENOTSUP;
        }
        q->notify = v->notify + offset;
        write_at(v->common, M_QUEUE_SIZE, 2, size);
        address_write(v, M_QUEUE_DESC, machine);
        address_write(v, M_QUEUE_DRIVER, machine + virtqueue_available_offset(size));
        address_write(v, M_QUEUE_DEVICE, machine + virtqueue_used_offset(size));
    } else {
        port_out32(v->port + L_QUEUE_FRAME, (uint32_t)(machine / 4096));
    }
    v->queues[v->nr_queues++] = q;
    return 0;
}

/* The device's only interrupt, or that of its configuration. */
static void interrupted(struct pirq *pirq)
{
    struct virtio *v = (struct virtio *)((char *)pirq - offsetof(struct virtio, pirq));
    unsigned isr = ISR_CONFIG;

    if (!v->msix) {
        isr = v->modern ? mmio_read8(v->isr, 0) : port_in8(v->port + L_ISR);
        if (isr == 0 || isr == 0xff) {
            isr = isr ? ISR_CONFIG : 0; /* all ones: it is gone, which its driver finds out */
        }
    }
    if ((isr & ISR_CONFIG) && v->changed) {
        v->changed(v);
    }
    for (unsigned i = 0; isr && !v->msix && i < v->nr_queues; i++) {
        virtqueue_interrupted(v->queues[i]);
    }
}

static void queue_interrupted(struct pirq *pirq)
{
    virtqueue_interrupted((struct virtqueue *)((char *)pirq - offsetof(struct virtqueue, pirq)));
}

/* Tells the device which entry of its table a queue (or the configuration: NULL) uses; false: it will not. */
static bool set_vector(struct virtio *v, const struct virtqueue *q, unsigned vector)
{
    unsigned reg =
        v->modern ? (q ? M_QUEUE_VECTOR : M_CONFIG_VECTOR) : (q ? L_QUEUE_VECTOR : L_CONFIG_VECTOR);

    if (v->modern) {
        if (q) {
            write_at(v->common, M_QUEUE_SELECT, 2, q->index);
        }
        write_at(v->common, reg, 2, vector);
        return read_at(v->common, reg, 2) == vector;
    }
    if (q) {
        port_out16(v->port + L_QUEUE_SELECT, (uint16_t)q->index);
    }
    port_out16((uint16_t)(v->port + reg), (uint16_t)vector);
    return port_in16((uint16_t)(v->port + reg)) == vector;
}

static void close_interrupts(struct virtio *v)
{
    for (unsigned i = 0; i < v->nr_queues; i++) {
        pirq_close(&v->queues[i]->pirq);
    }
    pirq_close(&v->pirq);
}

/* A message for each queue, and one for the configuration. */
static bool open_msix(struct virtio *v)
{
    if (pirq_msix_entries(&v->pci) <= v->nr_queues || pirq_open_msix(&v->pirq, &v->pci, 0) != 0) {
        return false;
    }
    v->msix = true;
    for (unsigned i = 0; i < v->nr_queues; i++) {
        struct virtqueue *q = v->queues[i];

        q->pirq.handle = queue_interrupted;
        if (pirq_open_msix(&q->pirq, &v->pci, i + 1) != 0 || !set_vector(v, q, i + 1)) {
            close_interrupts(v);
            return false;
        }
    }
    return set_vector(v, NULL, 0);
}

int virtio_go(struct virtio *v)
{
    int error = 0;

    v->pirq.handle = interrupted;
    if (!open_msix(v)) {
        close_interrupts(v);
        if (v->msix) {
            pirq_msix_off(&v->pci);
            v->msix = false;
        }
        error = pirq_open_any(&v->pirq, &v->pci);
    }
    if (error) {
        return error;
    }
    for (unsigned i = 0; v->modern && i < v->nr_queues; i++) {
        write_at(v->common, M_QUEUE_SELECT, 2, v->queues[i]->index);
        write_at(v->common, M_QUEUE_ENABLE, 2, 1);
    }
    status_write(v, status_read(v) | STATUS_DRIVER_OK);
    return virtio_alive(v) ? 0 : -EIO;
}

void virtio_notify(struct virtqueue *q)
{
    struct virtio *v = q->device;

    if (v->modern) {
        mmio_write16(q->notify, 0, (uint16_t)q->index);
    } else {
        port_out16(v->port + L_NOTIFY, (uint16_t)q->index);
    }
}

void virtio_close(struct virtio *v)
{
    (void)reset(v);
    pci_quiesce(&v->pci);
    close_interrupts(v);
    if (v->msix) {
        pirq_msix_off(&v->pci);
        v->msix = false;
    }
    for (unsigned i = 0; i < v->nr_queues; i++) {
        virtqueue_free(v->queues[i]);
    }
    v->nr_queues = 0;
    unmap_all(v);
}
