# SPDX-License-Identifier: MIT
# The store's client against the store itself.
UNIT_TESTS += libos_store
UNIT_SRC_libos_store := $(addprefix libos/xen/,store.c store_requests.c xenbus.c) libos/core/format.c $(wildcard toolstack/store/*.c)
UNIT_FLAGS_libos_store := -idirafter libos/include
