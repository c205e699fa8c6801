# SPDX-License-Identifier: MIT
UNIT_TESTS += console
UNIT_SRC_console := hypervisor/drivers/console.c hypervisor/drivers/uart16550.c
UNIT_FLAGS_console := -DCORACLE_HOST_TEST
