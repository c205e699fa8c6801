# SPDX-License-Identifier: MIT
# `make lint`: the format (.clang-format), clang-tidy (.clang-tidy), cppcheck, and the tree's own rules
# (tests/lint/house). All four run, whatever the others find; FILES="a.c b.h" looks at these only.
FILES ?=
LINT_FILES = $(or $(FILES),$(shell git ls-files --cached --others --exclude-standard '*.c' '*.h' | sort))
LINT_C = $(wildcard $(filter %.c,$(LINT_FILES)))

# Flags that clang has no use for, or that would write files.
lint_flags = $(filter-out -MMD -MP -Werror -g -Wno-clobbered,$(1))

# Each room's sources are read with the flags that they are compiled with.
LINT_ROOMS := hypervisor pvboot libos toolstack/control toolstack/backend toolstack/device toolstack samples tests/unit tests/abi
# The two slow readers look at tests only when FILES names them.
LINT_TIDY_ROOMS = $(if $(FILES),$(LINT_ROOMS),$(filter-out tests/%,$(LINT_ROOMS)))
lint_flags_hypervisor = $(call lint_flags,$(HV_CFLAGS))
lint_flags_pvboot = $(call lint_flags,$(GUEST_CFLAGS))
lint_flags_libos = $(call lint_flags,$(LIBOS_CFLAGS) $(LWIP_CFLAGS) $(EXT2FS_CFLAGS))
lint_flags_toolstack = $(call lint_flags,$(HOST_CFLAGS)) -DCORACLE_VERSION='"lint"'
lint_flags_toolstack_control = $(call lint_flags,$(CONTROL_CFLAGS) $(SYSROOT_CFLAGS))
lint_flags_toolstack_backend = $(lint_flags_toolstack_control)
lint_flags_toolstack_device = $(lint_flags_toolstack_control)
lint_flags_samples = $(call lint_flags,$(SYSROOT_CFLAGS) $(GUESTLIB_CFLAGS)) -O2
lint_flags_tests_unit = $(call lint_flags,$(HOST_CFLAGS)) -DUNIT_TEST=1 -Itests/unit/include
lint_flags_tests_abi = $(call lint_flags,$(ABI_CFLAGS))
# A room's sources, without those of rooms inside it.
lint_room_c = $(filter $1/%,$(filter-out $(patsubst %,%/%,$(filter $1/%,$(LINT_ROOMS))),$(LINT_C)))
lint_room_flags = $(lint_flags_$(subst /,_,$(1)))

.PHONY: lint lint-format lint-tidy lint-cppcheck lint-house
## lint: format, clang-tidy, cppcheck and the rules of the house; FILES="..." narrows it
lint:
	@$(MAKE) --no-print-directory -k lint-format lint-house lint-cppcheck lint-tidy

lint-format:
	$(call say,LINT,format)
	$(Q)clang-format --dry-run -Werror $(wildcard $(filter %.c %.h,$(LINT_FILES)))

lint-house: $(SYSROOT_HEADERS) $(BUILD)/libos/abi/xen $(LWIP_STAMP) $(GUESTLIB_HEADERS) $(EXT2FS_LIB)
	$(call say,LINT,rules of the house)
	$(Q)$(foreach r,$(LINT_ROOMS),LINT_FLAGS_$(subst /,_,$r)=$(call lint_quote,$(call lint_room_flags,$r))) \
		tests/lint/house $(FILES)

lint_quote = '$(subst ','\'',$(1))'

lint-tidy: $(SYSROOT_HEADERS) $(BUILD)/libos/abi/xen $(LWIP_STAMP) $(GUESTLIB_HEADERS) $(EXT2FS_LIB)
	$(call say,LINT,clang-tidy)
	$(Q)status=0; $(foreach r,$(LINT_TIDY_ROOMS),$(if $(call lint_room_c,$r),\
		printf '%s\n' $(call lint_room_c,$r) | xargs -P $$(nproc) -I{} \
			clang-tidy --quiet --warnings-as-errors='*' {} -- $(call lint_room_flags,$r) \
			2> >(grep -v 'warnings\? generated\|warnings treated as errors\|Suppressed .* warnings\|Use -header-filter' >&2) \
			|| status=1;)) exit $$status

lint-cppcheck:
	$(call say,LINT,cppcheck)
	$(Q)mkdir -p $(BUILD)/lint
	$(Q)cppcheck --quiet --std=c11 --platform=unix64 --enable=warning,portability --inline-suppr \
		--error-exitcode=1 --cppcheck-build-dir=$(BUILD)/lint -j $$(nproc) --suppressions-list=tests/lint/cppcheck \
		-I. -D__x86_64__ $(if $(FILES),$(LINT_C),$(filter-out tests/%,$(LINT_C)))
