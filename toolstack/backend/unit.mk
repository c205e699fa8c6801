# SPDX-License-Identifier: MIT
# Unit tests of netback's pure parts, and of the tool's ports.
UNIT_TESTS += bridge vif_config net_frame net_ring
UNIT_SRC_bridge := $(addprefix toolstack/backend/,bridge.c bridge_filter.c)
UNIT_SRC_vif_config := toolstack/backend/vif_config.c toolstack/control/error.c
UNIT_SRC_net_frame := toolstack/backend/net_frame.c
UNIT_FLAGS_net_frame := -idirafter libos/include
UNIT_SRC_net_ring := $(addprefix toolstack/backend/,net_ring.c net_ring_rx.c net_frame.c)
UNIT_FLAGS_net_ring = -idirafter libos/include -isystem $(BUILD)/libos/abi
UNIT_TESTS += cli_forward
UNIT_SRC_cli_forward := $(addprefix toolstack/lib/,forward.c qemu_args.c cmdline.c report.c)
UNIT_TESTS += vif
UNIT_SRC_vif := $(addprefix toolstack/backend/,vif.c bridge.c bridge_filter.c)
UNIT_FLAGS_vif = $(DEVICE_UNIT_FLAGS) -Wno-unused-function -Wno-unused-variable
