# SPDX-License-Identifier: MIT
UNIT_TESTS += grant
UNIT_SRC_grant := $(addprefix hypervisor/grant/,table.c map.c copy.c)
UNIT_FLAGS_grant := -DCORACLE_HOST_TEST
