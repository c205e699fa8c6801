# SPDX-License-Identifier: MIT
UNIT_TESTS += clock_math cmos
UNIT_SRC_clock_math := hypervisor/cpu/clock_math.c
UNIT_SRC_cmos := hypervisor/drivers/cmos.c
UNIT_FLAGS_clock_math := -DCORACLE_HOST_TEST
UNIT_FLAGS_cmos := -DCORACLE_HOST_TEST
UNIT_TESTS += lock_check
UNIT_SRC_lock_check := hypervisor/cpu/lock_check.c
UNIT_FLAGS_lock_check := -DCORACLE_HOST_TEST -DLOCK_CHECK
