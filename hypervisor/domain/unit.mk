# SPDX-License-Identifier: MIT
UNIT_TESTS += sched_policy
UNIT_SRC_sched_policy := hypervisor/domain/sched_policy.c hypervisor/lib/pairing_heap.c
UNIT_FLAGS_sched_policy := -DCORACLE_HOST_TEST
UNIT_LIBS_sched_policy := -lm
UNIT_TESTS += io_rights
UNIT_SRC_io_rights := hypervisor/domain/io_rights.c
UNIT_FLAGS_io_rights := -DCORACLE_HOST_TEST
