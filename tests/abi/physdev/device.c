/* SPDX-License-Identifier: MIT */
#include "tests/abi/physdev/device.h"

unsigned edu_devfn, edu_gsi;

uint32_t config_read(unsigned devfn, unsigned reg)
{
    uint32_t v;

    __asm__ volatile("outl %0, %1" : : "a"(0x80000000 | devfn << 8 | reg), "d"((uint16_t)0xcf8));
    __asm__ volatile("inl %1, %0" : "=a"(v) : "d"((uint16_t)0xcfc));
    return v;
}

void config_write(unsigned devfn, unsigned reg, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(0x80000000 | devfn << 8 | reg), "d"((uint16_t)0xcf8));
    __asm__ volatile("outl %0, %1" : : "a"(value), "d"((uint16_t)0xcfc));
}

uint32_t edu_read(unsigned reg)
{
    return *(volatile uint32_t *)(EDU_WINDOW + reg);
}

void edu_write(unsigned reg, uint32_t value)
{
    *(volatile uint32_t *)(EDU_WINDOW + reg) = value;
}

bool edu_open(void)
{
    struct physdev_set_iopl iopl = {.iopl = 1};
    static bool mapped;
    uint64_t base;

    hcall(physdev_op, PHYSDEVOP_set_iopl, &iopl);
    for (edu_devfn = 0; edu_devfn < 256 && config_read(edu_devfn, 0) != EDU_ID; edu_devfn += 8) {
    }
    if (edu_devfn == 256) {
        return false;
    }
    edu_gsi = config_read(edu_devfn, PCI_LINE) & 0xff;
    base = config_read(edu_devfn, PCI_BAR0) & ~15u;
    config_write(edu_devfn, PCI_COMMAND, 6);
    if (!mapped && map_at(EDU_WINDOW, 0) != 0) {
        return false;
    }
    if (!mapped && hcall(update_va_mapping_otherdomain, EDU_WINDOW, base | PTE_RW | PTE_PCD | PTE_PWT,
                         UVMF_INVLPG, DOMID_IO) != 0) {
        return false;
    }
    mapped = true;
    edu_write(EDU_ACK, ~0u);
    return true;
}

unsigned edu_msi(void)
{
    unsigned at = config_read(edu_devfn, PCI_CAPS) & 0xfc;

    while (at && (config_read(edu_devfn, at) & 0xff) != CAP_MSI) {
        at = config_read(edu_devfn, at) >> 8 & 0xfc;
    }
    return at;
}

bool came(unsigned port, unsigned long count)
{
    uint64_t end = now() + PATIENCE;

    while (event_count[port] < count && now() < end) {
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    return event_count[port] >= count;
}

bool delivered(unsigned port, unsigned long count)
{
    (void)came(port, count);
    /* The device's write and what follows are over by now: a few round trips show what is too many. */
    for (unsigned i = 0; i < 100; i++) {
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    return event_count[port] == count;
}

long map_gsi(int gsi, int pirq, int *got)
{
    struct physdev_map_pirq op = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = gsi, .pirq = pirq};
    long rc = hcall(physdev_op, PHYSDEVOP_map_pirq, &op);

    if (got) {
        *got = op.pirq;
    }
    return rc;
}

long map_msi(unsigned devfn, int *got)
{
    struct physdev_map_pirq op = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .index = -1, .pirq = -1, .devfn = (int)devfn};
    long rc = hcall(physdev_op, PHYSDEVOP_map_pirq, &op);

    *got = op.pirq;
    return rc;
}

long unmap_pirq(int pirq)
{
    struct physdev_unmap_pirq op = {.domid = DOMID_SELF, .pirq = pirq};

    return hcall(physdev_op, PHYSDEVOP_unmap_pirq, &op);
}

long bind_pirq(unsigned pirq, unsigned flags, unsigned *port)
{
    struct evtchn_bind_pirq op = {.pirq = pirq, .flags = flags};
    long rc;

    events_off();
    rc = hcall(event_channel_op, EVTCHNOP_bind_pirq, &op);
    *port = op.port;
    if (rc == 0) {
        event_count[op.port] = 0;
    }
    events_on();
    return rc;
}

long eoi(unsigned pirq)
{
    struct physdev_eoi op = {.irq = pirq};

    return hcall(physdev_op, PHYSDEVOP_eoi, &op);
}
