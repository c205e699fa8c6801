# SPDX-License-Identifier: MIT
# Unit tests of the drivers against models of their devices (tests/unit/device_world.h).
UNIT_TESTS += rtl8139
UNIT_SRC_rtl8139 := $(addprefix toolstack/device/,rtl8139.c netdev.c buffers.c)
UNIT_FLAGS_rtl8139 = $(DEVICE_UNIT_FLAGS)
DEVICE_UNIT_FLAGS = -include tests/unit/include/device_io.h -idirafter libos/include -isystem $(BUILD)/libos/abi
UNIT_TESTS += virtio_net
UNIT_SRC_virtio_net := $(addprefix toolstack/device/,virtio_net.c virtio.c virtqueue.c netdev.c buffers.c)
UNIT_FLAGS_virtio_net = $(DEVICE_UNIT_FLAGS)
UNIT_TESTS += uplink
UNIT_SRC_uplink := $(addprefix toolstack/backend/,uplink.c bridge.c bridge_filter.c net_frame.c) toolstack/device/netdev.c
UNIT_FLAGS_uplink = $(DEVICE_UNIT_FLAGS) -Wno-unused-function -Wno-unused-variable
UNIT_TESTS += scsi
UNIT_SRC_scsi := toolstack/device/scsi.c
UNIT_FLAGS_scsi = $(DEVICE_UNIT_FLAGS)
UNIT_TESTS += device_gone
UNIT_SRC_device_gone := $(filter-out $(addprefix toolstack/device/,pci.c pirq.c port.c dma.c serial.c),$(wildcard toolstack/device/*.c))
UNIT_FLAGS_device_gone = $(DEVICE_UNIT_FLAGS) -Wno-unused-function
