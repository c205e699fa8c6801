# SPDX-License-Identifier: MIT
UNIT_TESTS += frame_alloc
UNIT_SRC_frame_alloc := $(addprefix hypervisor/mm/,frame_alloc.c frame_ref.c mmu_update.c mmuext.c pt_entry.c pt_validate.c guest_walk.c) \
	hypervisor/pv/descriptor.c
UNIT_FLAGS_frame_alloc := -DCORACLE_HOST_TEST
