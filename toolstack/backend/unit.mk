# SPDX-License-Identifier: MIT
# Unit tests of netback's pure parts.
UNIT_TESTS += bridge vif_config
UNIT_SRC_bridge := $(addprefix toolstack/backend/,bridge.c bridge_filter.c)
UNIT_SRC_vif_config := toolstack/backend/vif_config.c toolstack/control/error.c
