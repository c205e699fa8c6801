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
