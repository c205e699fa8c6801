# SPDX-License-Identifier: MIT
# These tests take the machine from tests/unit/mm_world.h, so all of them link all of this.
MM_UNIT_SRC := $(addprefix hypervisor/mm/,frame_alloc.c frame_ref.c guest_walk.c mmu_update.c mmuext.c pt_entry.c \
	pt_validate.c va_mapping.c) hypervisor/pv/descriptor.c hypervisor/domain/io_rights.c
MM_UNIT_TESTS := frame_alloc frames page_types guest_walk descriptor
UNIT_TESTS += $(MM_UNIT_TESTS)
$(foreach t,$(MM_UNIT_TESTS),$(eval UNIT_SRC_$(t) := $(MM_UNIT_SRC)))
$(foreach t,$(MM_UNIT_TESTS),$(eval UNIT_FLAGS_$(t) := -DCORACLE_HOST_TEST))
UNIT_TESTS += tlb
UNIT_SRC_tlb := hypervisor/mm/tlb.c
UNIT_FLAGS_tlb := -DCORACLE_HOST_TEST
UNIT_LIBS_tlb := -lpthread
