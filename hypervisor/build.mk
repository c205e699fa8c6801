# SPDX-License-Identifier: MIT
# The hypervisor: every .c and .S below hypervisor/ in the folders named here, linked at its own address (hypervisor.ld),
# then wrapped as a 32-bit ELF, because multiboot 1 loaders (QEMU's -kernel) take no other.
HV_ROOMS := boot cpu mm pv domain event grant hypercall drivers lib
HV_SRC := $(foreach r,$(HV_ROOMS),$(wildcard hypervisor/$(r)/*.c hypervisor/$(r)/*.S)) \
	$(filter-out %/env_host.c,pvboot/error.c pvboot/elf.c pvboot/notes.c pvboot/layout.c pvboot/build.c)
HV_SRC := $(filter-out hypervisor/cpu/asm_offsets.c,$(HV_SRC))
HV_OBJ := $(patsubst %,$(BUILD)/obj/hv/%.o,$(HV_SRC))
HV_ELF := $(BUILD)/hypervisor/coracle.elf
# What the tests boot: as above, with the order of locks checked. It shares the assembly.
HV_CHECKED := $(BUILD)/hypervisor/coracle-checked.elf
HV_CHECKED_OBJ := $(patsubst $(BUILD)/obj/hv/%.c.o,$(BUILD)/obj/hv-checked/%.c.o,$(HV_OBJ))
HV_OFFSETS := $(BUILD)/obj/hv/include/asm_offsets.h
HV_DEFS := -I$(BUILD)/obj/hv/include

ALL += $(HV_ELF) $(HV_CHECKED)

# Constants and structure offsets for assembly: the compiler's own numbers, taken from its output.
$(HV_OFFSETS): hypervisor/cpu/asm_offsets.c
	@mkdir -p $(@D)
	$(Q)$(HV_CC) $(HV_CFLAGS) -MF $@.d -MT $@ -S -o - $< | sed -n 's/^.*->\([A-Z0-9_]*\) [$$]*\(-\{0,1\}[0-9]*\).*/#define \1 \2/p' > $@.tmp
	$(Q)mv $@.tmp $@

$(BUILD)/obj/hv/%.c.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(HV_CC) $(HV_CFLAGS) $(HV_DEFS) -c -o $@ $<

$(BUILD)/obj/hv-checked/%.c.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(HV_CC) $(HV_CFLAGS) $(HV_DEFS) -DLOCK_CHECK -c -o $@ $<

$(BUILD)/obj/hv/%.S.o: %.S $(HV_OFFSETS)
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(HV_CC) $(HV_CFLAGS) $(HV_DEFS) -D__ASSEMBLY__ -c -o $@ $<

$(HV_ELF:.elf=.64): $(HV_OBJ)
$(HV_CHECKED:.elf=.64): $(HV_CHECKED_OBJ)
$(HV_ELF:.elf=.64) $(HV_CHECKED:.elf=.64): hypervisor/hypervisor.ld
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LD) -m elf_x86_64 -static -nostdlib --build-id=sha1 -z noexecstack -z max-page-size=4096 --fatal-warnings --no-warn-rwx-segments -T hypervisor/hypervisor.ld -o $@ $(filter %.o,$^)

$(HV_ELF) $(HV_CHECKED): %.elf: %.64
	$(Q)objcopy -O elf32-i386 $< $@ 2>/dev/null

-include $(HV_OBJ:.o=.d) $(HV_CHECKED_OBJ:.o=.d) $(HV_OFFSETS).d

# Host unit tests of this room: hypervisor/FOLDER/unit.mk.
include $(wildcard hypervisor/*/unit.mk)
