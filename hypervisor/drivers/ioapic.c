/* SPDX-License-Identifier: MIT */
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/ioport.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"

#define IO_SELECT  0x00
#define IO_WINDOW  0x10
#define IO_VERSION 0x01
#define IO_PIN(n)  (0x10 + 2 * (n))

#define PIN_MASKED (1u << 16)
#define PIN_LEVEL  (1u << 15)
#define PIN_LOW    (1u << 13)

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1
#define PIC_VECTOR   0x20 /* where spurious interrupts of a masked PIC may still come in: 0x27 and 0x2f */

static struct {
    volatile uint32_t *registers;
    unsigned first, pins;
} unit[ACPI_IOAPICS];
static unsigned nr_units;

static uint32_t io_read(unsigned u, uint32_t index)
{
    unit[u].registers[IO_SELECT / 4] = index;
    return unit[u].registers[IO_WINDOW / 4];
}

static void io_write(unsigned u, uint32_t index, uint32_t value)
{
    unit[u].registers[IO_SELECT / 4] = index;
    unit[u].registers[IO_WINDOW / 4] = value;
}

static void pics_off(void)
{
    /* Away from the exceptions' vectors, in the standard order of four command words, then all masked. */
    outb(PIC1_COMMAND, 0x11);
    outb(PIC2_COMMAND, 0x11);
    outb(PIC1_DATA, PIC_VECTOR);
    outb(PIC2_DATA, PIC_VECTOR + 8);
    outb(PIC1_DATA, 4);
    outb(PIC2_DATA, 2);
    outb(PIC1_DATA, 1);
    outb(PIC2_DATA, 1);
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
}

void ioapic_init(void)
{
    pics_off();
    for (unsigned i = 0; i < acpi.nr_ioapics; i++) {
        volatile uint32_t *registers = map_mmio(acpi.ioapic[i].base, PAGE_SIZE);
        uint32_t version;

        if (!registers) {
            log_warn("ioapic: no room to map the one at 0x%lx", acpi.ioapic[i].base);
            continue;
        }
        unit[nr_units].registers = registers;
        version = io_read(nr_units, IO_VERSION);
        if (version == ~0u) {
            log_warn("ioapic: expected one at 0x%lx, found nothing", acpi.ioapic[i].base);
            continue;
        }
        unit[nr_units].first = acpi.ioapic[i].gsi_base;
        unit[nr_units].pins = (version >> 16 & 0xff) + 1;
        for (unsigned pin = 0; pin < unit[nr_units].pins; pin++) {
            io_write(nr_units, IO_PIN(pin), PIN_MASKED);
        }
        nr_units++;
    }
}

static const struct acpi_override *override_of(unsigned gsi)
{
    for (unsigned i = 0; i < acpi.nr_overrides; i++) {
        if (acpi.override[i].gsi == gsi) {
            return &acpi.override[i];
        }
    }
    return NULL;
}

unsigned ioapic_gsi_of(unsigned irq)
{
    for (unsigned i = 0; i < acpi.nr_overrides; i++) {
        if (acpi.override[i].irq == irq) {
            return acpi.override[i].gsi;
        }
    }
    return irq;
}

static unsigned unit_of(unsigned gsi)
{
    unsigned u = 0;

    while (u < nr_units && gsi - unit[u].first >= unit[u].pins) {
        u++;
    }
    return u;
}

bool ioapic_has(unsigned gsi)
{
    return unit_of(gsi) < nr_units;
}

void ioapic_route(unsigned gsi, uint8_t vector, uint32_t apic_id)
{
    unsigned u = unit_of(gsi), pin = gsi - unit[u].first;
    const struct acpi_override *o = override_of(gsi);
    /* ISA's interrupts are edges, active high; PCI's, above them, levels, active low; an override may say
     * otherwise. */
    bool level = o ? o->level : gsi >= 16, low = o ? o->active_low : gsi >= 16;

    io_write(u, IO_PIN(pin) + 1, apic_id << 24);
    io_write(u, IO_PIN(pin), vector | (level ? PIN_LEVEL : 0) | (low ? PIN_LOW : 0));
}
