# SPDX-License-Identifier: MIT
UNIT_TESTS += multiboot options acpi
UNIT_SRC_multiboot := hypervisor/boot/multiboot.c hypervisor/boot/regions.c
UNIT_SRC_options := hypervisor/boot/options.c
UNIT_SRC_acpi := hypervisor/boot/acpi.c
UNIT_FLAGS_multiboot := -DCORACLE_HOST_TEST
UNIT_FLAGS_options := -DCORACLE_HOST_TEST
UNIT_FLAGS_acpi := -DCORACLE_HOST_TEST
