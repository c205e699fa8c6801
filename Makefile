# SPDX-License-Identifier: MIT
# The one Makefile. Each room adds its rules in a short build.mk; nothing recurses. `make help` lists the targets.
#
# What a room's build.mk may use:
#   $(BUILD)        output directory; every product lives below it
#   $(Q)            prefix of a recipe line (silent unless V=1);  $(call say,WORD,what) prints the progress line
#   $(HOST_CC) $(HOST_CFLAGS)     programs for this machine
#   $(HV_CC) $(HV_CFLAGS)         the hypervisor (no SSE, no red zone, position independent)
#   $(GUEST_CC) $(GUEST_CFLAGS)   everything that runs inside a domain (no red zone: event frames land on its stack)
#   $(WARNINGS)     the house's warnings, part of the three CFLAGS above
# and adds to:
#   ALL             files that plain `make` builds
#   UNIT_TESTS      names; UNIT_SRC_name lists the sources under test of tests/unit/test_name.c (host, ASan and UBSan),
#                   UNIT_FLAGS_name adds compiler flags
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
SHELL := /bin/bash
BUILD ?= build
V ?=
Q := $(if $(V),,@)
say = @printf '  %-8s %s\n' '$(1)' '$(2)'

CC ?= gcc
HOST_CC := gcc
HV_CC := gcc
GUEST_CC := gcc
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla
COMMON_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -fno-common -MMD -MP
HOST_CFLAGS := $(COMMON_CFLAGS) -D_GNU_SOURCE -I.
HV_CFLAGS := $(COMMON_CFLAGS) -ffreestanding -fpie -fvisibility=hidden -mcmodel=small -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
	-fno-strict-aliasing -fwrapv -I.
GUEST_CFLAGS := $(COMMON_CFLAGS) -ffreestanding -fno-pie -mcmodel=small -mno-red-zone \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -I.

ALL :=
UNIT_TESTS :=

.PHONY: all
all: # the room files below fill ALL

include toolstack/deps/build.mk
include hypervisor/build.mk
include pvboot/build.mk
include libos/build.mk
include toolstack/cc/build.mk
include toolstack/build.mk
include toolstack/deps/guestlibs.mk
include toolstack/control/build.mk
include toolstack/device/build.mk
include samples/build.mk
include tests/build.mk
include tests/lint/build.mk

## all: everything but the samples that have to be fetched (what plain `make` does)
all: $(ALL)

.PHONY: run hello install clean help
## run: boot the web server sample in QEMU; its page is at http://localhost:8080 until Ctrl-C; PORT= another port
PORT ?= 8080
run: $(BUILD)/coracle $(BUILD)/hypervisor/coracle.elf $(CONTROL) $(HTTPD)
	$(call say,BOOT,$(HTTPD))
	@echo 'The page will be at http://localhost:$(PORT) until Ctrl-C.'
	$(Q)$(BUILD)/coracle run --timeline -p $(PORT):80 --root samples/httpd/site $(HTTPD) || [ $$? -eq 130 ]

## hello: boot the hello sample in QEMU and show its output and a boot timeline; ARGS="..." are its arguments
ARGS ?= from make
hello: $(BUILD)/coracle $(BUILD)/hypervisor/coracle.elf $(HELLO)
	$(call say,BOOT,$(HELLO))
	$(Q)$(BUILD)/coracle run --timeline $(HELLO) -- $(ARGS)

## install: tool, compiler driver, hypervisor, control domain and guest libraries below PREFIX (default /usr/local); DESTDIR= for packages
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL_LIB = $(DESTDIR)$(PREFIX)/lib/coracle
install: all
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -D -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/coracle $(CORACLE_CC)
	$(Q)install -D -m 644 -t $(INSTALL_LIB) $(BUILD)/hypervisor/coracle.elf $(CONTROL)
	$(Q)rm -rf $(INSTALL_LIB)/sysroot && mkdir -p $(INSTALL_LIB)/sysroot
	$(Q)cp -R $(SYSROOT)/include $(SYSROOT)/lib $(NEWLIB_DIR) $(INSTALL_LIB)/sysroot/
	$(Q)rm -f $(INSTALL_LIB)/sysroot/*/lib/libg.a $(INSTALL_LIB)/sysroot/include/.stamp

## clean: remove the build directory
clean:
	$(Q)if [ -d $(BUILD) ]; then \
		[ -d $(BUILD)/deps ] || { echo 'make: $(BUILD) does not look like a build directory; not removed' >&2; exit 1; }; \
		rm -rf $(BUILD); fi

## help: this list
help:
	@echo 'make TARGET [BUILD=dir] [V=1: show the commands] [DEPS=no: install no packages]'
	@echo
	@sed -nE 's/^## ([a-z0-9-]+): (.*)/\1\t\2/p' $(MAKEFILE_LIST) | sort | while IFS=$$'\t' read -r target text; do \
		printf '  %-12s %s\n' "$$target" "$$text"; done
	@echo
	@echo 'NEWLIB_SRC=, LUA_SRC=, LWIP_SRC=, CJSON_SRC=, HTTP_PARSER_SRC= and E2FSPROGS_SRC= name source tarballs to use instead of what Debian ships;'
	@echo 'XEN_KERNEL= names an unpacked Xen 4.17 image for the tests.'
