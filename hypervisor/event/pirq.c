/* SPDX-License-Identifier: MIT */
/*
 * Physical interrupts of domains. A line is what a vector stands for: a GSI with the domains that are bound
 * to it, or a message with the one that mapped it. An interrupt sets the port of each of its guests pending.
 *
 * A level is masked at its I/O APIC until every guest that was told has said eoi, so a guest that does not
 * blocks that line and nothing else. Edges and messages need no eoi: what comes while the port is pending is
 * merged with it. Vectors mean the same on all processors, so that a line moves by its destination alone.
 *
 * One lock guards all of it: the tables of domains, the lines, the I/O APICs and the devices' messages. The
 * interrupt's handler takes it, too, and inside it the event_lock of the guests.
 */
#include "hypervisor/include/pirq.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/drivers/msi.h"
#include "hypervisor/event/port.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"

#define LINES       (VECTOR_DYNAMIC_LAST - VECTOR_DYNAMIC_FIRST + 1)
#define GUESTS_MAX  7   /* that share a line */
#define EXTRA_PIRQS 256 /* beyond the GSIs, as stock Xen's default is */
#define LEGACY      16  /* the first number that a GSI gets without asking for one */
#define APIC_ID_MAX 254u

struct line {
    uint8_t vector; /* 0: not in use */
    bool is_msi;
    bool level;
    bool shareable;
    uint16_t nr_guests;
    uint16_t in_flight; /* guests whose eoi is due */
    unsigned gsi;
    struct msi msi;
    struct {
        struct domain *d;
        unsigned pirq;
    } guest[GUESTS_MAX];
};

/* A domain's number for an interrupt. */
struct pirq {
    uint32_t irq;  /* what it is mapped to (io_rights.h); 0: nothing */
    uint16_t port; /* 0: not bound */
    bool reserved; /* by PHYSDEVOP_get_free_pirq */
    bool eoi_due;  /* counted in its line's in_flight */
};

static struct spinlock lock = SPINLOCK(LOCK_PIRQ);
static struct line lines[LINES];
static uint64_t devices[1 << 16 >> 6]; /* bus << 8 | devfn of segment 0 */

unsigned pirq_count(void)
{
    return ioapic_gsis() + EXTRA_PIRQS;
}

/* d's entry, if there is such a number and d has a table. */
static struct pirq *pirq_find(const struct domain *d, unsigned pirq)
{
    return d->pirqs && pirq < pirq_count() ? &d->pirqs[pirq] : NULL;
}

static struct line *msi_line(uint32_t irq)
{
    return irq >= IRQ_MSI_FIRST ? &lines[irq - IRQ_MSI_FIRST] : NULL;
}

/* The line that irq comes by; NULL: a GSI that nobody has bound. */
static struct line *line_find(uint32_t irq)
{
    struct line *l = msi_line(irq);

    for (unsigned i = 0; !l && irq && i < LINES; i++) {
        if (lines[i].vector && !lines[i].is_msi && lines[i].gsi == irq) {
            l = &lines[i];
        }
    }
    return l;
}

static uint32_t target_of(const struct vcpu *v)
{
    uint32_t id = percpu_of(v->cpu)->apic_id;

    return id <= APIC_ID_MAX ? id : percpu_of(0)->apic_id;
}

static void line_mask(const struct line *l, bool masked)
{
    if (l->is_msi) {
        msi_mask(&l->msi, masked);
    } else {
        ioapic_mask(l->gsi, masked);
    }
}

static void guest_send(struct domain *d, uint32_t port)
{
    spin_lock(&d->event_lock);
    port_set_pending(d, port, port_entry(d, port));
    spin_unlock(&d->event_lock);
}

/* The vector's handler. */
static void interrupted(void *data)
{
    struct line *l = data;

    spin_lock(&lock);
    if (l->vector && l->nr_guests) {
        if (l->level) {
            line_mask(l, true);
        }
        for (unsigned i = 0; i < l->nr_guests; i++) {
            struct domain *d = l->guest[i].d;
            struct pirq *p = &d->pirqs[l->guest[i].pirq];

            if (l->level && !p->eoi_due) {
                p->eoi_due = true;
                l->in_flight++;
            }
            guest_send(d, p->port);
        }
    }
    spin_unlock(&lock);
}

/* A guest has said eoi, or is gone. */
static void eoi(struct line *l, struct pirq *p)
{
    if (p->eoi_due) {
        p->eoi_due = false;
        if (--l->in_flight == 0) {
            line_mask(l, false);
        }
    }
}

static struct line *line_new(void)
{
    for (unsigned i = 0; i < LINES; i++) {
        if (!lines[i].vector) {
            lines[i] = (struct line){.vector = irq_vector_take(interrupted, &lines[i])};
            return lines[i].vector ? &lines[i] : NULL;
        }
    }
    return NULL;
}

static void line_free(struct line *l)
{
    irq_vector_free(l->vector);
    l->vector = 0;
}

/* ---- mapping ---- */

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

static bool device_known(unsigned bus, unsigned devfn)
{
    unsigned bdf = bus << 8 | devfn;

    return bus < 256 && devfn < 256 && devices[bdf / 64] >> bdf % 64 & 1;
}

static bool message_in_use(const struct msi *m)
{
    for (unsigned i = 0; i < LINES; i++) {
        const struct msi *o = &lines[i].msi;

        if (lines[i].vector && lines[i].is_msi && o->bus == m->bus && o->devfn == m->devfn &&
            (o->msix != m->msix || !m->msix || o->entry == m->entry)) {
            return true;
        }
    }
    return false;
}

static int map_msi(struct domain *d, const struct physdev_map_pirq *map)
{
    unsigned bus = (unsigned)map->bus & 0xffff, devfn = (unsigned)map->devfn;
    bool segment = map->type == MAP_PIRQ_TYPE_MSI_SEG && map->bus >> 16;
    struct msi m;
    struct line *l;
    int rc;

    if (segment || !device_known(bus, devfn)) {
        return -ENODEV;
    }
    rc = msi_find(&m, bus, devfn, map->table_base != 0, (unsigned)map->entry_nr);
    if (rc != 0) {
        return rc;
    }
    if (message_in_use(&m)) {
        return -EEXIST;
    }
    l = line_new();
    if (!l) {
        return -ENOSPC;
    }
    l->is_msi = true;
    l->msi = m;
    rc = map_number(d, IRQ_MSI_FIRST + (uint32_t)(l - lines), map->pirq, map->type);
    if (rc < 0) {
        line_free(l);
        return rc;
    }
    msi_begin(&l->msi, target_of(current_vcpu()), l->vector);
    return rc;
}

int pirq_map(struct domain *d, struct physdev_map_pirq *map)
{
    int rc;

    spin_lock(&lock);
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
    spin_unlock(&lock);
    if (rc < 0) {
        return rc;
    }
    map->pirq = rc;
    return 0;
}

/* Takes d out of the line; the last guest of a GSI gives its vector back. */
static void unbind(const struct domain *d, unsigned pirq, struct pirq *p)
{
    struct line *l = line_find(p->irq);
    unsigned i = 0;

    while (l && i < l->nr_guests && (l->guest[i].d != d || l->guest[i].pirq != pirq)) {
        i++;
    }
    if (!l || i == l->nr_guests) {
        return;
    }
    l->guest[i] = l->guest[--l->nr_guests];
    if (l->nr_guests) {
        eoi(l, p);
        return;
    }
    p->eoi_due = false;
    l->in_flight = 0;
    line_mask(l, true);
    if (!l->is_msi) {
        line_free(l);
    }
}

static void unmap(struct domain *d, unsigned pirq)
{
    struct pirq *p = &d->pirqs[pirq];
    struct line *l = msi_line(p->irq);

    unbind(d, pirq, p);
    if (l) {
        msi_end(&l->msi);
        line_free(l);
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

    spin_lock(&lock);
    p = pirq_find(d, (unsigned)pirq);
    if (p && p->irq) {
        unmap(d, (unsigned)pirq);
        rc = 0;
    }
    spin_unlock(&lock);
    return rc;
}

int pirq_get_free(struct domain *d, int type)
{
    int rc;

    spin_lock(&lock);
    rc = table_create(d);
    rc = rc ? rc : find_free(d, type);
    if (rc >= 0) {
        d->pirqs[rc].reserved = true;
    }
    spin_unlock(&lock);
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
    spin_lock(&lock);
    p = pirq_find(self, pirq);
    if (p && p->irq && io_allowed(self, IO_IRQS, p->irq, p->irq)) {
        rc = io_allow(d, IO_IRQS, p->irq, p->irq, allow);
    }
    spin_unlock(&lock);
    return rc;
}

/* ---- binding ---- */

/* The line for a GSI's first guest, or a message's. NULL: no vector. */
static struct line *line_start(uint32_t irq, bool share)
{
    struct line *l = line_find(irq);

    if (!l) {
        l = line_new();
        if (l) {
            l->gsi = irq;
            l->level = ioapic_is_level(irq);
        }
    }
    if (l && l->nr_guests == 0) {
        l->shareable = share;
    }
    return l;
}

static int bind_line(struct domain *d, unsigned pirq, uint32_t irq, bool share, struct line **line)
{
    struct line *l;

    if (!msi_line(irq) && irq_is_ours(irq)) {
        return -EBUSY;
    }
    l = line_start(irq, share);
    if (!l) {
        return -ENOSPC;
    }
    if ((l->nr_guests && !(share && l->shareable)) || l->nr_guests == GUESTS_MAX) {
        return -EBUSY;
    }
    l->guest[l->nr_guests].d = d;
    l->guest[l->nr_guests++].pirq = pirq;
    *line = l;
    return 0;
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

static void line_begin(const struct line *l)
{
    if (l->is_msi) {
        msi_mask(&l->msi, false);
    } else if (l->nr_guests == 1) {
        ioapic_route(l->gsi, l->vector, target_of(current_vcpu()));
    }
}

static int bind_locked(struct domain *d, struct evtchn_bind_pirq *op, struct pirq *p)
{
    struct line *l;
    int port, rc;

    if (p->port) {
        return -EEXIST;
    }
    spin_lock(&d->event_lock);
    port = port_get_free(d);
    rc = port < 0 ? port : bind_line(d, op->pirq, p->irq, op->flags & BIND_PIRQ__WILL_SHARE, &l);
    if (rc == 0) {
        port_bind(d, (uint32_t)port, PORT_PIRQ, 0)->pirq = op->pirq;
        p->port = (uint16_t)port;
    }
    spin_unlock(&d->event_lock);
    if (rc == 0) {
        eoi_map_note(d, op->pirq, l->level);
        line_begin(l);
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
    spin_lock(&lock);
    p = pirq_find(d, op->pirq);
    rc = !p || !p->irq || !io_allowed(d, IO_IRQS, p->irq, p->irq) ? -EPERM : bind_locked(d, op, p);
    spin_unlock(&lock);
    return rc;
}

int pirq_close(struct domain *d, uint32_t port)
{
    const struct evtchn *e;
    int rc = -EAGAIN;

    spin_lock(&lock);
    spin_lock(&d->event_lock);
    e = port_find(d, port);
    if (e && e->state == PORT_PIRQ) {
        struct pirq *p = &d->pirqs[e->pirq];

        unbind(d, e->pirq, p);
        p->port = 0;
        port_release(d, port);
        rc = 0;
    }
    spin_unlock(&d->event_lock);
    spin_unlock(&lock);
    return rc;
}

void pirq_retarget(struct domain *d, uint32_t port)
{
    const struct evtchn *e;
    const struct line *l;

    spin_lock(&lock);
    spin_lock(&d->event_lock);
    e = port_find(d, port);
    l = e && e->state == PORT_PIRQ ? line_find(d->pirqs[e->pirq].irq) : NULL;
    if (l && l->nr_guests) {
        uint32_t id = target_of(d->vcpu[e->vcpu]);

        if (l->is_msi) {
            msi_write(&l->msi, id, l->vector);
        } else {
            ioapic_target(l->gsi, id);
        }
    }
    spin_unlock(&d->event_lock);
    spin_unlock(&lock);
}

int pirq_eoi(unsigned pirq)
{
    struct domain *d = current_domain();
    struct pirq *p;
    uint32_t unmask = 0;
    int rc = -EINVAL;

    spin_lock(&lock);
    p = pirq_find(d, pirq);
    if (p && p->irq) {
        unmask = d->pirq_eoi_unmask ? p->port : 0;
        if (p->eoi_due) {
            eoi(line_find(p->irq), p);
        }
        rc = 0;
    }
    spin_unlock(&lock);
    if (unmask) {
        (void)event_unmask(unmask);
    }
    return rc;
}

int pirq_status(unsigned pirq, uint32_t *flags)
{
    const struct pirq *p;
    const struct line *l;

    if (pirq >= pirq_count()) {
        return -EINVAL;
    }
    spin_lock(&lock);
    p = pirq_find(current_domain(), pirq);
    l = p ? line_find(p->irq) : NULL;
    *flags = XENIRQSTAT_needs_eoi | (l && l->nr_guests > 1 ? XENIRQSTAT_shared : 0);
    spin_unlock(&lock);
    return 0;
}

int pirq_set_eoi_map(mfn_t m, bool unmask)
{
    struct domain *d = current_domain();
    int rc = 0;

    if (frame_get_mapping(m, d->id, true) != 0) {
        return -EINVAL;
    }
    spin_lock(&lock);
    if (d->pirq_eoi_map.v) {
        rc = -EBUSY;
    } else {
        d->pirq_eoi_map = m;
        d->pirq_eoi_unmask = unmask;
    }
    spin_unlock(&lock);
    if (rc != 0) {
        frame_put_mapping(m, true);
    }
    return rc;
}

/* ---- devices and lines ---- */

void pirq_device_add(unsigned bus, unsigned devfn)
{
    unsigned bdf = bus << 8 | devfn;

    spin_lock(&lock);
    devices[bdf / 64] |= 1ul << bdf % 64;
    spin_unlock(&lock);
}

int pirq_device_remove(unsigned bus, unsigned devfn)
{
    unsigned bdf = bus << 8 | devfn;
    bool known;

    spin_lock(&lock);
    known = device_known(bus, devfn);
    devices[bdf / 64] &= ~(1ul << bdf % 64);
    spin_unlock(&lock);
    return known ? 0 : -ENODEV;
}

int pirq_device_restore(unsigned bus, unsigned devfn)
{
    bool known;

    spin_lock(&lock);
    known = device_known(bus, devfn);
    for (unsigned i = 0; known && i < LINES; i++) {
        const struct line *l = &lines[i];

        if (l->vector && l->is_msi && l->msi.bus == bus && l->msi.devfn == devfn) {
            msi_resume(&l->msi, target_of(current_vcpu()), l->vector, l->nr_guests == 0);
        }
    }
    spin_unlock(&lock);
    return known ? 0 : -ENODEV;
}

int pirq_device_has_msix(unsigned bus, unsigned devfn)
{
    int rc;

    spin_lock(&lock);
    rc = device_known(bus, devfn) && pci_capability(bus, devfn, PCI_CAP_MSIX) ? 0 : -ENODEV;
    spin_unlock(&lock);
    return rc;
}

int pirq_setup_gsi(int gsi, bool level, bool low)
{
    int rc;

    if (gsi < 0 || !ioapic_has((unsigned)gsi)) {
        return -EINVAL;
    }
    spin_lock(&lock);
    rc = irq_is_ours((unsigned)gsi) || line_find((uint32_t)gsi) ? -EEXIST
                                                                : ioapic_setup((unsigned)gsi, level, low);
    spin_unlock(&lock);
    return rc;
}

int pirq_apic_access(const struct physdev_apic *op, bool write, uint32_t *value)
{
    unsigned gsi;
    int rc;

    spin_lock(&lock);
    rc = ioapic_read(op->apic_physbase, op->reg, value, &gsi);
    if (rc == 0 && write && gsi != ~0u && !irq_is_ours(gsi) && !line_find(gsi)) {
        (void)ioapic_setup(gsi, op->value >> 15 & 1, op->value >> 13 & 1);
    }
    spin_unlock(&lock);
    return rc;
}

void pirq_destroy_domain(struct domain *d)
{
    spin_lock(&lock);
    for (unsigned i = 0; d->pirqs && i < pirq_count(); i++) {
        if (d->pirqs[i].irq) {
            unmap(d, i);
        }
    }
    heap_free(d->pirqs, pirq_count() * sizeof(struct pirq), d);
    d->pirqs = NULL;
    spin_unlock(&lock);
    if (d->pirq_eoi_map.v) {
        frame_put_mapping(d->pirq_eoi_map, true);
        d->pirq_eoi_map = mfn(0);
    }
}
