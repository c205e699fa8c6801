/* SPDX-License-Identifier: MIT */
#include "toolstack/device/pirq.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include "pvboot/hypercall.h"
#include <xen/physdev.h>

#define CONTROL       2u /* of both capabilities */
#define MSI_ENABLE    0x0001u
#define MSIX_ENABLE   0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_SIZE     0x07ffu
#define MSIX_TABLE    4u
#define NO_LINE       0xffu

/* A line of the interrupt controller: one port for all devices of ours on it. */
struct pirq_line {
    struct loop_port port;
    int gsi;
    struct pirq *users, *turn; /* turn: whose handler comes next, while they run */
    bool running;
    struct pirq_line *next;
};

bool pirq_lines_only;

static struct pirq_line *lines;

static void handle_message(struct loop_task *task)
{
    struct loop_port *port = (struct loop_port *)((char *)task - offsetof(struct loop_port, task));
    struct pirq *pirq = (struct pirq *)((char *)port - offsetof(struct pirq, port));

    pirq->handle(pirq);
}

static int unmap(int number)
{
    struct physdev_unmap_pirq op = {.domid = DOMID_SELF, .pirq = number};

    return (int)hypercall_physdev_op(PHYSDEVOP_unmap_pirq, &op);
}

/*
 * The line's port goes, and itself, unless its handlers are running. The GSI stays mapped: stock Xen takes
 * the right to it away with the mapping.
 */
static void line_end(struct pirq_line *line)
{
    struct pirq_line **at = &lines;

    if (line->running) {
        return;
    }
    while (*at != line) {
        at = &(*at)->next;
    }
    *at = line->next;
    loop_port_close(&line->port);
    free(line);
}

static void handle_line(struct loop_task *task)
{
    struct loop_port *port = (struct loop_port *)((char *)task - offsetof(struct loop_port, task));
    struct pirq_line *line = (struct pirq_line *)((char *)port - offsetof(struct pirq_line, port));
    struct physdev_eoi eoi = {.irq = (uint32_t)line->gsi};

    line->running = true;
    line->turn = line->users;
    while (line->turn) {
        struct pirq *pirq = line->turn;

        line->turn = pirq->next;
        pirq->handle(pirq);
    }
    line->running = false;
    if (line->users) {
        (void)hypercall_physdev_op(PHYSDEVOP_eoi, &eoi);
    } else {
        line_end(line);
    }
}

/* Maps by op, binds, and attaches port. */
static int open_port(struct physdev_map_pirq *op, struct loop_port *port)
{
    struct evtchn_bind_pirq bind = {.flags = BIND_PIRQ__WILL_SHARE};
    int error = (int)hypercall_physdev_op(PHYSDEVOP_map_pirq, op);

    if (error) {
        return error;
    }
    bind.pirq = (uint32_t)op->pirq;
    error = (int)hypercall_event_channel_op(EVTCHNOP_bind_pirq, &bind);
    if (!error) {
        error = loop_port_attach(port, bind.port);
        if (error) {
            struct evtchn_close close = {.port = bind.port};

            (void)hypercall_event_channel_op(EVTCHNOP_close, &close);
        }
    }
    if (error && op->type != MAP_PIRQ_TYPE_GSI) {
        (void)unmap(op->pirq);
    }
    return error;
}

static int open_message(struct pirq *pirq, enum pirq_kind kind, struct physdev_map_pirq *op)
{
    int error;

    pirq->port.task.run = handle_message;
    error = open_port(op, &pirq->port);
    if (!error) {
        pirq->kind = kind;
        pirq->number = op->pirq;
    }
    return error;
}

static int open_line(struct pirq *pirq, int gsi)
{
    struct physdev_map_pirq op = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = gsi, .pirq = gsi};
    struct pirq_line *line = lines;

    while (line && line->gsi != gsi) {
        line = line->next;
    }
    if (!line) {
        int error;

        line = calloc(1, sizeof(*line));
        if (!line) {
            return -ENOMEM;
        }
        line->gsi = gsi;
        line->port.task.run = handle_line;
        error = open_port(&op, &line->port);
        if (error) {
            free(line);
            return error;
        }
        line->next = lines;
        lines = line;
    }
    pirq->kind = PIRQ_LINE;
    pirq->line = line;
    pirq->next = line->users;
    line->users = pirq;
    return 0;
}

static void close_line(struct pirq *pirq)
{
    struct pirq_line *line = pirq->line;
    struct pirq **at = &line->users;

    while (*at != pirq) {
        at = &(*at)->next;
    }
    *at = pirq->next;
    if (line->turn == pirq) {
        line->turn = pirq->next;
    }
    if (!line->users) {
        line_end(line);
    }
}

/* The hypervisor programs messages only of devices that it was told of. */
static int announce(const struct pci_device *d)
{
    struct physdev_pci_device_add add = {.bus = d->bus, .devfn = d->devfn};

    return (int)hypercall_physdev_op(PHYSDEVOP_pci_device_add, &add);
}

void pirq_forget_device(const struct pci_device *device)
{
    struct physdev_pci_device op = {.bus = device->bus, .devfn = device->devfn};

    (void)hypercall_physdev_op(PHYSDEVOP_pci_device_remove, &op); /* it may never have been announced */
}

static struct physdev_map_pirq message(const struct pci_device *d)
{
    return (struct physdev_map_pirq){.domid = DOMID_SELF,
                                     .type = MAP_PIRQ_TYPE_MSI_SEG,
                                     .index = -1,
                                     .pirq = -1,
                                     .bus = d->bus,
                                     .devfn = d->devfn};
}

unsigned pirq_msix_entries(const struct pci_device *device)
{
    unsigned cap = pci_capability(device, PCI_CAP_MSIX, 0);

    return cap && !pirq_lines_only ? (pci_read16(device, cap + CONTROL) & MSIX_SIZE) + 1 : 0;
}

void pirq_msix_off(const struct pci_device *device)
{
    unsigned cap = pci_capability(device, PCI_CAP_MSIX, 0);

    if (cap) {
        pci_write16(device, cap + CONTROL, (uint16_t)(pci_read16(device, cap + CONTROL) & ~MSIX_ENABLE));
    }
}

int pirq_open_msix(struct pirq *pirq, const struct pci_device *device, unsigned entry)
{
    unsigned cap = pci_capability(device, PCI_CAP_MSIX, 0);
    struct physdev_map_pirq op = message(device);
    unsigned control;
    int error;

    if (!cap || entry >= pirq_msix_entries(device)) {
        return -ENOTSUP;
    }
    error = announce(device);
    if (error) {
        return error;
    }
    pirq->device = *device;
    op.entry_nr = (int)entry;
    op.table_base = pci_bar(device, pci_read32(device, cap + MSIX_TABLE) & 7).address;
    /* On before the table is written, as devices want it; each entry is masked until it is bound. */
    control = pci_read16(device, cap + CONTROL);
    pci_write16(device, cap + CONTROL, (uint16_t)(control | MSIX_ENABLE | MSIX_MASK_ALL));
    error = open_message(pirq, PIRQ_MSIX, &op);
    if (!error) {
        control = (control | MSIX_ENABLE) & ~MSIX_MASK_ALL;
    }
    pci_write16(device, cap + CONTROL, (uint16_t)control);
    return error;
}

static int open_msi(struct pirq *pirq, unsigned cap)
{
    struct physdev_map_pirq op = message(&pirq->device);
    int error = announce(&pirq->device);

    error = error ? error : open_message(pirq, PIRQ_MSI, &op);
    if (!error) {
        unsigned control = pci_read16(&pirq->device, cap + CONTROL);

        pci_write16(&pirq->device, cap + CONTROL, (uint16_t)(control | MSI_ENABLE));
    }
    return error;
}

int pirq_open_any(struct pirq *pirq, const struct pci_device *device)
{
    unsigned cap = pci_capability(device, PCI_CAP_MSI, 0);

    pirq->device = *device;
    if (cap && !pirq_lines_only && open_msi(pirq, cap) == 0) {
        return 0;
    }
    if (device->line == 0 || device->line == NO_LINE) {
        return -ENOTSUP;
    }
    return open_line(pirq, device->line);
}

int pirq_open_line(struct pirq *pirq, const struct pci_device *device, unsigned gsi)
{
    pirq->device = *device;
    return open_line(pirq, (int)gsi);
}

void pirq_close(struct pirq *pirq)
{
    enum pirq_kind kind = pirq->kind;
    unsigned cap = kind == PIRQ_MSI ? pci_capability(&pirq->device, PCI_CAP_MSI, 0) : 0;

    pirq->kind = PIRQ_NONE;
    if (cap) {
        unsigned control = pci_read16(&pirq->device, cap + CONTROL);

        pci_write16(&pirq->device, cap + CONTROL, (uint16_t)(control & ~MSI_ENABLE));
    }
    if (kind == PIRQ_LINE) {
        close_line(pirq);
    } else if (kind != PIRQ_NONE) {
        loop_port_close(&pirq->port);
        (void)unmap(pirq->number);
    }
}
