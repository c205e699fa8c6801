/* SPDX-License-Identifier: MIT */
/*
 * Consoles of domains: the backend of the PV console ring, a log, and any number of people at it.
 *
 *     guest's ring --> log (CONSOLE_LOG_MAX bytes) --> each attachment reads at its own pace
 *     guest's ring <-- input of whoever writes; what does not fit stays with the writer
 *
 * A console belongs to a domain's name and outlives its runs: a restarted domain gets a new ring at the same
 * console, whose log and attachments stay.
 *
 * A slow reader holds up nobody, neither the guest nor other readers: it misses what the log has dropped
 * meanwhile. A guest that floods slows only itself: of each console at most a ring's content is moved in one
 * turn of the loop, and turns cost credit that comes back at a fixed rate; without credit the ring stays
 * full, and its events are masked, until then.
 *
 * Everything runs on the loop's thread.
 */
#ifndef TOOLSTACK_BACKEND_CONSOLE_H
#define TOOLSTACK_BACKEND_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "toolstack/backend/console_log.h"

/* Credit of a console in bytes, what comes back of it in a second, and what a turn costs at least. */
#define CONSOLE_CREDIT    (1024 * 1024)
#define CONSOLE_RATE      (8 * 1024 * 1024)
#define CONSOLE_TURN_COST 256u

struct console;
struct xencons_interface;

/*
 * Somebody at a console. The structure belongs to the caller; callbacks may be NULL, and may read, write and
 * detach.
 */
struct console_attachment {
    /* Set by the caller. Called from the loop. */
    void (*readable)(struct console_attachment *attachment); /* there is more to read */
    void (*writable)(struct console_attachment *attachment); /* input that was refused may fit now */
    void (*ended)(struct console_attachment *attachment);    /* the console goes away: detached already */

    /* private */
    struct console *console; /* NULL: not attached */
    struct console_attachment *next;
    uint64_t position; /* of the next byte to read in the log */
    bool refused;      /* wants writable() */
};

/* NULL: no memory. */
struct console *console_create(void);
/* Disconnects, tells the attachments, frees. */
void console_destroy(struct console *console);

/*
 * Begins to serve a domain's ring, which stays mapped until console_disconnect, with the event channel
 * remote_port of domid. 0 or a negative errno.
 */
int console_connect(struct console *console, uint16_t domid, struct xencons_interface *ring,
                    uint32_t remote_port);
/* Takes what is left in the ring and lets go of it. Nothing if there is none. */
void console_disconnect(struct console *console);

/* A line of the control domain's own in the log, "coracle: ...\r\n". */
void console_say(struct console *console, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The log, to be read with console_log_read from any position; valid until the next turn of the loop. */
const struct console_log *console_log(const struct console *console);

/* Attaches: reading begins with the log's oldest byte (replay), or with what comes next. */
void console_attach(struct console *console, struct console_attachment *attachment, bool replay);
/* Nothing if it is not attached. */
void console_detach(struct console_attachment *attachment);
/* Takes up to size bytes of what came since; 0: nothing more now, readable() follows. */
size_t console_read(struct console_attachment *attachment, void *data, size_t size);
/* Types length bytes; how many the domain took, the rest is to be offered again after writable(). */
size_t console_write(struct console_attachment *attachment, const void *data, size_t length);
/* The attachment has read everything so far. */
bool console_read_all(const struct console_attachment *attachment);

#endif
