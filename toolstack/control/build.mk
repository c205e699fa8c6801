# SPDX-License-Identifier: MIT
# The control domain: a libOS image of toolstack/{control,store,backend,device} and pvboot's builder.
CONTROL := $(BUILD)/control/control.elf
CONTROL_SRC := $(wildcard $(addsuffix /*.c,$(addprefix toolstack/,control backend device))) toolstack/link/mux.c \
	libos/fs/tar.c $(PVBOOT_SRC)
CONTROL_STORE := $(BUILD)/control/store.o
CONTROL_STORE_OBJ := $(patsubst %.c,$(BUILD)/control/%.o,$(wildcard toolstack/store/*.c))
CONTROL_OBJ := $(CONTROL_SRC:%.c=$(BUILD)/control/%.o) $(CONTROL_STORE)
CONTROL_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -D__XEN_TOOLS__ -fno-common -MMD -MP -I. -isystem $(BUILD)/libos/abi \
	$(GUESTLIB_CFLAGS) -DCORACLE_VERSION='"$(CORACLE_VERSION)"'
CONTROL_LIBS := $(CJSON_LIB) $(HTTP_PARSER_LIB)

$(CONTROL_SRC:%.c=$(BUILD)/control/%.o) $(CONTROL_STORE_OBJ): $(BUILD)/control/%.o: %.c $(CORACLE_CC) | $(SYSROOT_HEADERS) $(BUILD)/libos/abi/xen $(GUESTLIB_HEADERS)
	$(call say,GUESTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) $(CONTROL_CFLAGS) -c -o $@ $<

# Handlers that run in interrupt context, where nobody saves the SSE registers.
$(BUILD)/control/toolstack/control/loop.o: CONTROL_CFLAGS += -mgeneral-regs-only

# The store is a library: only what store.h declares is seen outside of it.
$(CONTROL_STORE): $(CONTROL_STORE_OBJ)
	$(call say,GUESTLD,$@)
	$(Q)ld -r -o $@.all $^ && objcopy --wildcard --keep-global-symbol='store_*' $@.all $@ && rm $@.all

$(CONTROL): $(CONTROL_OBJ) $(CONTROL_LIBS) $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	$(Q)$(CORACLE_CC) -o $@ $(CONTROL_OBJ) $(CONTROL_LIBS)

-include $(CONTROL_SRC:%.c=$(BUILD)/control/%.d) $(CONTROL_STORE_OBJ:.o=.d)

ALL += $(CONTROL)

# Scenarios of the life cycle, linked with the control domain's sources (tests/system/control).
CONTROL_TEST := $(BUILD)/tests/system/control_scenarios.elf
CONTROL_TEST_OBJ := $(patsubst %.c,$(BUILD)/control/%.o,$(wildcard tests/system/control/*.c tests/bench/split/*.c))
$(CONTROL_TEST_OBJ): $(BUILD)/control/%.o: %.c $(CORACLE_CC) | $(SYSROOT_HEADERS) $(BUILD)/libos/abi/xen $(GUESTLIB_HEADERS)
	$(call say,GUESTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) $(CONTROL_CFLAGS) -c -o $@ $<

$(CONTROL_TEST): $(CONTROL_TEST_OBJ) $(CONTROL_OBJ) $(CONTROL_LIBS) $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -o $@ $(CONTROL_TEST_OBJ) $(filter-out %/control/main.o,$(CONTROL_OBJ)) $(CONTROL_LIBS)

-include $(CONTROL_TEST_OBJ:.o=.d)
test test-system test-system-guests: $(CONTROL_TEST)

# The control domain that ends when a domain is paused (tests/system/test_host.py).
CONTROL_FALLS := $(BUILD)/tests/system/control_falls.elf
CONTROL_FALLS_OBJ := $(BUILD)/control/tests/system/control_falls/falls.o
$(CONTROL_FALLS_OBJ): $(BUILD)/control/%.o: %.c $(CORACLE_CC) | $(SYSROOT_HEADERS) $(BUILD)/libos/abi/xen $(GUESTLIB_HEADERS)
	$(call say,GUESTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) $(CONTROL_CFLAGS) -c -o $@ $<

$(CONTROL_FALLS): $(CONTROL_FALLS_OBJ) $(CONTROL_OBJ) $(CONTROL_LIBS) $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -Wl,--wrap=domain_pause -o $@ $(CONTROL_FALLS_OBJ) $(CONTROL_OBJ) $(CONTROL_LIBS)

-include $(CONTROL_FALLS_OBJ:.o=.d)
test test-system test-system-guests: $(CONTROL_FALLS)

# The domains that the scenarios make.
CONTROL_GUESTS := $(patsubst tests/system/control/guests/%.c,$(BUILD)/tests/system/control_guests/%.elf,\
	$(wildcard tests/system/control/guests/*.c))
$(BUILD)/tests/system/control_guests/%.elf: tests/system/control/guests/%.c $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -O2 -g -Wall -Wextra -isystem $(BUILD)/libos/abi -I. -o $@ $<
test test-system test-system-guests: $(CONTROL_GUESTS)

include toolstack/control/unit.mk
include toolstack/backend/unit.mk
