/* SPDX-License-Identifier: MIT */
/*
 * Devices that come to a running domain and go: see backend.h. The lines of a domain's configuration keep
 * their places, since an interface without devid= has the number of its line: one that is gone is a line
 * without text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/backend/blk.h"
#include "toolstack/backend/disk_line.h"
#include "toolstack/backend/net.h"
#include "toolstack/backend/vif_config.h"
#include "toolstack/control/backend.h"
#include "toolstack/control/domain_internal.h"
#include "toolstack/control/error.h"

static struct link observers = LIST_EMPTY(observers);

void domain_device_observe(struct device_observer *observer)
{
    list_append(&observers, &observer->link);
}

void domain_device_unobserve(struct device_observer *observer)
{
    list_remove(&observer->link);
}

void domain_device_gone(uint16_t domid, enum domain_device_kind kind, unsigned number)
{
    struct link *next;

    for (struct link *link = observers.next; link != &observers; link = next) {
        struct device_observer *observer = container_of(link, struct device_observer, link);

        next = link->next; /* it may go */
        observer->gone(observer, domid, kind, number);
    }
}

/* ------------------------------------------------------------------ lines */

/* The number of the device that a line describes; -1: none. */
static long line_number(enum domain_device_kind kind, const char *text, size_t index)
{
    struct domain_error error;
    struct vif_config vif;
    struct disk_line disk;
    char why[DISK_ERROR_MAX];

    if (!text) {
        return -1;
    }
    if (kind == DEVICE_DISK) {
        return disk_line_parse(text, &disk, why) == 0 ? (long)disk.number : -1;
    }
    if (vif_config_parse(text, (unsigned)index, &vif, &error) != 0) {
        return -1;
    }
    return (long)(vif.has_devid ? vif.devid : index);
}

/* A line without text, a new one if need be. NULL: memory is short. */
static struct domain_device *free_line(struct domain_device **lines, size_t *count)
{
    struct domain_device *bigger;

    for (size_t i = 0; i < *count; i++) {
        if (!(*lines)[i].text) {
            return &(*lines)[i];
        }
    }
    bigger = realloc(*lines, (*count + 1) * sizeof(**lines));
    if (!bigger) {
        return NULL;
    }
    *lines = bigger;
    bigger[*count].text = NULL;
    return &bigger[(*count)++];
}

#define DEVID_ROOM 16u /* ",devid=255" */

int domain_attach_device(struct domain *domain, enum domain_device_kind kind, const char *text,
                         unsigned *number, struct domain_error *error)
{
    struct domain_config *config = &domain->config;
    struct domain_device *line = kind == DEVICE_VIF ? free_line(&config->vifs, &config->nr_vifs)
                                                    : free_line(&config->disks, &config->nr_disks);
    size_t length = strlen(text);
    char *copy = line ? malloc(length + DEVID_ROOM) : NULL;
    struct vif_config vif;
    int result;

    if (!copy) {
        return domain_fail(error, -ENOMEM, "the control domain is out of memory");
    }
    if (!domain->built.domid) {
        free(copy);
        return domain_fail(error, -EBUSY, "the domain \"%s\" does not run", config->name);
    }
    strcpy(copy, text);
    result = kind == DEVICE_VIF ? netback_add(domain->built.domid, text, error)
                                : blk_attach(domain->built.domid, text, error);
    if (result < 0) {
        free(copy);
        return result;
    }
    if (kind == DEVICE_DISK) {
        *number = (unsigned)line_number(kind, text, 0);
    } else {
        *number = (unsigned)result;
        if (vif_config_parse(text, *number, &vif, error) == 0 && !vif.has_devid) {
            snprintf(copy + length, DEVID_ROOM, "%sdevid=%u", length ? "," : "", *number);
        }
    }
    line->text = copy;
    return 0;
}

int domain_detach_device(struct domain *domain, enum domain_device_kind kind, unsigned number, bool force,
                         struct domain_error *error)
{
    const struct domain_config *config = &domain->config;
    struct domain_device *lines = kind == DEVICE_VIF ? config->vifs : config->disks;
    size_t count = kind == DEVICE_VIF ? config->nr_vifs : config->nr_disks;
    int result = kind == DEVICE_VIF ? netback_remove(domain->built.domid, number, force, error)
                                    : blk_detach(domain->built.domid, number, force, error);

    for (size_t i = 0; result == 0 && i < count; i++) {
        if (line_number(kind, lines[i].text, i) == (long)number) {
            free(lines[i].text);
            lines[i].text = NULL;
        }
    }
    return result;
}
