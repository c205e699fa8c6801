/* SPDX-License-Identifier: MIT */
/*
 * Physical interrupts of domains: the numbers that a domain has for them, and their ports. line.c is the
 * machine's side.
 *
 * One lock guards all of it: the tables of domains, the lines, the I/O APICs and the devices' messages. The
 * interrupt's handler takes it, too, and inside it the event_lock of the guests.
 */
#include "hypervisor/include/pirq.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/event/line.h"
#include "hypervisor/event/port.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/map.h"

#define EXTRA_PIRQS 256 /* beyond the GSIs, as stock Xen's default is */
#define LEGACY      16  /* the first number that a GSI gets without asking for one */

unsigned pirq_count(void)
{
    return ioapic_gsis() + EXTRA_PIRQS;
}

/* d's entry, if there is such a number and d has a table. */
static struct pirq *pirq_find(const struct domain *d, unsigned pirq)
{
    return d->pirqs && pirq < pirq_count() ? &d->pirqs[pirq] : NULL;
}

static bool is_free(const struct pirq *p)
{
    return !p->irq && !p->port && !p->reserved;
}

/* A number that is free; -ENOSPC. */
static int find_free(const struct domain *d, int type)
{
    unsigned gsis = ioapic_gsis();

    for (unsigned i = LEGACY; type == MAP_PIRQ_TYPE_GSI && i < gsis; i++) {
        if (is_free(&d->pirqs[i])) {
            return (int)i;
        }
    }
    for (unsigned i = pirq_count() - 1; i >= gsis; i--) {
        if (is_free(&d->pirqs[i])) {
            return (int)i;
        }
    }
    return -ENOSPC;
}

static int table_create(struct domain *d)
{
    if (!d->pirqs) {
        d->pirqs = heap_alloc(pirq_count() * sizeof(struct pirq), d);
    }
    return d->pirqs ? 0 : -ENOMEM;
}

/* The number by which d already knows irq; -1: none. */
static int number_of(const struct domain *d, uint32_t irq)
{
    for (unsigned i = 0; i < pirq_count(); i++) {
        if (d->pirqs[i].irq == irq) {
            return (int)i;
        }
    }
    return -1;
}

/* Maps irq to the number that is asked for, or (negative) to the one it has or a free one. The number, or an
 * errno. */
static int map_number(struct domain *d, uint32_t irq, int want, int type)
{
    int has = number_of(d, irq);
    struct pirq *p;

    if (has >= 0) {
        return want < 0 || want == has ? has : -EEXIST;
    }
    want = want < 0 ? find_free(d, type) : want;
    if (want < 0) {
        return want;
    }
    p = pirq_find(d, (unsigned)want);
    if (!p) {
        return -EINVAL;
    }
    if (p->irq || p->port) {
        return -EBUSY;
    }
    if (!d->privileged && io_allow(d, IO_IRQS, irq, irq, true) != 0) {
        return -ENOMEM;
    }
    *p = (struct pirq){.irq = irq};
    return want;
}

static int map_gsi(struct domain *d, const struct physdev_map_pirq *map)
{
    if (map->index < 0 || !ioapic_has((unsigned)map->index)) {
        return -EINVAL;
    }
    /* GSI 0 is the timer's, which is ours, however it is wired. */
    if (map->index == 0 ||
        !io_allowed(current_domain(), IO_IRQS, (unsigned)map->index, (unsigned)map->index)) {
        return -EPERM;
    }
    return map_number(d, (uint32_t)map->index, map->pirq, map->type);
}

static int map_msi(struct domain *d, const struct physdev_map_pirq *map)
{
    unsigned bus = (unsigned)map->bus & 0xffff, devfn = (unsigned)map->devfn;
    bool segment = map->type == MAP_PIRQ_TYPE_MSI_SEG && map->bus >> 16;
    uint32_t irq;
    int rc =
        segment ? -ENODEV : line_message(bus, devfn, map->table_base != 0, (unsigned)map->entry_nr, &irq);

    if (rc != 0) {
        return rc;
    }
    rc = map_number(d, irq, map->pirq, map->type);
    if (rc < 0) {
        line_message_end(irq);
    } else {
        line_message_begin(irq);
    }
    return rc;
}

int pirq_map(struct domain *d, struct physdev_map_pirq *map)
{
    int rc;

    spin_lock(&pirq_lock);
    rc = table_create(d);
    if (rc == 0) {
        switch (map->type) {
        case MAP_PIRQ_TYPE_GSI:
            rc = map_gsi(d, map);
            break;
        case MAP_PIRQ_TYPE_MSI:
        case MAP_PIRQ_TYPE_MSI_SEG:
            rc = map_msi(d, map);
            break;
        case MAP_PIRQ_TYPE_MULTI_MSI: /* several need aligned vectors: as stock Xen without remapping */
            rc = -EOPNOTSUPP;
            break;
        default:
            rc = -EINVAL;
            break;
        }
    }
    spin_unlock(&pirq_lock);
    if (rc < 0) {
        return rc;
    }
    map->pirq = rc;
    return 0;
}

static void unmap(struct domain *d, unsigned pirq)
{
    struct pirq *p = &d->pirqs[pirq];

    line_leave(d, pirq, p);
    if (irq_is_message(p->irq)) {
        line_message_end(p->irq);
    }
    if (!d->privileged) {
        (void)io_allow(d, IO_IRQS, p->irq, p->irq, false);
    }
    *p = (struct pirq){.port = p->port};
}

int pirq_unmap(struct domain *d, int pirq)
{
    const struct pirq *p;
    int rc = -EINVAL;

    spin_lock(&pirq_lock);
    p = pirq_find(d, (unsigned)pirq);
    if (p && p->irq) {
        unmap(d, (unsigned)pirq);
        rc = 0;
    }
    spin_unlock(&pirq_lock);
    return rc;
}

int pirq_get_free(struct domain *d, int type)
{
    int rc;

    spin_lock(&pirq_lock);
    rc = table_create(d);
    rc = rc ? rc : find_free(d, type);
    if (rc >= 0) {
        d->pirqs[rc].reserved = true;
    }
    spin_unlock(&pirq_lock);
    return rc;
}

int pirq_permit(struct domain *d, unsigned pirq, bool allow)
{
    struct domain *self = current_domain();
    const struct pirq *p;
    int rc = -EPERM;

    if (pirq >= pirq_count()) {
        return -EINVAL;
    }
    spin_lock(&pirq_lock);
    p = pirq_find(self, pirq);
    if (p && p->irq && io_allowed(self, IO_IRQS, p->irq, p->irq)) {
        rc = io_allow(d, IO_IRQS, p->irq, p->irq, allow);
    }
    spin_unlock(&pirq_lock);
    return rc;
}

/* Tells the guest whether this one needs eoi, if it has a page for that. */
static void eoi_map_note(const struct domain *d, unsigned pirq, bool needed)
{
    if (d->pirq_eoi_map.v) {
        uint64_t *map = map_frame(d->pirq_eoi_map);
        uint64_t bit = 1ul << pirq % 64;

        if (needed) {
            __atomic_fetch_or(&map[pirq / 64], bit, __ATOMIC_RELAXED);
        } else {
            __atomic_fetch_and(&map[pirq / 64], ~bit, __ATOMIC_RELAXED);
        }
        unmap_frame(map);
    }
}

static int bind_locked(struct domain *d, struct evtchn_bind_pirq *op, struct pirq *p)
{
    int port, rc;

    if (p->port) {
        return -EEXIST;
    }
    spin_lock(&d->event_lock);
    port = port_get_free(d);
    rc = port < 0 ? port : line_join(d, op->pirq, p->irq, op->flags & BIND_PIRQ__WILL_SHARE);
    if (rc == 0) {
        port_bind(d, (uint32_t)port, PORT_PIRQ, 0)->pirq = op->pirq;
        p->port = (uint16_t)port;
    }
    spin_unlock(&d->event_lock);
    if (rc == 0) {
        eoi_map_note(d, op->pirq, line_needs_eoi(p->irq));
        line_begin(p->irq);
        op->port = (evtchn_port_t)port;
    }
    return rc;
}

int pirq_bind(struct evtchn_bind_pirq *op)
{
    struct domain *d = current_domain();
    struct pirq *p;
    int rc;

    if (op->pirq >= pirq_count()) {
        return -EINVAL;
    }
    spin_lock(&pirq_lock);
    p = pirq_find(d, op->pirq);
    rc = !p || !p->irq || !io_allowed(d, IO_IRQS, p->irq, p->irq) ? -EPERM : bind_locked(d, op, p);
    spin_unlock(&pirq_lock);
    return rc;
}

int pirq_close(struct domain *d, uint32_t port)
{
    const struct evtchn *e;
    int rc = -EAGAIN;

    spin_lock(&pirq_lock);
    spin_lock(&d->event_lock);
    e = port_find(d, port);
    if (e && e->state == PORT_PIRQ) {
        struct pirq *p = &d->pirqs[e->pirq];

        line_leave(d, e->pirq, p);
        p->port = 0;
        port_release(d, port);
        rc = 0;
    }
    spin_unlock(&d->event_lock);
    spin_unlock(&pirq_lock);
    return rc;
}

void pirq_retarget(struct domain *d, uint32_t port)
{
    const struct evtchn *e;

    spin_lock(&pirq_lock);
    spin_lock(&d->event_lock);
    e = port_find(d, port);
    if (e && e->state == PORT_PIRQ) {
        line_target(d->pirqs[e->pirq].irq, d->vcpu[e->vcpu]);
    }
    spin_unlock(&d->event_lock);
    spin_unlock(&pirq_lock);
}

int pirq_eoi(unsigned pirq)
{
    struct domain *d = current_domain();
    struct pirq *p;
    uint32_t unmask = 0;
    int rc = -EINVAL;

    spin_lock(&pirq_lock);
    p = pirq_find(d, pirq);
    if (p && p->irq) {
        unmask = d->pirq_eoi_unmask ? p->port : 0;
        line_eoi(p);
        rc = 0;
    }
    spin_unlock(&pirq_lock);
    if (unmask) {
        (void)event_unmask(unmask);
    }
    return rc;
}

int pirq_status(unsigned pirq, uint32_t *flags)
{
    const struct pirq *p;

    if (pirq >= pirq_count()) {
        return -EINVAL;
    }
    spin_lock(&pirq_lock);
    p = pirq_find(current_domain(), pirq);
    *flags = XENIRQSTAT_needs_eoi | (p && line_is_shared(p->irq) ? XENIRQSTAT_shared : 0);
    spin_unlock(&pirq_lock);
    return 0;
}

int pirq_set_eoi_map(mfn_t m, bool unmask)
{
    struct domain *d = current_domain();
    int rc = 0;

    if (frame_get_mapping(m, d->id, true) != 0) {
        return -EINVAL;
    }
    spin_lock(&pirq_lock);
    if (d->pirq_eoi_map.v) {
        rc = -EBUSY;
    } else {
        d->pirq_eoi_map = m;
        d->pirq_eoi_unmask = unmask;
    }
    spin_unlock(&pirq_lock);
    if (rc != 0) {
        frame_put_mapping(m, true);
    }
    return rc;
}

void pirq_destroy_domain(struct domain *d)
{
    spin_lock(&pirq_lock);
    for (unsigned i = 0; d->pirqs && i < pirq_count(); i++) {
        if (d->pirqs[i].irq) {
            unmap(d, i);
        }
    }
    heap_free(d->pirqs, pirq_count() * sizeof(struct pirq), d);
    d->pirqs = NULL;
    spin_unlock(&pirq_lock);
    if (d->pirq_eoi_map.v) {
        frame_put_mapping(d->pirq_eoi_map, true);
        d->pirq_eoi_map = mfn(0);
    }
}
