# SPDX-License-Identifier: MIT
# `make bench`: the figures of Coracle beside those of stock Xen, in instructions. See tests/bench/README.md.
#   XEN=no          leave stock Xen out
BENCH_CFLAGS = $(ABI_CFLAGS)
BENCH_GUEST := $(BUILD)/tests/bench/bench.elf
BENCH_OBJ := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard tests/bench/guests/*.c tests/bench/guests/*.S)))
XEN ?= yes

$(BUILD)/tests/bench/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(BENCH_CFLAGS) -c -o $@ $<

$(BUILD)/tests/bench/%.o: tests/bench/%.S
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(BENCH_CFLAGS) -D__ASSEMBLY__ -c -o $@ $<

$(BENCH_GUEST): $(ABI_START) $(BENCH_OBJ) $(ABI_LIB) pvboot/guest.ld
	$(call say,BENCH,$@)
	$(Q)$(GUEST_CC) -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-T,pvboot/guest.ld \
		-o $@ $(filter %.o,$^)

-include $(wildcard $(BUILD)/tests/bench/guests/*.d)

.PHONY: bench bench-guests
bench-guests: $(BENCH_GUEST)
## bench: boot timeline and operations in instructions, Coracle beside stock Xen: table, JSON, SVG; XEN=no leaves Xen out
bench: all bench-guests $(HELLO) $$(CONTROL_TEST) $$(CONTROL_GUESTS)
	$(Q)tests/bench/run --build $(BUILD) --xen $(XEN) --xen-kernel $(XEN_KERNEL)

# The counting plugin of QEMU's TCG (profile/count.c).
BENCH_PLUGIN := $(BUILD)/tests/bench/count.so
$(BENCH_PLUGIN): tests/bench/profile/count.c
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(HOST_CFLAGS) -fPIC -shared -fvisibility=hidden -o $@ $<
bench bench-guests: $(BENCH_PLUGIN)
