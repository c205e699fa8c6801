# SPDX-License-Identifier: MIT
# Drivers of the machine's devices: objects for the control domain and for images that test them.
DEVICE_SRC := $(wildcard toolstack/device/*.c)
DEVICE_OBJ := $(DEVICE_SRC:%.c=$(BUILD)/device/%.o)
DEVICE_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -D__XEN_TOOLS__ -fno-common -MMD -MP -I. -isystem $(BUILD)/libos/abi

# An image that drives the devices as the initial domain: tests/system/test_devices.py.
DEVICE_TEST := $(BUILD)/tests/system/devices.elf
DEVICE_TEST_OBJ := $(patsubst %.c,$(BUILD)/device/%.o,$(wildcard tests/system/device/*.c) toolstack/control/loop.c \
	$(addprefix toolstack/backend/,uplink.c bridge.c bridge_filter.c net_frame.c))
$(BUILD)/device/toolstack/control/loop.o: DEVICE_CFLAGS += -mgeneral-regs-only

$(DEVICE_OBJ) $(DEVICE_TEST_OBJ): $(BUILD)/device/%.o: %.c $(CORACLE_CC) | $(SYSROOT_HEADERS) $(BUILD)/libos/abi/xen
	$(call say,GUESTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) $(DEVICE_CFLAGS) -c -o $@ $<

$(DEVICE_TEST): $(DEVICE_TEST_OBJ) $(DEVICE_OBJ) $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -o $@ $(DEVICE_TEST_OBJ) $(DEVICE_OBJ)

test test-system test-system-guests: $(DEVICE_TEST)
-include $(DEVICE_OBJ:.o=.d) $(DEVICE_TEST_OBJ:.o=.d)
include toolstack/device/unit.mk
