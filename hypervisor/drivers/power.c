/* SPDX-License-Identifier: MIT */
/* The machine's end. Whatever firmware promised may fail here, so each way is followed by the next. */
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/ioport.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/platform.h"

#define PM1_SCI_EN  0x0001u
#define PM1_SLP_TYP 0x1c00u
#define PM1_SLP_EN  0x2000u
#define WAIT_READS  100000u /* port reads, about a microsecond each */
#define KBD_STATUS  0x64
#define KBD_BUSY    0x02
#define KBD_RESET   0xfe
#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc

static _Noreturn void halt(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* 4.8.3.2.1: the fixed registers work in ACPI mode only. */
static void enter_acpi_mode(void)
{
    if ((inw(acpi.pm1a_cnt) & PM1_SCI_EN) || !acpi.smi_cmd || !acpi.acpi_enable) {
        return;
    }
    outb(acpi.smi_cmd, acpi.acpi_enable);
    for (unsigned i = 0; i < WAIT_READS && !(inw(acpi.pm1a_cnt) & PM1_SCI_EN); i++) {
    }
}

static void sleep_type(uint16_t port, uint8_t type, unsigned enable)
{
    unsigned value = inw(port) & ~(PM1_SLP_TYP | PM1_SLP_EN);

    outw(port, (uint16_t)(value | ((unsigned)type << 10 & PM1_SLP_TYP) | enable));
}

void machine_power_off(void)
{
    machine_stop_others();
    if (acpi.has_s5 && acpi.pm1a_cnt) {
        enter_acpi_mode();
        sleep_type(acpi.pm1a_cnt, acpi.s5_a, PM1_SLP_EN);
        if (acpi.pm1b_cnt) {
            sleep_type(acpi.pm1b_cnt, acpi.s5_b, PM1_SLP_EN);
        }
        for (unsigned i = 0; i < WAIT_READS; i++) {
            inw(acpi.pm1a_cnt);
        }
    }
    log_err("power off: expected ACPI's S5 to end this, it did not: halted");
    halt();
}

static void acpi_reset(void)
{
    if (!acpi.has_reset) {
        return;
    }
    if (acpi.reset_space == 1 && acpi.reset_address <= 0xffff) {
        outb((uint16_t)acpi.reset_address, acpi.reset_value);
    } else if (acpi.reset_space == 2) { /* bits 47..32 device, 31..16 function, 15..0 register on bus 0 */
        uint32_t device = acpi.reset_address >> 32 & 0x1f, function = acpi.reset_address >> 16 & 7;
        uint32_t reg = acpi.reset_address & 0xff;

        outl(PCI_ADDRESS, 0x80000000u | device << 11 | function << 8 | (reg & 0xfc));
        outb((uint16_t)(PCI_DATA + (reg & 3)), acpi.reset_value);
    }
    for (unsigned i = 0; i < WAIT_READS / 10; i++) {
        inb(KBD_STATUS);
    }
}

void machine_reboot(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_idt = {0, 0};

    machine_stop_others();
    acpi_reset();
    for (unsigned tries = 0; tries < 10; tries++) {
        for (unsigned i = 0; i < WAIT_READS / 10 && (inb(KBD_STATUS) & KBD_BUSY); i++) {
        }
        outb(KBD_STATUS, KBD_RESET);
        for (unsigned i = 0; i < 1000; i++) {
            inb(KBD_STATUS);
        }
    }
    /* Without a descriptor table an exception cannot be delivered: the processor shuts down, and the board
     * resets it. */
    __asm__ volatile("lidt %0; int3" ::"m"(no_idt));
    halt();
}
