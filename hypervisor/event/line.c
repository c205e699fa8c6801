/* SPDX-License-Identifier: MIT */
/*
 * An interrupt sets the port of each guest of its line pending. A level is masked at its I/O APIC until every
 * guest that was told has said eoi, so a guest that does not blocks that line and nothing else. Edges and
 * messages need no eoi: what comes while the port is pending is merged with it. Vectors mean the same on all
 * processors, so a line moves by its destination alone.
 */
#include "hypervisor/event/line.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/drivers/msi.h"
#include "hypervisor/event/port.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/platform.h"

#define LINES       (VECTOR_DYNAMIC_LAST - VECTOR_DYNAMIC_FIRST + 1)
#define GUESTS_MAX  7 /* that share a line */
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

struct spinlock pirq_lock = SPINLOCK(LOCK_PIRQ);

static struct line lines[LINES];
static uint64_t devices[1 << 16 >> 6]; /* bus << 8 | devfn of segment 0 */

bool irq_is_message(uint32_t irq)
{
    return irq >= IRQ_MSI_FIRST;
}

static struct line *message_line(uint32_t irq)
{
    return irq_is_message(irq) ? &lines[irq - IRQ_MSI_FIRST] : NULL;
}

struct line *line_find(uint32_t irq)
{
    struct line *l = message_line(irq);

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

    spin_lock(&pirq_lock);
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
    spin_unlock(&pirq_lock);
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

int line_message(unsigned bus, unsigned devfn, bool msix, unsigned entry, uint32_t *irq)
{
    struct msi m;
    struct line *l;
    int rc;

    if (!device_known(bus, devfn)) {
        return -ENODEV;
    }
    rc = msi_find(&m, bus, devfn, msix, entry);
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
    *irq = IRQ_MSI_FIRST + (uint32_t)(l - lines);
    return 0;
}

void line_message_begin(uint32_t irq)
{
    const struct line *l = line_find(irq);

    msi_begin(&l->msi, target_of(current_vcpu()), l->vector);
}

void line_message_end(uint32_t irq)
{
    struct line *l = line_find(irq);

    msi_end(&l->msi);
    line_free(l);
}

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

int line_join(struct domain *d, unsigned pirq, uint32_t irq, bool share)
{
    struct line *l;

    if (!irq_is_message(irq) && irq_is_ours(irq)) {
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
    return 0;
}

void line_begin(uint32_t irq)
{
    const struct line *l = line_find(irq);

    if (l->is_msi) {
        msi_mask(&l->msi, false);
    } else if (l->nr_guests == 1) {
        ioapic_route(l->gsi, l->vector, target_of(current_vcpu()));
    }
}

/* The last guest of a GSI gives its vector back. */
void line_leave(const struct domain *d, unsigned pirq, struct pirq *p)
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

bool line_needs_eoi(uint32_t irq)
{
    return line_find(irq)->level;
}

bool line_is_shared(uint32_t irq)
{
    const struct line *l = line_find(irq);

    return l && l->nr_guests > 1;
}

void line_eoi(struct pirq *p)
{
    if (p->eoi_due) {
        eoi(line_find(p->irq), p);
    }
}

void line_target(uint32_t irq, const struct vcpu *v)
{
    const struct line *l = line_find(irq);

    if (!l || !l->nr_guests) {
        return;
    }
    if (l->is_msi) {
        msi_write(&l->msi, target_of(v), l->vector);
    } else {
        ioapic_target(l->gsi, target_of(v));
    }
}

/* ---- what the privileged domain says of devices and lines ---- */

void pirq_device_add(unsigned bus, unsigned devfn)
{
    unsigned bdf = bus << 8 | devfn;

    spin_lock(&pirq_lock);
    devices[bdf / 64] |= 1ul << bdf % 64;
    spin_unlock(&pirq_lock);
}

int pirq_device_remove(unsigned bus, unsigned devfn)
{
    unsigned bdf = bus << 8 | devfn;
    bool known;

    spin_lock(&pirq_lock);
    known = device_known(bus, devfn);
    devices[bdf / 64] &= ~(1ul << bdf % 64);
    spin_unlock(&pirq_lock);
    return known ? 0 : -ENODEV;
}

int pirq_device_restore(unsigned bus, unsigned devfn)
{
    bool known;

    spin_lock(&pirq_lock);
    known = device_known(bus, devfn);
    for (unsigned i = 0; known && i < LINES; i++) {
        const struct line *l = &lines[i];

        if (l->vector && l->is_msi && l->msi.bus == bus && l->msi.devfn == devfn) {
            msi_resume(&l->msi, target_of(current_vcpu()), l->vector, l->nr_guests == 0);
        }
    }
    spin_unlock(&pirq_lock);
    return known ? 0 : -ENODEV;
}

int pirq_device_has_msix(unsigned bus, unsigned devfn)
{
    int rc;

    spin_lock(&pirq_lock);
    rc = device_known(bus, devfn) && pci_capability(bus, devfn, PCI_CAP_MSIX) ? 0 : -ENODEV;
    spin_unlock(&pirq_lock);
    return rc;
}

int pirq_setup_gsi(int gsi, bool level, bool low)
{
    int rc;

    if (gsi < 0 || !ioapic_has((unsigned)gsi)) {
        return -EINVAL;
    }
    spin_lock(&pirq_lock);
    rc = irq_is_ours((unsigned)gsi) || line_find((uint32_t)gsi) ? -EEXIST
                                                                : ioapic_setup((unsigned)gsi, level, low);
    spin_unlock(&pirq_lock);
    return rc;
}

int pirq_apic_access(const struct physdev_apic *op, bool write, uint32_t *value)
{
    unsigned gsi;
    int rc;

    spin_lock(&pirq_lock);
    rc = ioapic_read(op->apic_physbase, op->reg, value, &gsi);
    if (rc == 0 && write && gsi != ~0u && !irq_is_ours(gsi) && !line_find(gsi)) {
        (void)ioapic_setup(gsi, op->value >> 15 & 1, op->value >> 13 & 1);
    }
    spin_unlock(&pirq_lock);
    return rc;
}
