/* SPDX-License-Identifier: MIT */
/*
 * Port input and output. A guest needs two permissions: its own kernel's (virtual IOPL, or its bitmap of
 * ports), without which it gets #GP; and the machine's (io_rights.h), without which it reads ones and writes
 * nowhere. Nobody has those that the hypervisor uses itself. Two register pairs are shared with the
 * privileged domain by latching its index: PCI's configuration mechanism 1 and the CMOS clock.
 */
#include "hypervisor/drivers/pci.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/ioport.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/spinlock.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/pv.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

/* What the privileged domain wrote to the index registers last. */
static struct {
    struct spinlock lock; /* held for the clock's index and data; a leaf: nothing is taken under it */
    uint32_t pci_address;
    uint8_t cmos_index;
} latch = {.lock = SPINLOCK(LOCK_CONSOLE)};

static bool in_range(unsigned port, unsigned first, unsigned count)
{
    return first != 0 && port - first < count;
}

/* Does a serial line of the hypervisor's use the port? */
static bool is_console_port(unsigned port)
{
    const char *name = in_range(port, 0x3f8, 8) ? "com1" : in_range(port, 0x2f8, 8) ? "com2" : NULL;

    return name && (strncmp(options.console, name, 4) == 0 || strncmp(options.guest_console, name, 4) == 0);
}

/* Ports that nobody but the hypervisor may touch, that have a latch, or that do not exist. */
static bool is_reserved(unsigned port)
{
    return port > 0xffff || in_range(port, 0x20, 2) || in_range(port, 0xa0, 2) || /* interrupt controllers */
           in_range(port, 0x40, 4) || in_range(port, 0x61, 1) ||                  /* PIT */
           in_range(port, CMOS_INDEX, 2) || in_range(port, PCI_DATA, 4) || in_range(port, acpi.pm_timer, 4) ||
           in_range(port, acpi.pm1a_cnt, 2) || in_range(port, acpi.pm1b_cnt, 2) || is_console_port(port);
}

static uint32_t port_in(unsigned port, unsigned size)
{
    return size == 1 ? inb((uint16_t)port) : size == 2 ? inw((uint16_t)port) : inl((uint16_t)port);
}

static void port_out(unsigned port, unsigned size, uint32_t value)
{
    if (size == 1) {
        outb((uint16_t)port, (uint8_t)value);
    } else if (size == 2) {
        outw((uint16_t)port, (uint16_t)value);
    } else {
        outl((uint16_t)port, value);
    }
}

static uint32_t cmos_access(bool write, uint32_t value)
{
    spin_lock(&latch.lock);
    outb(CMOS_INDEX, latch.cmos_index & 0x7f); /* bit 7 would mask NMIs */
    if (write) {
        outb(CMOS_DATA, (uint8_t)value);
    } else {
        value = inb(CMOS_DATA);
    }
    spin_unlock(&latch.lock);
    return value;
}

/* One access to a register of the latched pairs, or a byte of the rest. Returns how many bytes it took care
 * of. */
static unsigned access_part(unsigned port, unsigned size, bool write, uint32_t *value)
{
    if (port == CMOS_INDEX) {
        if (write) {
            latch.cmos_index = (uint8_t)*value;
        }
        *value = latch.cmos_index;
    } else if (port == CMOS_DATA) {
        *value = cmos_access(write, *value);
    } else if (in_range(port, PCI_DATA, 4)) {
        unsigned fits = MIN(size, 4 - (port & 3));

        fits = fits == 3 ? 2 : fits;
        *value = pci_access(latch.pci_address, port & 3, fits, write, *value);
        return fits;
    } else if (is_reserved(port)) {
        *value = ~0u;
    } else if (write) {
        port_out(port, 1, *value);
    } else {
        *value = port_in(port, 1);
    }
    return 1;
}

static uint32_t ones(unsigned size)
{
    return size == 4 ? ~0u : (1u << (size * 8)) - 1;
}

/* The machine's side of an access that the guest's kernel allows. */
static uint32_t machine_access(struct domain *d, unsigned port, unsigned size, bool write, uint32_t value)
{
    bool whole = true;
    uint32_t result = 0;

    if (!io_allowed(d, IO_PORTS, port, port + size - 1)) {
        return ones(size);
    }
    if (port == PCI_ADDRESS && size == 4 && d->privileged) {
        if (write) {
            latch.pci_address = value;
        }
        return latch.pci_address;
    }
    for (unsigned i = 0; i < size; i++) {
        whole &= !is_reserved(port + i);
    }
    if (!whole && !d->privileged) {
        return ones(size); /* what is latched or shared is the privileged domain's alone */
    }
    if (whole && write) {
        port_out(port, size, value);
    } else if (whole) {
        result = port_in(port, size);
    }
    for (unsigned i = 0; !whole && i < size;) {
        uint32_t part = value >> (i * 8);
        unsigned n = access_part(port + i, size - i, write, &part);

        result |= (part & ones(n)) << (i * 8);
        i += n;
    }
    return result;
}

bool iopl_allows(const struct vcpu *v)
{
    bool architectural = v->domain->vm_assist & (1ul << VMASST_TYPE_architectural_iopl);
    unsigned level = v->kernel_mode ? (architectural ? 0 : 1) : 3;

    return level <= v->ctx->iopl;
}

/* Do the guest's own permissions allow the ports? Its bitmap is in its kernel's memory. */
static bool guest_allows(struct vcpu *v, unsigned port, unsigned size)
{
    uint8_t map[2] = {0xff, 0xff};
    unsigned bits;

    if (iopl_allows(v)) {
        return true;
    }
    if (!v->ctx->iobmp || port + size > v->ctx->iobmp_limit) {
        return false;
    }
    if (!v->kernel_mode) {
        cr3_load(v->cr3_kernel);
    }
    if (copy_from_guest(map, gva(v->ctx->iobmp + port / 8), 1) != 0 ||
        copy_from_guest(map + 1, gva(v->ctx->iobmp + port / 8 + 1), 1) != 0) {
        map[1] = 0xff; /* what cannot be read forbids */
    }
    if (!v->kernel_mode) {
        cr3_load(v->cr3_user);
    }
    bits = map[0] | (unsigned)map[1] << 8;
    return (bits >> (port & 7) & ((1u << size) - 1)) == 0;
}

/* One element of ins or outs. false: a trap was injected. */
static bool string_element(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i, unsigned size)
{
    bool in = i->opcode < 0x6e;
    uint64_t *pointer = in ? &regs->rdi : &regs->rsi;
    unsigned long va = *pointer;
    unsigned port = (uint16_t)regs->rdx;
    uint32_t value = 0;

    if (!in && i->segment) {
        va += rdmsr(i->segment == 0x64 ? 0xc0000100 : 0xc0000101);
    }
    if (!guest_range_ok(gva(va), size)) {
        pv_inject_trap(v, TRAP_PROTECTION, 0);
        return false;
    }
    if (in) {
        value = machine_access(v->domain, port, size, false, 0);
    }
    if (in ? copy_to_guest(gva(va), &value, size) : copy_from_guest(&value, gva(va), size)) {
        pv_inject_page_fault(v, va, in ? PFEC_WRITE : 0);
        return false;
    }
    if (!in) {
        machine_access(v->domain, port, size, true, value);
    }
    *pointer += regs->rflags & 0x400 ? -(uint64_t)size : size;
    return true;
}

static enum emulated string_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i,
                               unsigned size)
{
    if (i->address32) {
        return EMULATED_REFUSED;
    }
    if (!i->rep) {
        return string_element(v, regs, i, size) ? EMULATED_DONE : EMULATED_RETRY;
    }
    while (regs->rcx != 0) {
        if (!string_element(v, regs, i, size)) {
            return EMULATED_RETRY;
        }
        if (--regs->rcx != 0 && preempt_due()) {
            return EMULATED_RETRY;
        }
    }
    return EMULATED_DONE;
}

enum emulated emulate_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    unsigned size = i->size == 8 ? 4 : i->size;
    bool string = i->opcode < 0x70;
    unsigned port = !string && i->opcode < 0xe8 ? (uint8_t)i->immediate : (uint16_t)regs->rdx;
    uint32_t value;

    if (i->lock || !guest_allows(v, port, size)) {
        return EMULATED_REFUSED;
    }
    if (string) {
        return string_io(v, regs, i, size);
    }
    if (i->opcode & 2) {
        machine_access(v->domain, port, size, true, (uint32_t)regs->rax);
    } else {
        value = machine_access(v->domain, port, size, false, 0);
        insn_reg_write(i, regs, REG_RAX, size, value);
    }
    return EMULATED_DONE;
}
