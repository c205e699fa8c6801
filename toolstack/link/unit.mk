# SPDX-License-Identifier: MIT
UNIT_TESTS += mux
UNIT_SRC_mux := toolstack/link/mux.c
