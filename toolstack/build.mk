# SPDX-License-Identifier: MIT
# The tool (cli/ on lib/, with the domain builder's library to vet images), its unit tests, and `make debug`.

CORACLE_VERSION := 0.1

CLI_SRC := $(wildcard toolstack/cli/*.c toolstack/lib/*.c) pvboot/elf.c pvboot/notes.c pvboot/error.c
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/cli/%.o)

$(BUILD)/cli/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(HOST_CFLAGS) -DCORACLE_VERSION='"$(CORACLE_VERSION)"' -c -o $@ $<

$(BUILD)/coracle: $(CLI_OBJ)
	$(call say,LINK,$@)
	$(Q)$(HOST_CC) -o $@ $^ -larchive

-include $(CLI_OBJ:.o=.d)

ALL += $(BUILD)/coracle
