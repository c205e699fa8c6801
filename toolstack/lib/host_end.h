/* SPDX-License-Identifier: MIT */
/*
 * How a host came to its end: its agent reads what the hypervisor and the control domain say, and leaves
 * end.log in the host's directory when they did not end in order. Its first line is the reason, for one
 * line of a message; what follows are the lines that go with it, addresses with their names.
 *
 * What is a reason: a fault of the hypervisor's own, a crash of the control domain that the hypervisor saw,
 * one that the control domain saw itself ("coracle: ..." and a backtrace before it shuts down as crashed),
 * another exit status than 0, the end of QEMU alone.
 */
#ifndef TOOLSTACK_LIB_HOST_END_H
#define TOOLSTACK_LIB_HOST_END_H

#include "toolstack/lib/host_place.h"
#include "toolstack/lib/symbolize.h"

#include <stdbool.h>
#include <stddef.h>

#define HOST_END_LINES 128 /* the last ones, which are kept */
#define HOST_END_LINE  240 /* bytes of one that are looked at */

/* Start with all zero. */
struct host_end {
    char line[HOST_END_LINE + 1]; /* that is just coming */
    size_t length;
    char *kept[HOST_END_LINES]; /* a ring */
    unsigned nr_lines;          /* ever */
    char message[HOST_END_LINE + 1], reason[HOST_END_LINE + 64];
    unsigned message_at, reason_at; /* numbers of the lines with which they begin */
    bool has_backtrace;             /* behind the message */
    bool in_order;
    int status;
};

/* What came from the machine's first serial line; in pieces of any size. */
void host_end_read(struct host_end *end, const char *bytes, size_t length);

/*
 * At the end of the machine: writes end.log, unless the host ended in order. otherwise: the reason where no
 * line gave one. Says the reason on stderr, too. Frees the lines.
 */
void host_end_write(struct host_end *end, const struct host_place *place, const struct symbol_files *symbols,
                    const char *otherwise);

/* The reason that the host's last run left, for free(); NULL: none. */
char *host_end_reason(const struct host_place *place);
/* One line on stderr with it and where the rest is; nothing where there is none. Whether there was one. */
bool host_end_tell(const struct host_place *place);
/* A new run begins. */
void host_end_forget(const struct host_place *place);

#endif
