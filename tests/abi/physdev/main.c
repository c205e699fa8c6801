/* SPDX-License-Identifier: MIT */
/* Physical interrupts: a device's level and message, the clock's edge; eoi, unbinding, other vCPUs. */
#include "tests/abi/physdev/device.h"

static struct evtchn_status status_of(unsigned port)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    check_eq(hcall(event_channel_op, EVTCHNOP_status, &status), 0, "the status call");
    return status;
}

/* Maps the device's line and binds it. The port, or 0. */
static unsigned level_open(unsigned flags)
{
    unsigned port;

    if (!check(edu_open(), "the device is there")) {
        return 0;
    }
    check_eq(map_gsi((int)edu_gsi, (int)edu_gsi, NULL), 0, "map its GSI");
    if (!check_eq(bind_pirq(edu_gsi, flags, &port), 0, "bind")) {
        return 0;
    }
    events_on();
    port_unmask(port);
    return port;
}

/* Quiets the device; whatever came until then, nothing comes afterwards. */
static void level_quiet(unsigned port, const char *when)
{
    edu_write(EDU_ACK, ~0u);
    check_eq(eoi(edu_gsi), 0, "%s: eoi", when);
    (void)delivered(port, 0);
    check(delivered(port, event_count[port]), "%s: nothing more", when);
}

static void level_close(unsigned port, const char *when)
{
    level_quiet(port, when);
    check_eq(port_close(port), 0, "%s: close", when);
}

/* A level stays until the device is acknowledged. */
static void level(void)
{
    struct physdev_irq_status_query query = {.irq = edu_gsi};
    struct physdev_setup_gsi setup = {.triggering = 1, .polarity = 0};
    struct evtchn_status status;
    unsigned port = level_open(BIND_PIRQ__WILL_SHARE), other;
    unsigned long count;

    if (!port) {
        return;
    }
    observe(bind_pirq(edu_gsi, BIND_PIRQ__WILL_SHARE, &other), "bind again");
    setup.gsi = (int)edu_gsi;
    observe(hcall(physdev_op, PHYSDEVOP_setup_gsi, &setup), "setup of a bound GSI");
    status = status_of(port);
    check_eq(status.status, EVTCHNSTAT_pirq, "a physical interrupt");
    check_eq(status.u.pirq, (long)edu_gsi, "and which");
    query.irq = edu_gsi;
    check_eq(hcall(physdev_op, PHYSDEVOP_irq_status_query, &query), 0, "status query");
    observe(query.flags, "its flags");
    check(delivered(port, 0), "nothing yet");
    edu_write(EDU_RAISE, 1);
    check(came(port, 1), "raised: delivered");
    level_quiet(port, "first");
    count = event_count[port];
    edu_write(EDU_RAISE, 2);
    check(came(port, count + 1), "raised again: delivered");
    edu_write(EDU_ACK, ~0u);
    count = event_count[port];
    edu_write(EDU_RAISE, 4);
    check_eq(eoi(edu_gsi), 0, "raised anew before the eoi");
    check(came(port, count + 1), "delivered after it");
    level_quiet(port, "second");
    check_eq(eoi(edu_gsi), 0, "one eoi too many");
    level_close(port, "unshared");
    count = event_count[port];
    edu_write(EDU_RAISE, 1);
    check(delivered(port, count), "raised while unbound: nothing");
    check_eq(bind_pirq(edu_gsi, 0, &port), 0, "bind anew");
    port_unmask(port);
    check(came(port, 1), "the level that stands is delivered");
    observe(bind_pirq(edu_gsi, BIND_PIRQ__WILL_SHARE, &other), "bind what is not shared");
    level_close(port, "end");
}

static bool becomes_pending(unsigned port)
{
    uint64_t end = now() + PATIENCE;

    while (!port_pending(port) && now() < end) {
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    return port_pending(port);
}

/* Events of it that nobody takes. */
static void masked(void)
{
    unsigned port = level_open(0);

    if (!port) {
        return;
    }
    port_mask(port);
    edu_write(EDU_RAISE, 1);
    check(becomes_pending(port), "masked: pending");
    check(delivered(port, 0), "but not delivered");
    hcall(event_channel_op, EVTCHNOP_unmask, &(struct evtchn_unmask){.port = port});
    check(event_count[port] > 0, "unmasked: delivered");
    port_mask(port);
    edu_write(EDU_ACK, ~0u);
    eoi(edu_gsi);
    edu_write(EDU_RAISE, 1);
    check(becomes_pending(port), "pending when it is closed");
    check_eq(port_close(port), 0, "close without eoi");
    check(!port_pending(port), "closed: not pending");
    edu_write(EDU_ACK, ~0u);
}

/* A level that nobody acknowledges comes back with each eoi, not before, and stops nobody else. */
static void stuck(void)
{
    unsigned port = level_open(0);

    if (!port) {
        return;
    }
    edu_write(EDU_RAISE, 1);
    check(came(port, 1), "delivered");
    observe(delivered(port, 1), "not again without eoi, however long");
    for (unsigned i = 0; i < 20; i++) {
        unsigned long count = event_count[port];
        uint64_t end = now() + PATIENCE;

        eoi(edu_gsi);
        while (event_count[port] == count && now() < end) {
        }
        if (event_count[port] == count) {
            check(false, "comes back after eoi %u", i);
        }
    }
    check(true, "came back twenty times");
    level_close(port, "end");
}

/* Taken from under a port that is bound. */
static void unmapped_while_bound(void)
{
    unsigned port = level_open(0), other;

    if (!port) {
        return;
    }
    observe(unmap_pirq((int)edu_gsi), "unmap while bound");
    observe(status_of(port).status, "the port's status");
    observe(unmap_pirq((int)edu_gsi), "unmap again");
    observe(bind_pirq(edu_gsi, 0, &other), "bind while the port is there");
    edu_write(EDU_RAISE, 1);
    check(delivered(port, 0), "nothing comes through the old port");
    edu_write(EDU_ACK, ~0u);
    check_eq(port_close(port), 0, "close it");
    observe(map_gsi((int)edu_gsi, (int)edu_gsi, NULL), "then map again");
    if (bind_pirq(edu_gsi, 0, &port) == 0) {
        port_unmask(port);
        edu_write(EDU_RAISE, 1);
        observe(came(port, 1), "and hear of it");
        edu_write(EDU_ACK, ~0u);
        port_close(port);
    }
}

static void message(void)
{
    struct physdev_pci_device_add add = {0};
    struct physdev_pci_device dev = {0};
    unsigned port, cap;
    int pirq;

    if (!check(edu_open(), "the device is there")) {
        return;
    }
    cap = edu_msi();
    check(cap != 0, "it has MSI");
    add.devfn = dev.devfn = (uint8_t)edu_devfn;
    observe(map_msi(edu_devfn, &pirq), "map before anybody added the device");
    check_eq(hcall(physdev_op, PHYSDEVOP_pci_device_add, &add), 0, "add");
    check_eq(map_msi(edu_devfn, &pirq), 0, "map its MSI");
    check(pirq >= 16, "to a pirq of its own");
    observe(config_read(edu_devfn, cap) >> 16 & 1, "is it enabled now");
    check((config_read(edu_devfn, cap + 4) & 0xfff00000) == 0xfee00000, "a message address is in place");
    check_eq(bind_pirq((unsigned)pirq, 0, &port), 0, "bind");
    config_write(edu_devfn, cap, config_read(edu_devfn, cap) | 1u << 16);
    events_on();
    port_unmask(port);
    for (unsigned i = 1; i <= 3; i++) {
        edu_write(EDU_RAISE, 1);
        check(delivered(port, i), "message %u: delivered", i);
        edu_write(EDU_ACK, ~0u);
        check_eq(eoi((unsigned)pirq), 0, "eoi %u", i);
    }
    check_eq(hcall(physdev_op, PHYSDEVOP_restore_msi_ext, &dev), 0, "restore");
    edu_write(EDU_RAISE, 1);
    check(delivered(port, 4), "goes on");
    edu_write(EDU_ACK, ~0u);
    eoi((unsigned)pirq);
    check_eq(port_close(port), 0, "close");
    edu_write(EDU_RAISE, 1);
    check(delivered(port, 4), "closed: nothing");
    edu_write(EDU_ACK, ~0u);
    check_eq(unmap_pirq(pirq), 0, "unmap");
    observe(config_read(edu_devfn, cap) >> 16 & 1, "is it enabled after that");
    check_eq(map_msi(edu_devfn, &pirq), 0, "map once more");
    check_eq(unmap_pirq(pirq), 0, "and unmap");
    check_eq(hcall(physdev_op, PHYSDEVOP_pci_device_remove, &dev), 0, "remove");
}

/* Its vCPU moves: the interrupt follows. */
static volatile unsigned long other_runs, other_rounds, seen_on = ~0ul;

static void note_vcpu(unsigned port)
{
    (void)port;
    seen_on = this_vcpu()->id;
}

static void wait_here(void *arg)
{
    (void)arg;
    events_on();
    other_runs = 1;
    while (other_runs == 1) {
        hcall(sched_op, SCHEDOP_yield, NULL);
        other_rounds++;
    }
    vcpu_stop();
}

/* The other vCPU has gone in and out of the hypervisor that often. */
static void wait_rounds(unsigned long rounds)
{
    unsigned long begun = other_rounds;
    uint64_t end = now() + PATIENCE;

    while (other_rounds - begun < rounds && now() < end) {
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    check(other_rounds - begun >= rounds, "the other vCPU runs");
}

static void moved(void)
{
    struct evtchn_bind_vcpu move = {.vcpu = 1};
    unsigned port = level_open(0);

    if (!port || vcpu_start(1, wait_here, NULL) != 0) {
        check(false, "a second vCPU");
        return;
    }
    wait_until(&other_runs, 1);
    event_handler[port] = note_vcpu;
    move.port = port;
    check_eq(hcall(event_channel_op, EVTCHNOP_bind_vcpu, &move), 0, "bind to vCPU 1");
    edu_write(EDU_RAISE, 1);
    check(came(port, 1), "delivered");
    check_eq((long)seen_on, 1, "there");
    /* What is on its way comes to that vCPU, which may be slow to run. */
    edu_write(EDU_ACK, ~0u);
    check_eq(eoi(edu_gsi), 0, "eoi");
    wait_rounds(100);
    level_close(port, "end");
    other_runs = 2;
    event_handler[port] = NULL;
}

/* The clock's periodic interrupt: an edge. */
static void edge(void)
{
    unsigned port;
    uint64_t end;

    if (!check(edu_open(), "ports are open")) {
        return;
    }
    check_eq(map_gsi(8, 8, NULL), 0, "map");
    check_eq(bind_pirq(8, 0, &port), 0, "bind");
    events_on();
    port_unmask(port);
    out8(0x70, 0x0a);
    out8(0x71, 0x26); /* 1,024 Hz */
    out8(0x70, 0x0b);
    out8(0x71, 0x42);
    end = now() + PATIENCE;
    while (event_count[port] < 10 && now() < end) {
        out8(0x70, 0x0c);
        (void)in8(0x71); /* or there is no further edge */
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    check(event_count[port] >= 10, "ticks come without eoi");
    out8(0x70, 0x0b);
    out8(0x71, 0x02);
    out8(0x70, 0x0c);
    (void)in8(0x71);
    check_eq(port_close(port), 0, "close");
    check_eq(unmap_pirq(8), 0, "unmap");
}

const struct test_case test_cases[] = {{"errors", case_errors, false},
                                       {"devices", case_devices, false},
                                       {"ioapic", case_ioapic, false},
                                       {"level", level, false},
                                       {"masked", masked, false},
                                       {"stuck", stuck, false},
                                       {"message", message, false},
                                       {"edge", edge, false},
                                       {"unmapped", unmapped_while_bound, false},
                                       {"moved", moved, true},
                                       {"rights", case_rights, true},
                                       {0}};
