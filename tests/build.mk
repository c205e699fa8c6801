# SPDX-License-Identifier: MIT
# Unit tests on the host, ABI guests, and the targets that run everything. See tests/README.md.

# ---- unit tests: tests/unit/test_NAME.c with the sources under test, unmodified, under ASan and UBSan ----
UNIT_CFLAGS = $(HOST_CFLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-DUNIT_TEST=1 -Itests/unit/include
UNIT_BIN = $(UNIT_TESTS:%=$(BUILD)/tests/unit/%)

.SECONDEXPANSION:
$(BUILD)/tests/unit/%: tests/unit/test_%.c $$(UNIT_SRC_$$*)
	$(call say,UNIT,$*)
	@mkdir -p $(@D)/$*.o
	$(Q)objects=; for source in $(filter %.c %.S,$^); do \
		object=$(@D)/$*.o/$$(echo $${source%.*} | tr / _).o; objects="$$objects $$object"; \
		$(HOST_CC) $(UNIT_CFLAGS) $(UNIT_FLAGS_$*) -c -o $$object $$source || exit 1; \
	done; $(HOST_CC) -fsanitize=address,undefined -o $@ $$objects -lcmocka $(UNIT_LIBS_$*)
-include $(wildcard $(BUILD)/tests/unit/*.o/*.d)

# The rule above writes objects by their own names; this makes a unit test depend on the headers they read.
$(foreach t,$(wildcard $(BUILD)/tests/unit/*.o),$(eval $(t:.o=): $(shell sed -n \
	's/^\([^ :]*\.h\):$$/\1/p' $(wildcard $(t)/*.d) /dev/null | sort -u)))

# ---- ABI guests: one folder, one image ----
ABI_TOPICS := $(filter-out lib,$(sort $(notdir $(patsubst %/,%,$(dir $(wildcard tests/abi/*/*.c))))))
ABI_GUESTS := $(ABI_TOPICS:%=$(BUILD)/tests/abi/%.elf)
# -Wclobbered cannot know that PROBE() bodies only read their surroundings.
ABI_CFLAGS := $(GUEST_CFLAGS) -mgeneral-regs-only -Wno-clobbered \
	-D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__
abi_objects = $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard $(1)/*.c $(1)/*.S)))
ABI_LIB := $(call abi_objects,tests/abi/lib)
ABI_START := $(BUILD)/tests/abi/pvboot/start.o $(BUILD)/tests/abi/pvboot/notes.o

$(BUILD)/tests/abi/pvboot/%.o: pvboot/%.S
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(ABI_CFLAGS) -D__ASSEMBLY__ -c -o $@ $<

$(BUILD)/tests/abi/%.o: tests/abi/%.c
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(ABI_CFLAGS) -c -o $@ $<

$(BUILD)/tests/abi/%.o: tests/abi/%.S
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(ABI_CFLAGS) -D__ASSEMBLY__ -c -o $@ $<

# A folder with a start.S of its own brings its own notes too.
define abi_guest
$(BUILD)/tests/abi/$(1).elf: $(if $(wildcard tests/abi/$(1)/start.S),,$(ABI_START)) \
		$(call abi_objects,tests/abi/$(1)) $(ABI_LIB) pvboot/guest.ld
	$$(call say,ABI,$(1))
	$$(Q)$(GUEST_CC) -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-T,pvboot/guest.ld \
		-o $$@ $$(filter %.o,$$^)
endef
$(foreach topic,$(ABI_TOPICS),$(eval $(call abi_guest,$(topic))))
-include $(wildcard $(BUILD)/tests/abi/*/*.d)

# ---- system tests: C programs for the libOS; see tests/runner/system.py ----
SYSTEM_GUESTS := $(patsubst tests/system/guests/%.c,$(BUILD)/tests/system/%.elf,$(wildcard tests/system/guests/*.c))
$(BUILD)/tests/system/%.elf: tests/system/guests/%.c $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)flags=$$(sed -n 's/^[ */]*build: *//; T; s/ run:.*//; s/ *\*\/.*//; p' $<); $(CORACLE_CC) -g -Wall -Wextra $${flags:--O2} -o $@ $<

# ---- the guest that measures how domains share processors (tests/system/test_shares.py) ----
SHARES_GUEST := $(BUILD)/tests/system/shares.elf
SHARES_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/system/shares/*.c))
$(BUILD)/tests/system/shares/%.o: tests/system/shares/%.c
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(ABI_CFLAGS) -c -o $@ $<
$(SHARES_GUEST): $(ABI_START) $(SHARES_OBJ) $(ABI_LIB) pvboot/guest.ld
	$(call say,IMAGE,$@)
	$(Q)$(GUEST_CC) -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-T,pvboot/guest.ld \
		-o $@ $(filter %.o,$^)
-include $(wildcard $(BUILD)/tests/system/shares/*.d)

# ---- bad neighbours, on the ABI guests' library (tests/system/control/attacks.c) ----
ATTACKER := $(BUILD)/tests/system/control_guests/attacker.elf
ATTACKER_OBJ := $(patsubst %.c,$(BUILD)/attacker/%.o,$(wildcard tests/system/control/attackers/*.c))
$(ATTACKER_OBJ): $(BUILD)/attacker/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(ABI_CFLAGS) -c -o $@ $<
$(ATTACKER): $(ABI_START) $(ATTACKER_OBJ) $(ABI_LIB) pvboot/guest.ld
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-T,pvboot/guest.ld \
		-o $@ $(filter %.o,$^)
-include $(ATTACKER_OBJ:.o=.d)
test test-system test-system-guests: $(ATTACKER)

# ---- targets; T=unit/NAME, abi/TOPIC, abi/TOPIC/BOOT, system/NAME selects, with several words allowed ----
T ?=
J ?= $(shell nproc)
RUN_TESTS = tests/run --build $(BUILD) --jobs $(J)
.PHONY: test test-unit test-abi test-system test-guests test-unit-programs test-system-guests
test-unit-programs: $$(UNIT_BIN)
test-guests: $(ABI_GUESTS)
test-system-guests: $(SYSTEM_GUESTS) $(SHARES_GUEST)

## test: everything: unit, ABI (on Coracle and on stock Xen) and system tests; T=abi/events runs one
test: all test-unit-programs test-guests test-fuzz-guests test-system-guests test-store-programs
	$(RUN_TESTS) $(T)

## test-unit: unit tests on the host
test-unit: test-unit-programs
	$(RUN_TESTS) $(or $(T),unit)

## test-abi: small PV guests, on Coracle and on stock Xen
test-abi: all test-guests
	$(RUN_TESTS) $(or $(T),abi)

## test-system: whole machines
test-system: all test-fuzz-guests test-system-guests test-store-programs
	$(RUN_TESTS) $(or $(T),system)
include tests/bench/bench.mk
include tests/fuzz/build.mk
include tests/store/build.mk
