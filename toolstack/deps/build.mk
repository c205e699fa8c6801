# SPDX-License-Identifier: MIT
# What Coracle takes from Debian. A fresh machine needs only make and git; the rest is installed when a goal needs it.
#
#   DEPS=no         install nothing (all is there already, or the system is not Debian)
#   $(XEN_KERNEL)   stock Xen 4.17 for QEMU's -kernel: a target; XEN_KERNEL=FILE takes one that is there
#   $(call fetch_source,NAME,DIR,TARBALL)   recipe: Debian's source package NAME, patched, as DIR; or TARBALL unpacked
#   $(DEPS_group)   stamp of a group below, for an order-only prerequisite of a rule that no goal in DEPS_GOALS_* covers
DEPS ?=

DEPS_PACKAGES_build := gcc libc6-dev binutils make libxen-dev libarchive-dev newlib-source \
	libcurl4-gnutls-dev libhttp-parser-dev libcjson-dev libgcrypt20-dev xz-utils dpkg-dev patch
DEPS_PACKAGES_run := qemu-system-x86
DEPS_PACKAGES_pack := grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools
DEPS_PACKAGES_test := python3 qemu-utils e2fsprogs libcmocka-dev ovmf libhttp-parser-dev libcjson-dev
DEPS_PACKAGES_debug := gdb
DEPS_PACKAGES_clang := clang libclang-rt-dev
DEPS_PACKAGES_lint := clang-format clang-tidy cppcheck python3 libcmocka-dev

# Goals of the command line that need a group; every goal but those of DEPS_GOALS_none needs `build`.
DEPS_GOALS_none := help clean
DEPS_GOALS_run := run hello test% bench debug fuzz
DEPS_GOALS_pack := test test-system
DEPS_GOALS_test := test% bench fuzz
DEPS_GOALS_debug := debug
DEPS_GOALS_lint := lint%
DEPS_GOALS_clang := fuzz-store

deps_stamp = $(BUILD)/deps/$(1).mk
DEPS_run := $(call deps_stamp,run)
DEPS_pack := $(call deps_stamp,pack)
DEPS_test := $(call deps_stamp,test)
DEPS_debug := $(call deps_stamp,debug)
DEPS_lint := $(call deps_stamp,lint)

# The stamps are makefiles (empty ones): make brings the makefiles that it includes up to date before anything else,
# so that no rule of any room has to name the compiler as a prerequisite.
$(BUILD)/deps/%.mk: toolstack/deps/build.mk
	@mkdir -p $(@D)
	$(Q)$(if $(DEPS),:,toolstack/deps/install $(DEPS_PACKAGES_$*))
	@touch $@

deps_goals := $(or $(MAKECMDGOALS),all)
deps_groups := $(if $(filter-out $(DEPS_GOALS_none),$(deps_goals)),build) \
	$(foreach g,run pack test debug lint clang,$(if $(filter $(DEPS_GOALS_$g),$(deps_goals)),$g))
include $(foreach g,$(deps_groups),$(call deps_stamp,$g))

XEN_KERNEL ?= $(BUILD)/xen/xen-4.17
$(BUILD)/xen/xen-4.17:
	$(call say,FETCH,stock Xen 4.17 as the oracle)
	$(Q)toolstack/deps/fetch-xen $@
test test-abi test-system $(if $(filter no,$(XEN)),,bench): $(XEN_KERNEL)

$(BUILD)/linux/vmlinux $(BUILD)/linux/modules &: toolstack/deps/fetch-linux
	$(call say,FETCH,Debian kernel and busybox: a foreign guest and backend)
	$(Q)toolstack/deps/fetch-linux $(@D)
test test-system: $(BUILD)/linux/vmlinux $(BUILD)/linux/modules

$(BUILD)/pvgrub/grub-x86_64-xen.bin:
	$(call say,FETCH,Debian PV-GRUB as a foreign guest)
	$(Q)toolstack/deps/fetch-pvgrub $@
test test-system: $(BUILD)/pvgrub/grub-x86_64-xen.bin

fetch_source = DEPS_WORK=$(BUILD)/deps/apt toolstack/deps/fetch-source $(1) $(2) $(3)

$(BUILD)/xentools/bin/xenstored: toolstack/deps/fetch-xentools
	$(call say,FETCH,Debian xenstored and xl: to compare the store with and for stock Xen with Linux)
	$(Q)toolstack/deps/fetch-xentools $(BUILD)/xentools
test test-system: $(BUILD)/xentools/bin/xenstored
