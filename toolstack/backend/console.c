/* SPDX-License-Identifier: MIT */
/* Consoles; see console.h. */
#include "toolstack/backend/console.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/event.h"
#include "toolstack/backend/console_ring.h"
#include "toolstack/control/loop.h"

#define NS_PER_SECOND 1000000000ull
#define LINE_MAX      320

struct console {
    struct loop_port port;          /* the domain's events; first: a task is its console */
    struct xencons_interface *ring; /* NULL: no domain is connected */
    struct console_attachment *attachments;
    struct console_attachment *cursor; /* the next one to be called, while they are */
    struct console_log log;

    int64_t credit;          /* bytes that may be moved before the rate counts; a turn may leave it below 0 */
    uint64_t credit_when;    /* up to when credit has been given */
    struct loop_timer timer; /* the port is held without credit: when there is some again */
};

/* ------------------------------------------------------------------ callbacks */

/*
 * Calls each attachment's function once. Callbacks may detach whom they like: the one to be called next is
 * noted where console_detach() finds it.
 */
static void tell_readable(struct console *console)
{
    for (struct console_attachment *a = console->attachments; a; a = console->cursor) {
        console->cursor = a->next;
        if (a->readable && a->position < console->log.end) {
            a->readable(a);
        }
    }
    console->cursor = NULL;
}

static void tell_writable(struct console *console)
{
    for (struct console_attachment *a = console->attachments; a; a = console->cursor) {
        bool refused = a->refused;

        console->cursor = a->next;
        a->refused = false;
        if (refused && a->writable) {
            a->writable(a);
        }
    }
    console->cursor = NULL;
}

/* ------------------------------------------------------------------ credit */

static void credit_earn(struct console *console)
{
    uint64_t now = cor_monotonic_ns(), passed = now - console->credit_when;
    int64_t earned =
        passed >= NS_PER_SECOND ? CONSOLE_CREDIT : (int64_t)(passed * CONSOLE_RATE / NS_PER_SECOND);

    if (earned) {
        console->credit += earned;
        console->credit = console->credit < CONSOLE_CREDIT ? console->credit : CONSOLE_CREDIT;
        console->credit_when = now;
    }
}

/* Goes without the domain's events until there is credit for a good number of turns again. */
static void wait_for_credit(struct console *console)
{
    loop_port_hold(&console->port);
    loop_timer_set(&console->timer,
                   console->credit_when + (CONSOLE_CREDIT / 16) * NS_PER_SECOND / CONSOLE_RATE);
}

/* ------------------------------------------------------------------ turns */

/* Moves what is in the ring, at most one ring's content. Returns how much. */
static size_t take_output(struct console *console)
{
    char bytes[sizeof(console->ring->out)];
    size_t count = console_ring_take(console->ring, bytes, sizeof(bytes));

    if (count) {
        console_log_add(&console->log, bytes, count);
    }
    return count;
}

/* The domain's event, or credit again. */
static void turn(struct loop_task *task)
{
    struct console *console = (struct console *)task;
    size_t count, cost;

    if (!console->ring || console->port.held) {
        return;
    }
    credit_earn(console);
    if (console->credit <= 0) {
        wait_for_credit(console);
        return;
    }
    count = take_output(console);
    cost = count > CONSOLE_TURN_COST ? count : CONSOLE_TURN_COST;
    console->credit -= (int64_t)cost;
    if (count) {
        cor_event_send(console->port.port); /* there is room; what comes now brings an event */
        tell_readable(console);
    }
    tell_writable(console);
}

static void timer_turn(struct loop_task *task)
{
    struct console *console = (struct console *)((char *)task - offsetof(struct console, timer) -
                                                 offsetof(struct loop_timer, task));

    if (console->port.held) {
        loop_port_release(&console->port);
    }
}

/* ------------------------------------------------------------------ life */

struct console *console_create(void)
{
    struct console *console = calloc(1, sizeof(*console));

    if (console) {
        console->port.task.run = turn;
        console->timer.task.run = timer_turn;
    }
    return console;
}

int console_connect(struct console *console, uint16_t domid, struct xencons_interface *ring,
                    uint32_t remote_port)
{
    int error = loop_port_bind(&console->port, domid, remote_port);

    if (!error) {
        console->ring = ring;
        console->credit = CONSOLE_CREDIT;
        console->credit_when = cor_monotonic_ns();
    }
    return error;
}

void console_disconnect(struct console *console)
{
    if (!console->ring) {
        return;
    }
    (void)take_output(console);
    loop_timer_stop(&console->timer);
    loop_port_close(&console->port);
    console->ring = NULL;
    tell_readable(console);
}

void console_destroy(struct console *console)
{
    console_disconnect(console);
    while (console->attachments) {
        struct console_attachment *attachment = console->attachments;

        console_detach(attachment);
        if (attachment->ended) {
            attachment->ended(attachment);
        }
    }
    console_log_free(&console->log);
    free(console);
}

void console_say(struct console *console, const char *format, ...)
{
    char line[LINE_MAX] = "coracle: ";
    size_t start = strlen(line), length;
    va_list args;

    va_start(args, format);
    vsnprintf(line + start, sizeof(line) - start - 2, format, args);
    va_end(args);
    length = strlen(line);
    memcpy(line + length, "\r\n", 2);
    console_log_add(&console->log, line, length + 2);
    tell_readable(console);
}

const struct console_log *console_log(const struct console *console)
{
    return &console->log;
}

/* ------------------------------------------------------------------ attachments */

void console_attach(struct console *console, struct console_attachment *attachment, bool replay)
{
    attachment->console = console;
    attachment->next = console->attachments;
    attachment->position = replay ? console->log.start : console->log.end;
    attachment->refused = false;
    console->attachments = attachment;
}

void console_detach(struct console_attachment *attachment)
{
    struct console_attachment **link;

    if (!attachment->console) {
        return;
    }
    link = &attachment->console->attachments;
    while (*link != attachment) {
        link = &(*link)->next;
    }
    *link = attachment->next;
    if (attachment->console->cursor == attachment) {
        attachment->console->cursor = attachment->next;
    }
    attachment->console = NULL;
}

size_t console_read(struct console_attachment *attachment, void *data, size_t size)
{
    return attachment->console
               ? console_log_read(&attachment->console->log, &attachment->position, data, size)
               : 0;
}

bool console_read_all(const struct console_attachment *attachment)
{
    return !attachment->console || attachment->position >= attachment->console->log.end;
}

size_t console_write(struct console_attachment *attachment, const void *data, size_t length)
{
    struct console *console = attachment->console;
    size_t done;

    if (!console || !console->ring) {
        attachment->refused = console != NULL;
        return 0;
    }
    done = console_ring_put(console->ring, data, length);
    attachment->refused = done < length;
    if (done) {
        cor_event_send(console->port.port);
    }
    return done;
}

_Static_assert(offsetof(struct console, port.task) == 0, "turn() finds its console by the task");
