/* SPDX-License-Identifier: MIT */
/* A device for an ordinary domain: rights, an interrupt of its own, and what becomes of both when it ends. */
#include "tests/system/control/scenarios.h"
#include <stdio.h>
#include "pvboot/hypercall.h"
#include "toolstack/control/xc.h"
#include "toolstack/device/pci.h"
#include "toolstack/device/pirq.h"
#include "toolstack/device/port.h"
#include <xen/physdev.h>

#define EDU_VENDOR 0x1234u
#define EDU_DEVICE 0x11e8u
#define EDU_ACK    0x64u
#define DEBUG_PORT 0xe9u

static struct pci_device edu;
static struct pirq line;
static volatile uint32_t *registers;
static bool handled;

static void found(const struct pci_device *d, void *unused)
{
    (void)unused;
    if (d->vendor == EDU_VENDOR && d->device == EDU_DEVICE) {
        edu = *d;
    }
}

static void handle(struct pirq *pirq)
{
    (void)pirq;
    registers[EDU_ACK / 4] = ~0u;
    handled = true;
}

static bool was_handled(void *unused)
{
    (void)unused;
    return handled;
}

/* The first page of its registers, a port, and its line. */
static void give(uint16_t domid, uint64_t frame)
{
    struct xen_domctl ports = {0}, frames = {0};
    struct physdev_map_pirq map = {.domid = domid, .type = MAP_PIRQ_TYPE_GSI};

    ports.u.ioport_permission.first_port = DEBUG_PORT;
    ports.u.ioport_permission.nr_ports = 1;
    ports.u.ioport_permission.allow_access = 1;
    frames.u.iomem_permission.first_mfn = frame;
    frames.u.iomem_permission.nr_mfns = 1;
    frames.u.iomem_permission.allow_access = 1;
    map.index = map.pirq = edu.line;
    CHECK(xc_domctl(&ports, XEN_DOMCTL_ioport_permission, domid) == 0);
    CHECK(xc_domctl(&frames, XEN_DOMCTL_iomem_permission, domid) == 0);
    CHECK(hypercall_physdev_op(PHYSDEVOP_map_pirq, &map) == 0);
}

void scenario_given(void)
{
    struct domain_config config = simple("driver", "driver", 8192, NULL);
    struct domain_error error;
    struct domain *domain;
    char cmdline[64];
    uint64_t frame;

    CHECK(port_init() == 0);
    pci_scan(found, NULL);
    if (!CHECK(edu.vendor == EDU_VENDOR)) {
        return;
    }
    pci_enable(&edu, true);
    frame = pci_bar(&edu, 0).address / 4096;
    snprintf(cmdline, sizeof(cmdline), "-- %u %llx", edu.line, (unsigned long long)frame);
    config.cmdline = cmdline;
    config.paused = true;
    domain = create(&config);
    if (!domain) {
        return;
    }
    give(domain_number(domain), frame);
    CHECK(domain_unpause(domain, &error) == 0);
    CHECK(wait_gone("driver", PATIENCE));
    CHECK(has_output("driver", "ports e9 ff ff"));
    CHECK(has_output("driver", "frames mapped, the next refused"));
    CHECK(has_output("driver", "mapping -1, binding another -1, binding 0"));
    if (!CHECK(has_output("driver", "heard 5 of 5"))) {
        show_output("driver");
    }
    /* It left the level standing, and never said the last eoi: now it is ours. */
    registers = pci_map(&edu, 0, 0, 4096);
    line.handle = handle;
    CHECK(registers && pirq_open_line(&line, &edu, edu.line) == 0);
    CHECK(wait_for(was_handled, NULL, PATIENCE));
    pirq_close(&line);
}
