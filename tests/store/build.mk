# SPDX-License-Identifier: MIT
# The store against Debian's xenstored, and under libFuzzer; tests/store/README.md.
STORE_COMPARE := $(BUILD)/tests/store/compare $(BUILD)/tests/store/shim.so
STORE_TEST_CFLAGS = $(HOST_CFLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all

$(BUILD)/tests/store/compare: tests/store/compare.c tests/store/requests.c $(STORE_SRC) $(wildcard toolstack/store/*.h tests/store/*.h)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(filter-out -MMD -MP,$(STORE_TEST_CFLAGS)) -o $@ $(filter %.c,$^)

$(BUILD)/tests/store/shim.so: tests/store/shim.c tests/store/compare.h
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(filter-out -MMD -MP,$(HOST_CFLAGS)) -shared -fPIC -Wno-missing-prototypes -o $@ $<

$(BUILD)/tests/store/fuzz: tests/store/fuzz.c $(STORE_SRC) $(wildcard toolstack/store/*.h)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)clang -std=gnu17 -g -O1 -D_GNU_SOURCE -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o $@ $(filter %.c,$^)

.PHONY: test-store-programs fuzz-store
test-store-programs: $(STORE_COMPARE)
FUZZ_SECONDS ?= 60
## fuzz-store: the store's requests and rings under libFuzzer (clang); FUZZ_SECONDS=
fuzz-store: $(BUILD)/tests/store/fuzz
	$(Q)mkdir -p $(BUILD)/tests/store/corpus
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -print_final_stats=1 $(BUILD)/tests/store/corpus
