# SPDX-License-Identifier: MIT
UNIT_TESTS += sched_policy
UNIT_SRC_sched_policy := hypervisor/domain/sched_policy.c
UNIT_FLAGS_sched_policy := -DCORACLE_HOST_TEST
