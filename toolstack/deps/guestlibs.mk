# SPDX-License-Identifier: MIT
# Libraries for guests, from Debian's source packages with Debian's patches and otherwise unchanged, built with
# coracle-cc. A room that uses one adds its archive to what it links and compiles with $(GUESTLIB_CFLAGS).
#
#   $(CJSON_LIB)         JSON: <cjson/cJSON.h>; CJSON_SRC=TARBALL builds another copy
#   $(HTTP_PARSER_LIB)   HTTP/1.1: <http_parser.h>; HTTP_PARSER_SRC=TARBALL
#   $(GUESTLIB_HEADERS)  stamps, order-only prerequisites of objects that include these headers
GUESTLIB := $(BUILD)/guestlib
GUESTLIB_CFLAGS := -isystem $(GUESTLIB)/include
CJSON_SRC ?=
CJSON_LIB := $(GUESTLIB)/lib/libcjson.a
HTTP_PARSER_SRC ?=
HTTP_PARSER_LIB := $(GUESTLIB)/lib/libhttp_parser.a
GUESTLIB_HEADERS := $(GUESTLIB)/cjson/.stamp $(GUESTLIB)/http-parser/.stamp

# $(call guestlib,NAME,SOURCE PACKAGE,TARBALL,HEADER,INCLUDE FOLDER,C FILE,ARCHIVE)
define guestlib
$(GUESTLIB)/$(1)/.stamp: $(3)
	$$(call say,FETCH,the sources of $(1))
	@rm -rf $$(@D)
	$$(Q)$$(call fetch_source,$(2),$$(@D),$(3))
	@mkdir -p $(GUESTLIB)/include/$(5) && cp $$(@D)/$(4) $(GUESTLIB)/include/$(5)
	@touch $$@

$(7): $(GUESTLIB)/$(1)/.stamp $(CORACLE_CC) | $(SYSROOT_HEADERS)
	$$(call say,GUESTCC,$(1)/$(6))
	@mkdir -p $$(@D)
	$$(Q)$(CORACLE_CC) -O2 -g -c -o $$(@:.a=.o) $(GUESTLIB)/$(1)/$(6)
	$$(Q)rm -f $$@ && ar rcs $$@ $$(@:.a=.o)
endef
$(eval $(call guestlib,cjson,cjson,$(CJSON_SRC),cJSON.h,cjson,cJSON.c,$(CJSON_LIB)))
$(eval $(call guestlib,http-parser,http-parser,$(HTTP_PARSER_SRC),http_parser.h,.,http_parser.c,$(HTTP_PARSER_LIB)))

# ext2, ext3, ext4: e2fsprogs' libext2fs, with our access to disks (libos/ext2), as one object that a program is linked
# with (-lext2) to mount them: $(SYSROOT)/lib/ext2.o. E2FSPROGS_SRC=TARBALL builds another copy.
E2FSPROGS_SRC ?=
EXT2FS_DIR := $(GUESTLIB)/e2fsprogs
EXT2FS_LIB := $(EXT2FS_DIR)/build/lib/libext2fs.a
EXT2FS_CFLAGS := -isystem $(EXT2FS_DIR)/build/lib -isystem $(EXT2FS_DIR)/lib
EXT2_OBJECT := $(SYSROOT)/lib/ext2.o
EXT2_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard libos/ext2/*.c))

$(EXT2FS_DIR)/.stamp: $(E2FSPROGS_SRC)
	$(call say,FETCH,the sources of e2fsprogs)
	@rm -rf $(@D)
	$(Q)$(call fetch_source,e2fsprogs,$(@D),$(E2FSPROGS_SRC))
	@touch $@

$(EXT2FS_LIB): $(EXT2FS_DIR)/.stamp $(CORACLE_CC) toolstack/deps/build-ext2fs | $(SYSROOT_READY)
	$(call say,GUESTLIB,libext2fs - log: $(EXT2FS_DIR)/log)
	$(Q)toolstack/deps/build-ext2fs $(EXT2FS_DIR) $(abspath $(CORACLE_CC))

$(EXT2_OBJ): $(BUILD)/%.o: %.c $(CORACLE_CC) | $(EXT2FS_LIB)
	$(call say,GUESTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -std=gnu17 -O2 -g $(WARNINGS) -ffunction-sections -MMD -MP -I. $(EXT2FS_CFLAGS) \
		-c -o $@ $<

.PHONY: ext2
## ext2: what programs are linked with (-lext2) to mount ext2, ext3 and ext4
ext2: $(EXT2_OBJECT)
test test-system: $(EXT2_OBJECT)

$(EXT2_OBJECT): $(EXT2_OBJ) $(EXT2FS_LIB)
	$(call say,GUESTLD,$@)
	$(Q)ld -r -o $@ $(EXT2_OBJ) $(EXT2FS_DIR)/build/replay.o $(EXT2FS_LIB) $(EXT2FS_DIR)/build/lib/libcom_err.a && \
		objcopy --keep-global-symbol=cor_ext2_mount_all $@
	$(Q)echo 'INPUT(ext2.o)' >$(@D)/libext2.a

-include $(EXT2_OBJ:.o=.d)
