# SPDX-License-Identifier: MIT
# Unit tests of the file system's own sources.
FS_SRC := libos/fs/inode.c libos/fs/dir.c libos/fs/data.c libos/fs/walk.c libos/fs/tree.c libos/fs/volume.c
UNIT_TESTS += ramfs tar
UNIT_SRC_ramfs := $(FS_SRC)
UNIT_SRC_tar := $(FS_SRC) libos/fs/tar.c libos/fs/populate.c
