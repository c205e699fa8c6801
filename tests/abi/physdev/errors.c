/* SPDX-License-Identifier: MIT */
/* Arguments that are wrong, and calls that only keep books. */
#include "tests/abi/physdev/device.h"

static void map_errors(void)
{
    static const int gsis[] = {-1, 0, 2, 5000};
    struct physdev_map_pirq op;
    int got;

    for (unsigned i = 0; i < ARRAY_SIZE(gsis); i++) {
        observe(map_gsi(gsis[i], gsis[i], &got), "map GSI %d", gsis[i]);
        observe(got, "its pirq %d", gsis[i]);
    }
    observe(map_gsi(18, 100000, &got), "map to pirq 100000");
    observe(map_gsi(18, -1, &got), "map GSI 18 to any pirq");
    check(got >= 0, "which is one");
    observe(got < 16, "and none of the legacy ones");
    observe(map_gsi(18, got, &got), "the same again");
    observe(map_gsi(18, -1, NULL), "again to any pirq");
    observe(map_gsi(18, got + 1, NULL), "to another pirq");
    observe(map_gsi(19, got, NULL), "another GSI to that pirq");
    observe(unmap_pirq(got), "unmap");
    observe(unmap_pirq(got), "unmap again");
    observe(unmap_pirq(-1), "unmap pirq -1");
    observe(unmap_pirq(100000), "unmap pirq 100000");
    op = (struct physdev_map_pirq){.domid = DOMID_SELF, .type = 77, .index = 5, .pirq = 5};
    observe(hcall(physdev_op, PHYSDEVOP_map_pirq, &op), "map type 77");
    op = (struct physdev_map_pirq){.domid = 77, .type = MAP_PIRQ_TYPE_GSI, .index = 5, .pirq = 5};
    observe(hcall(physdev_op, PHYSDEVOP_map_pirq, &op), "map for a domain that is not there");
    op = (struct physdev_map_pirq){
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI, .index = -1, .pirq = -1, .bus = 77};
    observe(hcall(physdev_op, PHYSDEVOP_map_pirq, &op), "MSI of a device that is not there");
    observe(op.pirq, "its pirq");
}

static void bind_errors(void)
{
    struct physdev_irq_status_query query = {.irq = 18};
    unsigned port;

    observe(bind_pirq(18, 0, &port), "bind a pirq that is not mapped");
    observe(bind_pirq(21, 0, &port), "bind a pirq that never was");
    observe(bind_pirq(0, 0, &port), "bind pirq 0");
    observe(bind_pirq(100000, 0, &port), "bind pirq 100000");
    observe(eoi(18), "eoi of a pirq that is not mapped");
    observe(eoi(100000), "eoi of pirq 100000");
    observe(hcall(physdev_op, PHYSDEVOP_irq_status_query, &query), "status of a pirq that is not mapped");
    observe(query.flags, "its flags");
    query.irq = 100000;
    observe(hcall(physdev_op, PHYSDEVOP_irq_status_query, &query), "status of pirq 100000");
    observe(map_gsi(4, 4, NULL), "map the console's GSI");
    observe(bind_pirq(4, BIND_PIRQ__WILL_SHARE, &port), "bind the console's interrupt");
    observe(unmap_pirq(4), "unmap it");
}

static void gsi_errors(void)
{
    static const int gsis[] = {-1, 5000, 100000};
    struct physdev_setup_gsi setup = {.triggering = 1, .polarity = 1};
    struct physdev_get_free_pirq free;
    struct physdev_irq irq = {.irq = 7};

    for (unsigned i = 0; i < ARRAY_SIZE(gsis); i++) {
        setup.gsi = gsis[i];
        observe(hcall(physdev_op, PHYSDEVOP_setup_gsi, &setup), "setup of GSI %d", gsis[i]);
    }
    setup.gsi = 20;
    observe(hcall(physdev_op, PHYSDEVOP_setup_gsi, &setup), "setup of GSI 20");
    observe(hcall(physdev_op, PHYSDEVOP_setup_gsi, &setup), "setup of GSI 20 again");
    for (int type = 0; type <= 4; type++) {
        free = (struct physdev_get_free_pirq){.type = type};
        observe(hcall(physdev_op, PHYSDEVOP_get_free_pirq, &free), "a free pirq of type %d", type);
    }
    observe(hcall(physdev_op, PHYSDEVOP_alloc_irq_vector, &irq), "a vector");
    observe((long)irq.vector, "which is");
    irq.irq = 100000;
    observe(hcall(physdev_op, PHYSDEVOP_alloc_irq_vector, &irq), "a vector for interrupt 100000");
}

void case_errors(void)
{
    map_errors();
    bind_errors();
    gsi_errors();
}

static long device_call(unsigned cmd, unsigned seg, unsigned bus, unsigned devfn)
{
    struct physdev_pci_device op = {.seg = (uint16_t)seg, .bus = (uint8_t)bus, .devfn = (uint8_t)devfn};

    return hcall(physdev_op, cmd, &op);
}

/* The books on PCI devices. */
void case_devices(void)
{
    struct physdev_pci_device_add add = {.bus = 0, .devfn = 8};
    struct physdev_manage_pci manage = {.bus = 0, .devfn = 16};
    struct physdev_manage_pci_ext ext = {.bus = 0, .devfn = 16, .is_extfn = 2};
    struct physdev_pci_mmcfg_reserved mmcfg = {.address = 0xb0000000, .end_bus = 255};

    observe(device_call(PHYSDEVOP_pci_device_remove, 0, 5, 8), "remove a device that nobody added");
    observe(hcall(physdev_op, PHYSDEVOP_pci_device_add, &add), "add a device");
    observe(hcall(physdev_op, PHYSDEVOP_pci_device_add, &add), "add it again");
    observe(device_call(PHYSDEVOP_restore_msi_ext, 0, 0, 8), "restore its messages");
    observe(device_call(PHYSDEVOP_restore_msi_ext, 0, 5, 8), "restore the messages of an unknown one");
    /* Not asked: prepare_msix of a device without MSI-X, at which stock Xen 4.17 panics. */
    observe(device_call(PHYSDEVOP_prepare_msix, 0, 5, 8), "prepare_msix of an unknown device");
    observe(device_call(PHYSDEVOP_pci_device_remove, 0, 0, 8), "remove it");
    observe(device_call(PHYSDEVOP_pci_device_remove, 0, 0, 8), "remove it again");
    observe(hcall(physdev_op, PHYSDEVOP_manage_pci_add, &manage), "the old call: add");
    observe(hcall(physdev_op, PHYSDEVOP_manage_pci_remove, &manage), "the old call: remove");
    observe(hcall(physdev_op, PHYSDEVOP_manage_pci_add_ext, &ext), "the extended call, bad flag");
    ext.is_extfn = 0;
    observe(hcall(physdev_op, PHYSDEVOP_manage_pci_add_ext, &ext), "the extended call");
    observe(hcall(physdev_op, PHYSDEVOP_manage_pci_remove, &manage), "and gone");
    observe(hcall(physdev_op, PHYSDEVOP_pci_mmcfg_reserved, &mmcfg), "a configuration window that is none");
    observe(hcall(physdev_op, PHYSDEVOP_pci_device_add, 0x10000), "add, unmapped argument");
    observe(hcall(physdev_op, PHYSDEVOP_map_pirq, 0x10000), "map_pirq, unmapped argument");
    observe(hcall(physdev_op, PHYSDEVOP_setup_gsi, 0x10000), "setup_gsi, unmapped argument");
    observe(hcall(physdev_op, PHYSDEVOP_apic_read, 0x10000), "apic_read, unmapped argument");
}

void case_ioapic(void)
{
    struct physdev_apic op = {.apic_physbase = 0xfec00000, .reg = 1};
    struct physdev_pirq_eoi_gmfn map;
    void *page = page_alloc();

    observe(hcall(physdev_op, PHYSDEVOP_apic_read, &op), "version register");
    observe(op.value, "which says");
    op.reg = 0x10 + 2 * 8;
    observe(hcall(physdev_op, PHYSDEVOP_apic_read, &op), "a pin's register");
    op.apic_physbase = 0xfec10000;
    observe(hcall(physdev_op, PHYSDEVOP_apic_read, &op), "where none is");
    observe(hcall(physdev_op, PHYSDEVOP_apic_write, &op), "write where none is");
    map.gmfn = NO_MFN;
    observe(hcall(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &map), "EOI map: no frame");
    map.gmfn = va_to_mfn(page);
    observe(hcall(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &map), "EOI map");
    observe(hcall(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &map), "EOI map, again");
    observe(hcall(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v1, &map), "the old EOI map, too");
    check(set_read_only(page) == 0, "the page may be mapped read-only");
    observe(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page), 0), "but cannot become a page table");
    check(set_writable(page) == 0, "and writable again");
}
