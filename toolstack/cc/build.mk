# SPDX-License-Identifier: MIT
# coracle-cc: the compiler driver for guests.
#
#   $(CORACLE_CC)   the driver. A rule that links an image with it has $(CORACLE_CC) $(SYSROOT_READY) as prerequisites.
CORACLE_CC := $(BUILD)/bin/coracle-cc
CORACLE_CC_OBJ := $(addprefix $(BUILD)/toolstack/cc/,coracle_cc.o arguments.o)

$(CORACLE_CC_OBJ): $(BUILD)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(HOST_CFLAGS) -c -o $@ $<

$(CORACLE_CC): $(CORACLE_CC_OBJ)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) -o $@ $^

-include $(CORACLE_CC_OBJ:.o=.d)

ALL += $(CORACLE_CC)

UNIT_TESTS += cc_arguments
UNIT_SRC_cc_arguments := toolstack/cc/arguments.c
