# SPDX-License-Identifier: MIT
UNIT_TESTS += event
UNIT_SRC_event := $(addprefix hypervisor/event/,port.c deliver.c bind.c poll.c)
UNIT_FLAGS_event := -DCORACLE_HOST_TEST
