# SPDX-License-Identifier: MIT
# The guest's first instructions, and the library that builds domains (one source, three users: the
# hypervisor, the control domain, the unit tests; each compiles $(PVBOOT_SRC) with its own flags).

PVBOOT_SRC := pvboot/error.c pvboot/elf.c pvboot/notes.c pvboot/layout.c pvboot/build.c

# Every guest image links these two first, with pvboot/guest.ld:
#   $(GUEST_CC) $(GUEST_LDFLAGS) -o x.elf $(GUEST_START) objects...
GUEST_START := $(BUILD)/pvboot/start.o $(BUILD)/pvboot/notes.o
GUEST_LDSCRIPT := pvboot/guest.ld
GUEST_LDFLAGS := -nostdlib -static -no-pie -Wl,-T,$(GUEST_LDSCRIPT) -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,--build-id=sha1

$(GUEST_START): $(BUILD)/pvboot/%.o: pvboot/%.S
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -c -o $@ $<

-include $(GUEST_START:.o=.d)

ALL += $(GUEST_START)

UNIT_TESTS += elf
UNIT_SRC_elf := pvboot/error.c pvboot/elf.c
UNIT_TESTS += build
UNIT_SRC_build := $(PVBOOT_SRC)
UNIT_TESTS += notes
UNIT_SRC_notes := pvboot/error.c pvboot/elf.c pvboot/notes.c
UNIT_TESTS += layout
UNIT_SRC_layout := pvboot/error.c pvboot/layout.c
