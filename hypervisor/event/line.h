/* SPDX-License-Identifier: MIT */
/*
 * Lines, inside event/: what a vector of a domain's interrupt stands for, a GSI with the domains that are
 * bound to it, or a message with the one that mapped it. All under pirq_lock, with each domain's table of
 * pirqs. An irq is the machine's name of an interrupt (io_rights.h).
 */
#ifndef HYPERVISOR_EVENT_LINE_H
#define HYPERVISOR_EVENT_LINE_H

#include "hypervisor/include/domain.h"
#include "hypervisor/include/pirq.h"

struct line;

/* A domain's number for an interrupt. */
struct pirq {
    uint32_t irq;  /* what it is mapped to; 0: nothing */
    uint16_t port; /* 0: not bound */
    bool reserved; /* by PHYSDEVOP_get_free_pirq */
    bool eoi_due;  /* its line waits for this guest */
};

extern struct spinlock pirq_lock; /* LOCK_PIRQ */

/* The line that irq comes by; NULL: a GSI that nobody has bound. irq exists. */
struct line *line_find(uint32_t irq);
/* Is it a message's? */
bool irq_is_message(uint32_t irq);
/*
 * A line for a device's message, programmed by line_message_begin(), given back by line_message_end(). 0 and
 * *irq; -ENODEV, -EINVAL, -ENXIO, -EEXIST, -ENOSPC.
 */
int line_message(unsigned bus, unsigned devfn, bool msix, unsigned entry, uint32_t *irq);
void line_message_begin(uint32_t irq);
void line_message_end(uint32_t irq);
/*
 * Makes d's pirq one of the guests of irq, which is a GSI's first or a message's. share: so may others. 0;
 * -ENOSPC no vector; -EBUSY the hypervisor's own, or not shared. line_begin() lets the interrupt in, once the
 * port is there.
 */
int line_join(struct domain *d, unsigned pirq, uint32_t irq, bool share);
void line_begin(uint32_t irq);
/* The reverse, if it is one; a line without guests is masked. p: d's entry. */
void line_leave(const struct domain *d, unsigned pirq, struct pirq *p);
/* Must its guests say eoi? Has it several? irq is bound. */
bool line_needs_eoi(uint32_t irq);
bool line_is_shared(uint32_t irq);
/* A guest has said eoi. */
void line_eoi(struct pirq *p);
/* It goes to v's processor from now on. */
void line_target(uint32_t irq, const struct vcpu *v);

#endif
