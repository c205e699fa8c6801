# SPDX-License-Identifier: MIT
UNIT_TESTS += hv_printf hv_string pairing_heap
UNIT_SRC_hv_printf := hypervisor/lib/printf.c
UNIT_FLAGS_hv_printf := -DCORACLE_HOST_TEST -Wno-format-truncation -Wno-format-overflow
UNIT_SRC_hv_string := hypervisor/lib/string.c
# Beside the host's own functions, under other names.
UNIT_FLAGS_hv_string := -fno-builtin $(foreach f,memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strchr,-D$(f)=hv_$(f))
UNIT_SRC_pairing_heap := hypervisor/lib/pairing_heap.c
UNIT_FLAGS_pairing_heap := -DCORACLE_HOST_TEST
