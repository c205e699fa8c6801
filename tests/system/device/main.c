/* SPDX-License-Identifier: MIT */
#include "tests/system/device/test.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "toolstack/device/device.h"
#include "toolstack/device/pci.h"
#include "toolstack/device/pirq.h"
#include "toolstack/device/virtio.h"

static unsigned passed, failed;

bool check(bool good, const char *format, ...)
{
    char name[128];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    printf("%s %s\n", good ? "ok" : "not ok", name);
    good ? passed++ : failed++;
    return good;
}

bool wait_for(const volatile bool *flag, unsigned seconds)
{
    uint64_t deadline = cor_monotonic_ns() + SLOWNESS * seconds * SECOND;

    while (!*flag && loop_turn(deadline)) {
    }
    return *flag;
}

bool wait_for_disk(const char *name)
{
    uint64_t deadline = cor_monotonic_ns() + 20 * SECOND;

    while (!(name ? blkdev_find(name) : blkdev_first()) && loop_turn(deadline)) {
    }
    return name ? blkdev_find(name) : blkdev_first();
}

static bool has_scsi;

/* The line of a network card or a virtio device; what lies above 4 GiB; which bus. */
static void tell_device(const struct pci_device *d, void *unused)
{
    (void)unused;
    has_scsi |= virtio_type(d) == VIRTIO_SCSI;
    if (d->class >> 16 == 2 || d->vendor == 0x1af4) {
        printf("# line %u\n", d->line);
    }
    if (d->bus) {
        printf("# on bus %u: class %06x\n", d->bus, (unsigned)d->class);
    }
    for (unsigned i = 0; d->class >> 16 != 6 && i < PCI_BARS; i++) {
        struct pci_bar bar = pci_bar(d, i);

        if (bar.address >> 32) {
            printf("# above 4 GiB: class %06x\n", (unsigned)d->class);
        }
    }
}

/* argv[1]: what the disks are like, see test_disk(), `lines` for interrupts by these alone, or `uplink`. */
int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    int found;

    if (strcmp(how, "lines") == 0) {
        pirq_lines_only = true;
        how = "";
    }
    found = device_init();

    check(found >= 0, "device_init");
    if (strcmp(how, "uplink") == 0 && check(netdev_first() != NULL, "there is a card")) {
        test_uplink(netdev_first());
        printf("done: %u passed, %u failed\n", passed, failed);
        return failed != 0;
    }
    printf("# %d devices\n", found);
    pci_scan(tell_device, NULL);
    if (has_scsi) {
        check(wait_for_disk(NULL), "a disk is found");
    }
    for (struct blkdev *dev = blkdev_first(); dev; dev = dev->next) {
        test_disk(dev, how);
    }
    if (!*how) {
        test_gone();
    }
    for (struct netdev *dev = netdev_first(); dev; dev = dev->next) {
        test_card(dev);
    }
    printf("done: %u passed, %u failed\n", passed, failed);
    return failed != 0;
}
