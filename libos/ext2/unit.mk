# SPDX-License-Identifier: MIT
# Volumes on a disk in memory, with the host's libext2fs, which is the same version, and its e2fsck.
UNIT_TESTS += ext2
UNIT_SRC_ext2 := $(addprefix libos/ext2/,cache.c commit.c ext2.c file.c io.c journal.c mount.c)
UNIT_FLAGS_ext2 = -idirafter libos/include $(EXT2FS_CFLAGS)
UNIT_LIBS_ext2 := -l:libext2fs.so.2 -l:libcom_err.so.2
# By name: this file is read before toolstack/deps/guestlibs.mk, which calls it $(EXT2FS_LIB).
$(BUILD)/tests/unit/ext2: | $(BUILD)/guestlib/e2fsprogs/build/lib/libext2fs.a
