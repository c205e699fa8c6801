# SPDX-License-Identifier: MIT
# echo: sends back what it gets, over TCP and UDP; for measuring.
ECHO := $(BUILD)/samples/echo/echo.elf

$(ECHO): samples/echo/echo.c $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -O2 -g -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -o $@ $<

SAMPLES += $(ECHO)
