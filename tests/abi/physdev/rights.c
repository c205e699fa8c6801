/* SPDX-License-Identifier: MIT */
/* What this domain gives another of the machine, and what becomes of it when that one ends. */
#define __XEN_TOOLS__ 1
#include "tests/abi/physdev/device.h"
#include <xen/domctl.h>

static long domctl(struct xen_domctl *op, uint32_t cmd, domid_t id)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;
    return hcall(domctl, op);
}

static domid_t child_create(void)
{
    struct xen_domctl op = {0};

    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = 4;
    op.u.createdomain.max_maptrack_frames = 4;
    op.u.createdomain.grant_opts = 1;
    check_eq(domctl(&op, XEN_DOMCTL_createdomain, 0), 0, "a domain");
    return op.domain;
}

static long ports(domid_t id, uint32_t first, uint32_t count, unsigned allow)
{
    struct xen_domctl op = {0};

    op.u.ioport_permission.first_port = first;
    op.u.ioport_permission.nr_ports = count;
    op.u.ioport_permission.allow_access = (uint8_t)allow;
    return domctl(&op, XEN_DOMCTL_ioport_permission, id);
}

static long frames(domid_t id, uint64_t first, uint64_t count, unsigned allow)
{
    struct xen_domctl op = {0};

    op.u.iomem_permission.first_mfn = first;
    op.u.iomem_permission.nr_mfns = count;
    op.u.iomem_permission.allow_access = (uint8_t)allow;
    return domctl(&op, XEN_DOMCTL_iomem_permission, id);
}

static long interrupt(domid_t id, uint32_t pirq, unsigned allow)
{
    struct xen_domctl op = {0};

    op.u.irq_permission.pirq = pirq;
    op.u.irq_permission.allow_access = (uint8_t)allow;
    return domctl(&op, XEN_DOMCTL_irq_permission, id);
}

static void give(domid_t id)
{
    observe(ports(id, 0x1f0, 8, 1), "ports of a disk");
    observe(ports(id, 0x1f4, 1, 0), "not the one in the middle");
    observe(ports(id, 0, 0, 1), "no ports");
    observe(ports(id, 0xffff, 2, 1), "ports beyond the last");
    observe(ports(id, 0xffff, 1, 1), "the last port");
    observe(frames(id, 0xfd000, 16, 1), "frames");
    observe(frames(id, 0xfd000, 16, 0), "and back");
    observe(frames(id, 0xfd000, 0, 1), "no frames");
    observe(frames(id, ~0ul, 2, 1), "frames that wrap");
    observe(frames(id, 1ul << 50, 1, 1), "a frame beyond the processor's");
    observe(interrupt(id, 100000, 1), "an interrupt that is none");
    observe(interrupt(id, 22, 1), "one that is not mapped here");
}

void case_rights(void)
{
    struct physdev_map_pirq map = {.type = MAP_PIRQ_TYPE_GSI};
    struct physdev_unmap_pirq unmap = {0};
    struct xen_domctl op = {0};
    domid_t id = child_create();
    unsigned port;

    check(edu_open(), "the device is there");
    give(id);
    map.index = map.pirq = (int)edu_gsi;
    map.domid = id;
    check_eq(map_gsi((int)edu_gsi, (int)edu_gsi, NULL), 0, "map it here");
    observe(interrupt(id, edu_gsi, 1), "the right to it");
    observe(interrupt(id, edu_gsi, 0), "taken away");
    observe(hcall(physdev_op, PHYSDEVOP_map_pirq, &map), "map it there");
    unmap.domid = id;
    unmap.pirq = map.pirq;
    observe(hcall(physdev_op, PHYSDEVOP_unmap_pirq, &unmap), "unmap it there");
    observe(hcall(physdev_op, PHYSDEVOP_unmap_pirq, &unmap), "twice");
    observe(hcall(physdev_op, PHYSDEVOP_map_pirq, &map), "map it there again");
    check_eq(bind_pirq(edu_gsi, 0, &port), 0, "bind it here");
    check_eq(domctl(&op, XEN_DOMCTL_destroydomain, id), 0, "the other domain ends");
    events_on();
    port_unmask(port);
    edu_write(EDU_RAISE, 1);
    check(came(port, 1), "it is still ours");
    edu_write(EDU_ACK, ~0u);
    eoi(edu_gsi);
    check_eq(port_close(port), 0, "close");
}
