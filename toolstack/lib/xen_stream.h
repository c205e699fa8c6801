/* SPDX-License-Identifier: MIT */
/*
 * Takes apart what stock Xen sends over its one serial line: its own lines ("(XEN) ...") and the bytes of the
 * initial domain. On Coracle this is not needed, because the two use different lines.
 *
 * What is relied on:
 *  - Everything before Xen's line "Freed ... init memory" is Xen's, since no domain runs yet.
 *  - Then a line of Xen's starts with "(XEN) ", wherever the domain's output happens to stand, and ends with
 * the line. A program that prints "(XEN) " itself loses that line to the log.
 *  - Xen puts one carriage return before each line feed.
 *  - The libOS ends with "coracle: exit status N" and a line feed (setting exit=reboot), right behind the
 * program's last byte. It counts only as the very last of the output; a program's own text of that form is
 * passed on as soon as more follows.
 */
#ifndef TOOLSTACK_LIB_XEN_STREAM_H
#define TOOLSTACK_LIB_XEN_STREAM_H

#include "toolstack/lib/cmdline.h"

#include <stdbool.h>
#include <stddef.h>

/* Start with all zero; free the texts with xen_stream_free. */
struct xen_stream {
    struct text guest; /* the program's output so far; the user takes it and sets guest.length to 0 */
    struct text line;  /* Xen's line so far */
    struct text held;  /* bytes that may yet become a status line or the start of "(XEN) " */
    void (*log)(void *context, const char *line); /* called with each whole line of Xen's */
    void *context;
    bool domain_runs;
    bool in_xen_line;
    bool carriage_return; /* a carriage return came, and not yet what follows it */
    size_t shown;         /* so many of the held bytes were passed on already, by xen_stream_hurry */
};

/* Takes the next bytes of the line. */
void xen_stream_feed(struct xen_stream *stream, const char *bytes, size_t length);

/*
 * Passes on bytes that are held because they might begin something, as a prompt that ends with "c" would be:
 * for when nothing has come for a while and a user waits. What they are is still found out.
 */
void xen_stream_hurry(struct xen_stream *stream);

/* Whether xen_stream_hurry has something to pass on. */
bool xen_stream_waits(const struct xen_stream *stream);

/*
 * The line has ended: passes on what was held. Returns the program's exit status when the last line named
 * one, else -1.
 */
int xen_stream_end(struct xen_stream *stream);

void xen_stream_free(struct xen_stream *stream);

#endif
