# SPDX-License-Identifier: MIT
# Unit tests of the drivers against models of their devices (tests/unit/device_world.h).
UNIT_TESTS += rtl8139
UNIT_SRC_rtl8139 := $(addprefix toolstack/device/,rtl8139.c netdev.c buffers.c)
UNIT_FLAGS_rtl8139 = $(DEVICE_UNIT_FLAGS)
DEVICE_UNIT_FLAGS = -include tests/unit/include/device_io.h -idirafter libos/include -isystem $(BUILD)/libos/abi
