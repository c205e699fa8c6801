# SPDX-License-Identifier: MIT
# One C file and coracle-cc: nothing else is needed for a guest.
HELLO := $(BUILD)/samples/hello/hello.elf

$(HELLO): samples/hello/hello.c $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -O2 -g -Wall -Wextra -o $@ $<

SAMPLES += $(HELLO)
ALL += $(HELLO)
