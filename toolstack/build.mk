# SPDX-License-Identifier: MIT
# The tool (cli/ on lib/, with the domain builder's library to vet images), its unit tests, and `make debug`.

CORACLE_VERSION := 0.1

CLI_PVBOOT := $(addprefix pvboot/,elf.c notes.c layout.c error.c)
CLI_SRC := $(wildcard toolstack/cli/*.c toolstack/lib/*.c toolstack/link/*.c) \
	toolstack/backend/disk_line.c toolstack/backend/vif_config.c toolstack/control/error.c $(CLI_PVBOOT)
# libxlutil (xl.cfg's parser) is linked statically: no Xen package is needed to run the tool.
XLUTIL := -Wl,-Bstatic -lxlutil -Wl,-Bdynamic
CLI_LIBS := -larchive -lcurl -lhttp_parser -lcjson -lgcrypt $(XLUTIL)
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/cli/%.o)

$(BUILD)/cli/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(HOST_CFLAGS) -DCORACLE_VERSION='"$(CORACLE_VERSION)"' -c -o $@ $<

$(BUILD)/coracle: $(CLI_OBJ)
	$(call say,LINK,$@)
	$(Q)$(HOST_CC) -o $@ $^ $(CLI_LIBS)

-include $(CLI_OBJ:.o=.d)

include toolstack/link/unit.mk

ALL += $(BUILD)/coracle

UNIT_TESTS += cli_xl_cfg
UNIT_SRC_cli_xl_cfg := $(addprefix toolstack/lib/,xl_cfg.c json.c cmdline.c)
UNIT_LIBS_cli_xl_cfg := -lcjson $(XLUTIL)
UNIT_TESTS += cli_relay
UNIT_SRC_cli_relay := $(addprefix toolstack/lib/,relay.c watch.c queue.c report.c) toolstack/link/mux.c
UNIT_TESTS += cli_host
UNIT_SRC_cli_host := $(addprefix toolstack/lib/,address.c blob.c boot_archive.c cmdline.c digest.c disk_images.c \
	forward.c host_machine.c host_place.c json.c log_file.c process.c qemu_args.c report.c size.c table.c usage.c) \
	toolstack/backend/disk_line.c
UNIT_LIBS_cli_host := -larchive -lcjson -lgcrypt
UNIT_TESTS += cli_host_end
UNIT_SRC_cli_host_end := $(addprefix toolstack/lib/,host_end.c host_place.c symbolize.c process.c report.c)
UNIT_TESTS += cli_pump cli_text cli_xen_stream cli_log cli_image cli_archive cli_kvm
UNIT_SRC_cli_text := $(addprefix toolstack/lib/,size.c cmdline.c console_input.c report.c) libos/init/cmdline.c
UNIT_SRC_cli_xen_stream := $(addprefix toolstack/lib/,xen_stream.c cmdline.c report.c)
UNIT_SRC_cli_log := $(addprefix toolstack/lib/,machine_log.c timeline.c symbolize.c process.c report.c)
UNIT_SRC_cli_image := $(addprefix toolstack/lib/,image.c blob.c size.c report.c) $(CLI_PVBOOT)
UNIT_LIBS_cli_image := -larchive
UNIT_SRC_cli_archive := $(addprefix toolstack/lib/,archive.c blob.c cmdline.c report.c)
UNIT_LIBS_cli_archive := -larchive
UNIT_SRC_cli_kvm := toolstack/lib/kvm.c
UNIT_SRC_cli_pump := $(addprefix toolstack/lib/,pump.c console_input.c terminal.c machine_log.c timeline.c symbolize.c \
	process.c xen_stream.c cmdline.c report.c)

.PHONY: debug
## debug: boot an image stopped before its first instruction and say what to type in gdb; IMAGE=, ARGS=, GDB_PORT=
GDB_PORT ?= 1234
debug: all
	$(Q)$(BUILD)/coracle run --gdb=$(GDB_PORT) --verbose $(or $(IMAGE),$(HELLO)) -- $(ARGS)

# The store, a library that the control domain links; here for its tests alone.
STORE_SRC := $(wildcard toolstack/store/*.c)
UNIT_TESTS += store store_limits store_ring store_fuzz
UNIT_SRC_store := $(STORE_SRC)
UNIT_SRC_store_limits := $(STORE_SRC)
UNIT_SRC_store_ring := $(STORE_SRC)
UNIT_SRC_store_fuzz := tests/store/fuzz.c $(STORE_SRC)
