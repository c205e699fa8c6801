/* SPDX-License-Identifier: MIT */
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/errno.h"
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

#define PINS_MAX 256u

struct pin {
    uint32_t word; /* low word of its register as written */
    bool said;     /* ioapic_setup() */
};

static struct {
    volatile uint32_t *registers;
    paddr_t base;
    unsigned first, pins;
    struct pin *pin;
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

static const struct acpi_override *override_of(unsigned gsi)
{
    for (unsigned i = 0; i < acpi.nr_overrides; i++) {
        if (acpi.override[i].gsi == gsi) {
            return &acpi.override[i];
        }
    }
    return NULL;
}

/* All pins masked, as ACPI or convention describes their lines. false: no memory. */
static bool pins_init(unsigned u)
{
    unit[u].pin = heap_alloc(PINS_MAX * sizeof(struct pin), NULL);
    for (unsigned i = 0; unit[u].pin && i < unit[u].pins; i++) {
        unsigned gsi = unit[u].first + i;
        const struct acpi_override *o = override_of(gsi);
        bool level = o ? o->level : gsi >= 16, low = o ? o->active_low : gsi >= 16;

        unit[u].pin[i].word = PIN_MASKED | (level ? PIN_LEVEL : 0) | (low ? PIN_LOW : 0);
        io_write(u, IO_PIN(i), unit[u].pin[i].word);
    }
    return unit[u].pin != NULL;
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
        unit[nr_units].base = acpi.ioapic[i].base;
        if (!pins_init(nr_units)) {
            log_warn("ioapic: no memory for the one at 0x%lx", acpi.ioapic[i].base);
            continue;
        }
        nr_units++;
    }
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

static struct pin *pin_of(unsigned gsi)
{
    unsigned u = unit_of(gsi);

    return &unit[u].pin[gsi - unit[u].first];
}

static void pin_write(unsigned gsi)
{
    unsigned u = unit_of(gsi);

    io_write(u, IO_PIN(gsi - unit[u].first), pin_of(gsi)->word);
}

unsigned ioapic_gsis(void)
{
    unsigned end = 0;

    for (unsigned u = 0; u < nr_units; u++) {
        end = MAX(end, unit[u].first + unit[u].pins);
    }
    return end;
}

int ioapic_setup(unsigned gsi, bool level, bool low)
{
    struct pin *pin = ioapic_has(gsi) ? pin_of(gsi) : NULL;

    if (!pin || pin->said) {
        return pin ? -EEXIST : -EINVAL;
    }
    pin->said = true;
    pin->word = (pin->word & ~(PIN_LEVEL | PIN_LOW)) | (level ? PIN_LEVEL : 0) | (low ? PIN_LOW : 0);
    pin_write(gsi);
    return 0;
}

bool ioapic_is_level(unsigned gsi)
{
    return pin_of(gsi)->word & PIN_LEVEL;
}

void ioapic_target(unsigned gsi, uint32_t apic_id)
{
    unsigned u = unit_of(gsi);

    io_write(u, IO_PIN(gsi - unit[u].first) + 1, apic_id << 24);
}

void ioapic_route(unsigned gsi, uint8_t vector, uint32_t apic_id)
{
    struct pin *pin = pin_of(gsi);

    ioapic_target(gsi, apic_id);
    pin->word = (pin->word & (PIN_LEVEL | PIN_LOW)) | vector;
    pin_write(gsi);
}

void ioapic_mask(unsigned gsi, bool masked)
{
    struct pin *pin = pin_of(gsi);

    pin->word = (pin->word & ~PIN_MASKED) | (masked ? PIN_MASKED : 0);
    pin_write(gsi);
}

int ioapic_read(paddr_t base, uint32_t reg, uint32_t *value, unsigned *pin_gsi)
{
    *pin_gsi = ~0u;
    for (unsigned u = 0; u < nr_units; u++) {
        if (unit[u].base == base) {
            *value = io_read(u, reg);
            if (reg >= IO_PIN(0) && reg < IO_PIN(unit[u].pins) && !(reg & 1)) {
                *pin_gsi = unit[u].first + (reg - IO_PIN(0)) / 2;
            }
            return 0;
        }
    }
    return -EINVAL;
}
