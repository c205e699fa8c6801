# SPDX-License-Identifier: MIT
include libos/sysroot.mk
include libos/net/build.mk

# libcoracle.a: every C and assembly file of these folders. The first four run in interrupt context too, so the
# compiler must not use SSE registers there (an upcall saves none).
LIBOS_PLAIN := init core xen front
LIBOS_SSE := posix fs net

LIBOS_CFLAGS = $(GUEST_CFLAGS) $(SYSROOT_CFLAGS) -isystem $(BUILD)/libos/abi -fno-omit-frame-pointer -ffunction-sections \
	-fdata-sections -fstack-clash-protection -Ilibos/include
LIBOS_PLAIN_SRC := $(foreach d,$(LIBOS_PLAIN),$(wildcard libos/$(d)/*.c) $(wildcard libos/$(d)/*.S))
LIBOS_SSE_SRC := $(foreach d,$(LIBOS_SSE),$(wildcard libos/$(d)/*.c) $(wildcard libos/$(d)/*.S))
LIBOS_OBJ := $(patsubst %,$(BUILD)/%.o,$(LIBOS_PLAIN_SRC) $(LIBOS_SSE_SRC))
# Disks: a member of the archive by itself, so that only a program that asks for it carries it.
LIBOS_BLOCK_OBJ := $(patsubst %,$(BUILD)/%.o,$(wildcard libos/front/blk*.c) libos/posix/block.c)

$(patsubst %,$(BUILD)/%.o,$(LIBOS_PLAIN_SRC)): LIBOS_REGS := -mgeneral-regs-only

# Sockets and the network's glue know lwIP. Every image carries the debugging information of all libcoracle, so these
# have line numbers only.
LIBOS_LWIP_OBJ := $(patsubst %,$(BUILD)/%.o,$(wildcard libos/net/*.c libos/front/net*.c libos/posix/inet*.c libos/posix/netdb*.c))
$(LIBOS_LWIP_OBJ): LIBOS_LWIP = $(LWIP_CFLAGS) -g1
$(LIBOS_LWIP_OBJ): $(LWIP_CONFIG) | $(LWIP_STAMP)

$(LIBOS_OBJ): $(BUILD)/libos/%.o: libos/% | $(SYSROOT_HEADERS) $(BUILD)/libos/abi/xen
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(LIBOS_CFLAGS) $(LIBOS_LWIP) $(LIBOS_REGS) -c -o $@ $<

# The public Xen headers alone, out of the host's include folder.
$(BUILD)/libos/abi/xen:
	@mkdir -p $(@D) && ln -sfn /usr/include/xen $@

# One object, so that all of it is there before newlib is searched: what libos defines replaces newlib's function of
# the same name, and the POSIX room's hooks replace the core's empty ones. Its public names are weak, so that a program
# may have its own; names that only libos uses (hidden, by their headers) are not seen outside. What a program does not
# use, the linker drops (--gc-sections).
#
# What it refers to weakly may come from the other members (disks), if something else asks for these.
$(LIBCORACLE): $(LIBOS_OBJ) $(LWIP_OBJ) libos/build.mk
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)ld -r -o $(@D)/block.o $(LIBOS_BLOCK_OBJ)
	$(Q)ld -r -o $@.o $(filter-out $(LIBOS_BLOCK_OBJ),$(LIBOS_OBJ)) $(LWIP_OBJ) && objcopy --localize-hidden $@.o
	$(Q)nm --defined-only --extern-only $@.o | sed 's/.* //' >$@.names && objcopy --weaken-symbols=$@.names $@.o
	$(Q)rm -f $@ && ar rcs $@ $@.o $(@D)/block.o && rm $@.o $@.names $(@D)/block.o

-include $(LIBOS_OBJ:.o=.d)

ALL += $(LIBCORACLE)

UNIT_TESTS += cmdline libos_format copy
UNIT_SRC_copy := libos/core/copy.S
UNIT_FLAGS_copy := -Dmemcpy=tested_memcpy -Dmemmove=tested_memmove
UNIT_SRC_cmdline := libos/init/cmdline.c
UNIT_SRC_libos_format := libos/core/format.c
UNIT_FLAGS_libos_format := -idirafter libos/include -Wno-format

-include $(wildcard libos/*/unit.mk)
