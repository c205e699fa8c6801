# SPDX-License-Identifier: MIT
# Guests that throw random things at the hypervisor; tests/fuzz/README.md.
FUZZ_SRC := $(wildcard tests/fuzz/hypercalls/*.c)
FUZZ_OBJ := $(FUZZ_SRC:%.c=$(BUILD)/%.o)
FUZZ_GUEST := $(BUILD)/tests/fuzz/hypercalls.elf

$(BUILD)/tests/fuzz/%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(ABI_CFLAGS) -c -o $@ $<

$(FUZZ_GUEST): $(ABI_START) $(FUZZ_OBJ) $(ABI_LIB) pvboot/guest.ld
	$(call say,FUZZ,$@)
	$(Q)$(GUEST_CC) -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-T,pvboot/guest.ld \
		-o $@ $(filter %.o,$^)
-include $(wildcard $(BUILD)/tests/fuzz/hypercalls/*.d)

SEED ?= 1
CALLS ?= 1000000
CPUS ?= 2
RECKLESS ?= 0
.PHONY: fuzz test-fuzz-guests
test-fuzz-guests: $(FUZZ_GUEST)
## fuzz: random hypercalls against the hypervisor; SEED= CALLS= CPUS= RECKLESS=1, SEED=1-50 tries many
fuzz: all $(FUZZ_GUEST)
	$(Q)tests/fuzz/run --build $(BUILD) --seeds $(SEED) --calls $(CALLS) --cpus $(CPUS) --reckless $(RECKLESS)
