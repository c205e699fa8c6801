# SPDX-License-Identifier: MIT
# httpd: a static web server; HTTP is read by http-parser. What it knows of HTTP itself is unit-tested on the host.
#
# samples/httpd/site is what it serves when nobody says otherwise.
HTTPD := $(BUILD)/samples/httpd/httpd.elf
HTTPD_OBJ := $(patsubst %,$(BUILD)/samples/httpd/%.o,http main request response server)
HTTPD_TEST := $(BUILD)/samples/httpd/test.elf
HTTPD_CFLAGS := -O2 -g -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror $(GUESTLIB_CFLAGS)

$(HTTPD_OBJ): $(BUILD)/samples/httpd/%.o: samples/httpd/%.c $(wildcard samples/httpd/*.h) $(CORACLE_CC) $(SYSROOT_HEADERS) \
	| $(GUESTLIB_HEADERS)
	$(call say,GUESTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) $(HTTPD_CFLAGS) -c -o $@ $<

$(HTTPD): $(HTTPD_OBJ) $(HTTP_PARSER_LIB) $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	$(Q)$(CORACLE_CC) -o $@ $(HTTPD_OBJ) $(HTTP_PARSER_LIB)

# Server and client in one image, over the loopback (tests/system/test_samples.py).
$(HTTPD_TEST): tests/system/httpd/client.c $(filter-out %/main.o,$(HTTPD_OBJ)) $(HTTP_PARSER_LIB) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	$(Q)$(CORACLE_CC) $(HTTPD_CFLAGS) -pthread -Isamples/httpd -o $@ $< $(filter-out %/main.o,$(HTTPD_OBJ)) $(HTTP_PARSER_LIB)
test test-system: $(HTTPD_TEST)

SAMPLES += $(HTTPD)

UNIT_TESTS += httpd
UNIT_SRC_httpd := samples/httpd/http.c samples/httpd/request.c
UNIT_FLAGS_httpd := -Isamples/httpd
UNIT_LIBS_httpd := -lhttp_parser
