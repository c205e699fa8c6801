# SPDX-License-Identifier: MIT
# Unit tests of the control domain's pure parts, on the host with the host's copies of the libraries.
UNIT_TESTS += http
UNIT_SRC_http := toolstack/control/http.c toolstack/control/buffer.c
UNIT_FLAGS_http := -idirafter libos/include
UNIT_LIBS_http := -lhttp_parser -lcjson
UNIT_TESTS += config_json
UNIT_SRC_config_json := toolstack/control/config_json.c toolstack/control/config.c
UNIT_LIBS_config_json := -lcjson

UNIT_TESTS += console_backend domain_config
UNIT_SRC_console_backend := toolstack/backend/console_ring.c toolstack/backend/console_log.c
UNIT_SRC_domain_config := $(addprefix toolstack/control/,names.c config.c policy.c image.c error.c)
UNIT_TESTS += disk_line blk_request
UNIT_SRC_disk_line := toolstack/backend/disk_line.c
UNIT_SRC_blk_request := toolstack/backend/blk_request.c

# The domains of tests/system/test_api.py.
API_GUESTS := $(BUILD)/tests/system/api_guests/echo.elf
$(API_GUESTS): $(BUILD)/tests/system/api_guests/%.elf: tests/system/api/%.c $(CORACLE_CC) $(SYSROOT_READY)
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)$(CORACLE_CC) -O2 -g -Wall -Wextra -o $@ $<
test test-system test-system-guests: $(API_GUESTS)
