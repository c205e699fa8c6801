# SPDX-License-Identifier: MIT
# Lua 5.4, the standalone interpreter, from Debian's source package with Debian's patches and otherwise unchanged.
# LUA_SRC=TARBALL builds another copy. Debian's own makefile wants libtool and shared libraries, so the files are
# compiled one by one here (and lua5.4-deb-multiarch.h, which Debian's build writes, is written here too).
# samples/lua/config.h makes the choices that Lua leaves to the platform.
LUA_SRC ?=
LUA := $(BUILD)/samples/lua/lua.elf
LUA_TREE := $(BUILD)/samples/lua/source
LUA_FILES := lapi lcode lctype ldebug ldo ldump lfunc lgc llex lmem lobject lopcodes lparser lstate lstring ltable \
	ltm lundump lvm lzio lauxlib lbaselib lcorolib ldblib liolib lmathlib loadlib loslib lstrlib ltablib lutf8lib linit lua
LUA_OBJ := $(LUA_FILES:%=$(BUILD)/samples/lua/%.o)
LUA_CFLAGS := -O2 -g -std=gnu99 -Wall -Wextra -DLUA_USE_POSIX -DLUA_COMPAT_5_3 -include samples/lua/config.h

$(LUA_TREE)/.stamp: $(LUA_SRC)
	$(call say,FETCH,the sources of Lua 5.4)
	@rm -rf $(@D)
	$(Q)$(call fetch_source,lua5.4,$(@D),$(LUA_SRC))
	@echo '#define DEB_HOST_MULTIARCH "x86_64-coracle-elf"' >$(@D)/src/lua5.4-deb-multiarch.h
	@touch $@

$(LUA_OBJ): $(BUILD)/samples/lua/%.o: $(LUA_TREE)/.stamp samples/lua/config.h $(CORACLE_CC) $(SYSROOT_HEADERS)
	$(call say,GUESTCC,lua/src/$*.c)
	$(Q)$(CORACLE_CC) $(LUA_CFLAGS) -c -o $@ $(LUA_TREE)/src/$*.c

$(LUA): $(LUA_OBJ) $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	$(Q)$(CORACLE_CC) -o $@ $(LUA_OBJ)

SAMPLES += $(LUA)
