# SPDX-License-Identifier: MIT
# store.c pushes flags in the middle of functions, like the hypervisor's own code it needs the red zone to be off.
UNIT_TESTS += decode
UNIT_SRC_decode := hypervisor/pv/decode.c hypervisor/pv/store.c
UNIT_FLAGS_decode := -DCORACLE_HOST_TEST -mno-red-zone
