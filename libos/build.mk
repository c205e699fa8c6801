# SPDX-License-Identifier: MIT
include libos/sysroot.mk
