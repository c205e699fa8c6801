/* SPDX-License-Identifier: MIT */
/*
 * Physical interrupts as guests see them (physdev.h, event_channel.h): numbers of a domain's own, each mapped
 * to a line of an I/O APIC (a GSI) or to a message of a PCI device, and bound to an event port. The calls are
 * for the current domain unless they take one; errors are stock Xen's.
 */
#ifndef HYPERVISOR_PIRQ_H
#define HYPERVISOR_PIRQ_H

#include "hypervisor/include/domain.h"
#include <xen/physdev.h>

/* Numbers 0..pirq_count()-1. */
unsigned pirq_count(void);

/*
 * PHYSDEVOP_map_pirq for d, without the copy; the caller is privileged. Fills map->pirq in. 0; -EINVAL,
 * -EPERM, -EEXIST, -EBUSY, -ENODEV, -ENXIO, -ENOSPC, -ENOMEM, -EOPNOTSUPP. LOCK_PIRQ.
 */
int pirq_map(struct domain *d, struct physdev_map_pirq *map);
/* Unbinds it first, if need be; the port stays until it is closed. 0 or -EINVAL. */
int pirq_unmap(struct domain *d, int pirq);
/* Reserves a number of that MAP_PIRQ_TYPE_*; negative: an errno. */
int pirq_get_free(struct domain *d, int type);
/* May the domain use its pirq? Gives or takes that. 0, -EINVAL, -EPERM (the caller itself may not). */
int pirq_permit(struct domain *d, unsigned pirq, bool allow);

/* EVTCHNOP_bind_pirq. */
int pirq_bind(struct evtchn_bind_pirq *op);
/* Closes d's port if it is a pirq's. 0; -EAGAIN: it is none (any more). LOCK_PIRQ, LOCK_EVENT. */
int pirq_close(struct domain *d, uint32_t port);
/* The port's vCPU changed: its interrupt goes to that one's processor. */
void pirq_retarget(struct domain *d, uint32_t port);

/* PHYSDEVOP_eoi, irq_status_query (*flags), pirq_eoi_gmfn. */
int pirq_eoi(unsigned pirq);
int pirq_status(unsigned pirq, uint32_t *flags);
int pirq_set_eoi_map(mfn_t m, bool unmask);

/* PCI devices that the privileged domain told us of: only those may have messages. 0 or -ENODEV. */
void pirq_device_add(unsigned bus, unsigned devfn);
int pirq_device_remove(unsigned bus, unsigned devfn);
/* Writes the device's messages again. msix: only asks whether it has MSI-X. 0 or -ENODEV. */
int pirq_device_restore(unsigned bus, unsigned devfn);
int pirq_device_has_msix(unsigned bus, unsigned devfn);

/* PHYSDEVOP_setup_gsi; apic_read and apic_write, of which only the line's kind counts. */
int pirq_setup_gsi(int gsi, bool level, bool low);
int pirq_apic_access(const struct physdev_apic *op, bool write, uint32_t *value);

/* The end of a domain, its ports closed already. */
void pirq_destroy_domain(struct domain *d);

#endif
