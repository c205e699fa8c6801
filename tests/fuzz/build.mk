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
CPU ?= qemu64
RECKLESS ?= 0
.PHONY: fuzz test-fuzz-guests
test-fuzz-guests: $(FUZZ_GUEST)
## fuzz: random hypercalls against the hypervisor; SEED= CALLS= CPUS= CPU= RECKLESS=1, SEED=1-50 tries many
fuzz: all $(FUZZ_GUEST)
	$(Q)tests/fuzz/run --build $(BUILD) --seeds $(SEED) --calls $(CALLS) --cpus $(CPUS) --cpu $(CPU) --reckless $(RECKLESS)

.PHONY: fuzz-domain
## fuzz-domain: random hypercalls by an ordinary domain beside a victim; SEED= CALLS= CPUS=
fuzz-domain: all $(FUZZ_GUEST) test-system-guests
	$(Q)tests/fuzz/domain --build $(BUILD) --seed $(SEED) --calls $(CALLS) --cpus $(CPUS)

# ---- libFuzzer's targets for what is pure logic; they need clang, which nothing else does ----
FUZZ_HOST := image decode boot options mux http config blk net lines xl_cfg
FUZZ_HOST_SRC_image := $(PVBOOT_SRC)
FUZZ_HOST_SRC_decode := hypervisor/pv/decode.c hypervisor/pv/store.c
FUZZ_HOST_SRC_boot := hypervisor/boot/multiboot.c hypervisor/boot/regions.c hypervisor/boot/options.c
FUZZ_HOST_SRC_options := hypervisor/boot/options.c
FUZZ_HOST_SRC_mux := toolstack/link/mux.c
FUZZ_HOST_SRC_config := toolstack/control/config_json.c toolstack/control/config.c toolstack/control/names.c \
	toolstack/control/error.c
FUZZ_HOST_SRC_http := toolstack/control/http.c toolstack/control/buffer.c $(FUZZ_HOST_SRC_config)
FUZZ_HOST_SRC_blk := toolstack/backend/blk_request.c
FUZZ_HOST_SRC_net := $(addprefix toolstack/backend/,net_ring.c net_ring_rx.c net_frame.c)
FUZZ_HOST_FLAGS_net = -isystem $(BUILD)/libos/abi
FUZZ_HOST_SRC_lines := toolstack/backend/disk_line.c toolstack/backend/vif_config.c toolstack/control/error.c
FUZZ_HOST_SRC_xl_cfg := $(addprefix toolstack/lib/,xl_cfg.c json.c cmdline.c size.c)
FUZZ_HOST_LIBS_xl_cfg = -lcjson $(XLUTIL)
FUZZ_HOST_LIBS_http := -lhttp_parser -lcjson
FUZZ_HOST_LIBS_config := -lcjson
FUZZ_HOST_FLAGS := -std=gnu17 -g -O1 -D_GNU_SOURCE -DCORACLE_HOST_TEST -I. -Itests/unit/include -idirafter libos/include \
	-mno-red-zone -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_HOST_BIN := $(FUZZ_HOST:%=$(BUILD)/tests/fuzz/host/%)

$(FUZZ_HOST_BIN): $(BUILD)/tests/fuzz/host/%: tests/fuzz/host/fuzz_%.c tests/fuzz/host/fuzz_host.h $$(FUZZ_HOST_SRC_$$*)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_HOST_FLAGS) $(FUZZ_HOST_FLAGS_$*) -o $@ $(filter %.c,$^) $(FUZZ_HOST_LIBS_$*)

TARGETS ?= $(FUZZ_HOST)
.PHONY: fuzz-host
## fuzz-host: parsers and other pure logic under libFuzzer (clang); FUZZ_SECONDS= for each of TARGETS=
fuzz-host: $(TARGETS:%=$(BUILD)/tests/fuzz/host/%)
	$(Q)tests/fuzz/host/seeds.py $(BUILD)/tests/fuzz/host/seeds $(BUILD)
	$(Q)set -e; for target in $(TARGETS); do \
		corpus=$(BUILD)/tests/fuzz/host/corpus/$$target; mkdir -p $$corpus; echo "  FUZZ     $$target"; \
		$(BUILD)/tests/fuzz/host/$$target -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=$$corpus- $$corpus $(BUILD)/tests/fuzz/host/seeds/$$target; done
