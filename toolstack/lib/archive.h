/* SPDX-License-Identifier: MIT */
/* The content of --root as an archive that libos/fs unpacks at start: POSIX tar (ustar with pax records). */
#ifndef TOOLSTACK_LIB_ARCHIVE_H
#define TOOLSTACK_LIB_ARCHIVE_H

/*
 * Writes everything below directory (not the directory's own name) to the open descriptor fd: directories,
 * files, symbolic links and hard links, with their modes and times. Names are relative and start with "./".
 * Sockets, FIFOs and devices are left out with a line on stderr. Owners become root, since a unikernel has no
 * users. Returns 0, or -1 after saying on stderr what failed and where.
 */
int write_root_archive(const char *directory, int fd);

#endif
