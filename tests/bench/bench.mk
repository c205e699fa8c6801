# SPDX-License-Identifier: MIT
# `make bench`: the figures of Coracle beside those of stock Xen, in instructions. See tests/bench/README.md.
#   XEN=no          leave stock Xen out
#   README=yes      put the table into README.md too
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
bench: all bench-guests $(HELLO) $(HTTPD) $$(CONTROL_TEST) $$(CONTROL_GUESTS)
	$(Q)tests/bench/run --build $(BUILD) --xen $(XEN) --xen-kernel $(XEN_KERNEL) $(if $(README),--readme README.md)

# The guest that makes load for the split drivers, and a web server for it; each at addresses of its own, so that a
# profile tells them and the control domain apart.
BENCH_LOAD := $(BUILD)/tests/bench/load.elf
BENCH_HTTPD := $(BUILD)/tests/bench/httpd.elf
$(BENCH_LOAD): tests/bench/split/guests/load.c tests/bench/split/load.h $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -O2 -g -std=gnu17 -Wall -Wextra -Werror -I. -Wl,--defsym=image_base=0x10000000 -o $@ $<

$(BENCH_HTTPD): $(HTTPD_OBJ) $(HTTP_PARSER_LIB) $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -Wl,--defsym=image_base=0x20000000 -o $@ $(HTTPD_OBJ) $(HTTP_PARSER_LIB)
bench bench-guests: $(BENCH_LOAD) $(BENCH_HTTPD) $(CONTROL_TEST)
test test-system: $(BENCH_LOAD) $(HTTPD)

# The counting plugin of QEMU's TCG (profile/count.c).
BENCH_PLUGIN := $(BUILD)/tests/bench/count.so
$(BENCH_PLUGIN): tests/bench/profile/count.c
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(HOST_CFLAGS) -fPIC -shared -fvisibility=hidden -o $@ $<
bench bench-guests: $(BENCH_PLUGIN)
