/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/xen_stream.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define XEN_PREFIX    "(XEN) "
#define STATUS_PREFIX "coracle: exit status "
#define STATUS_DIGITS 3

/* What the held bytes are. */
enum held_state { HELD_NOTHING, HELD_PARTLY, HELD_XEN, HELD_STATUS };

/* Whether the held text can grow into "coracle: exit status N\n", or is that (HELD_STATUS). */
static enum held_state match_status(const char *held, size_t length)
{
    size_t prefix = strlen(STATUS_PREFIX);
    size_t digits = 0;

    if (length <= prefix)
        return memcmp(held, STATUS_PREFIX, length) == 0 ? HELD_PARTLY : HELD_NOTHING;
    if (memcmp(held, STATUS_PREFIX, prefix) != 0)
        return HELD_NOTHING;
    while (prefix + digits < length && isdigit((unsigned char)held[prefix + digits]))
        digits++;
    if (digits > STATUS_DIGITS)
        return HELD_NOTHING;
    if (prefix + digits == length)
        return HELD_PARTLY;
    return digits > 0 && held[prefix + digits] == '\n' && prefix + digits + 1 == length ? HELD_STATUS
                                                                                        : HELD_NOTHING;
}

static enum held_state match_held(const struct xen_stream *stream)
{
    const char *held = stream->held.text;
    size_t length = stream->held.length;
    size_t xen = strlen(XEN_PREFIX);

    if (length == xen && memcmp(held, XEN_PREFIX, xen) == 0)
        return HELD_XEN;
    if (length < xen && memcmp(held, XEN_PREFIX, length) == 0)
        return HELD_PARTLY;
    return match_status(held, length);
}

static void finish_xen_line(struct xen_stream *stream)
{
    stream->in_xen_line = false;
    if (stream->line.length == 0)
        return;
    if (stream->log != NULL)
        stream->log(stream->context, stream->line.text);
    if (strstr(stream->line.text, "init memory") != NULL)
        stream->domain_runs = true;
    stream->line.length = 0;
    stream->line.text[0] = '\0';
}

static void drop_held(struct xen_stream *stream, size_t count)
{
    memmove(stream->held.text, stream->held.text + count, stream->held.length - count + 1);
    stream->held.length -= count;
    stream->shown -= count < stream->shown ? count : stream->shown;
}

/* The first held byte is the program's. */
static void pass_first(struct xen_stream *stream)
{
    if (stream->shown == 0)
        text_add_char(&stream->guest, stream->held.text[0]);
    drop_held(stream, 1);
}

/* Passes on held bytes, from the first, until what is left may again be the start of something. */
static void settle_held(struct xen_stream *stream)
{
    while (stream->held.length != 0) {
        switch (match_held(stream)) {
        case HELD_PARTLY:
        case HELD_STATUS:
            return;
        case HELD_XEN:
            text_add(&stream->line, XEN_PREFIX);
            stream->in_xen_line = true;
            drop_held(stream, stream->held.length);
            return;
        case HELD_NOTHING:
            pass_first(stream);
            break;
        }
    }
}

/* A Xen line that comes while a status line is held must not push that out: it is looked at apart. */
static bool starts_xen_behind_status(struct xen_stream *stream)
{
    size_t status = 0;
    const char *end = memchr(stream->held.text, '\n', stream->held.length);
    size_t rest;

    if (end != NULL)
        status = (size_t)(end - stream->held.text) + 1;
    rest = stream->held.length - status;
    if (status == 0 || match_status(stream->held.text, status) != HELD_STATUS || rest > strlen(XEN_PREFIX) ||
        memcmp(stream->held.text + status, XEN_PREFIX, rest) != 0)
        return false;
    if (rest == strlen(XEN_PREFIX)) {
        text_add(&stream->line, XEN_PREFIX);
        stream->in_xen_line = true;
        stream->held.length = status;
        stream->held.text[status] = '\0';
    }
    return true;
}

static void take(struct xen_stream *stream, char c)
{
    if (stream->in_xen_line || !stream->domain_runs) {
        if (c == '\n')
            finish_xen_line(stream);
        else if (c != '\0')
            text_add_char(&stream->line, c);
        return;
    }
    text_add_char(&stream->held, c);
    if (!starts_xen_behind_status(stream))
        settle_held(stream);
}

void xen_stream_feed(struct xen_stream *stream, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (stream->carriage_return && bytes[i] != '\n')
            take(stream, '\r');
        stream->carriage_return = bytes[i] == '\r';
        if (!stream->carriage_return)
            take(stream, bytes[i]);
    }
}

bool xen_stream_waits(const struct xen_stream *stream)
{
    return stream->held.length > stream->shown && stream->held.length < strlen(STATUS_PREFIX);
}

void xen_stream_hurry(struct xen_stream *stream)
{
    if (!xen_stream_waits(stream))
        return;
    while (stream->shown < stream->held.length)
        text_add_char(&stream->guest, stream->held.text[stream->shown++]);
}

int xen_stream_end(struct xen_stream *stream)
{
    int status = -1;
    const char *end;

    if (stream->carriage_return)
        take(stream, '\r');
    stream->carriage_return = false;
    finish_xen_line(stream);
    end = stream->held.length != 0 ? memchr(stream->held.text, '\n', stream->held.length) : NULL;
    if (end != NULL &&
        match_status(stream->held.text, (size_t)(end - stream->held.text) + 1) == HELD_STATUS) {
        status = atoi(stream->held.text + strlen(STATUS_PREFIX));
        drop_held(stream, (size_t)(end - stream->held.text) + 1);
    }
    while (stream->held.length != 0)
        pass_first(stream);
    return status;
}

void xen_stream_free(struct xen_stream *stream)
{
    free(stream->guest.text);
    free(stream->line.text);
    free(stream->held.text);
}
