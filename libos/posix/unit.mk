# SPDX-License-Identifier: MIT
# Unit tests of what in this folder needs no guest. The terminal's flags are this system's own, not the host's.
UNIT_TESTS += tty chacha20
UNIT_SRC_tty := libos/posix/tty.c
UNIT_SRC_chacha20 := libos/posix/chacha20.c
