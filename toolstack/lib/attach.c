/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/attach.h"
#include "toolstack/lib/queue.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_SIZE 4096
/* A pipe that poll calls writable takes this much without blocking (PIPE_BUF). */
#define WRITE_MAX 4096

enum slot { SLOT_SIGNALS, SLOT_CONSOLE, SLOT_STDIN, SLOT_STDOUT, SLOTS };

struct attachment {
    int console;
    int signals;
    bool terminal;
    bool input_open, console_open;
    bool ended;
    enum attach_end end;
    struct queue to_console, to_stdout;
};

static void finish(struct attachment *attachment, enum attach_end end)
{
    if (!attachment->ended)
        attachment->end = end;
    attachment->ended = true;
}

static void read_console(struct attachment *attachment)
{
    char piece[PIECE_SIZE];
    ssize_t count = recv(attachment->console, piece, sizeof(piece), MSG_DONTWAIT);

    if (count > 0)
        queue_add(&attachment->to_stdout, piece, (size_t)count);
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        attachment->console_open = false;
}

static void read_input(struct attachment *attachment)
{
    char piece[PIECE_SIZE];
    ssize_t count = read(STDIN_FILENO, piece, sizeof(piece));
    const char *escape =
        count > 0 && attachment->terminal ? memchr(piece, ATTACH_ESCAPE, (size_t)count) : NULL;

    if (count > 0)
        queue_add(&attachment->to_console, piece, escape != NULL ? (size_t)(escape - piece) : (size_t)count);
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        attachment->input_open = false;
    if (escape != NULL)
        finish(attachment, ATTACH_LEFT);
}

static void write_console(struct attachment *attachment)
{
    struct queue *queue = &attachment->to_console;
    ssize_t count =
        send(attachment->console, queue->data + queue->start, queue->length, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (count > 0)
        queue_drop(queue, (size_t)count);
    else if (count < 0 && errno != EAGAIN && errno != EINTR)
        queue->length = 0; /* it is gone, which reading shows, too */
}

static void write_output(struct attachment *attachment)
{
    struct queue *queue = &attachment->to_stdout;
    ssize_t count = write(STDOUT_FILENO, queue->data + queue->start,
                          queue->length < WRITE_MAX ? queue->length : WRITE_MAX);

    if (count > 0) {
        queue_drop(queue, (size_t)count);
    } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
        if (errno != EPIPE)
            report("cannot write the console's output to stdout: %s", strerror(errno));
        finish(attachment, ATTACH_NO_OUTPUT);
    }
}

static void pump_once(struct attachment *attachment)
{
    bool sending = attachment->to_console.length != 0, showing = attachment->to_stdout.length != 0;
    struct pollfd polls[SLOTS] = {
        [SLOT_SIGNALS] = {.fd = attachment->signals, .events = POLLIN},
        [SLOT_CONSOLE] = {.fd = attachment->console_open && (!showing || sending) ? attachment->console : -1,
                          .events = (short)((showing ? 0 : POLLIN) | (sending ? POLLOUT : 0))},
        [SLOT_STDIN] = {.fd = attachment->input_open && !sending ? STDIN_FILENO : -1, .events = POLLIN},
        [SLOT_STDOUT] = {.fd = showing ? STDOUT_FILENO : -1, .events = POLLOUT},
    };

    if (poll(polls, SLOTS, -1) <= 0)
        return;
    if (polls[SLOT_SIGNALS].revents != 0)
        finish(attachment, ATTACH_SIGNAL);
    if ((polls[SLOT_CONSOLE].revents & POLLOUT) != 0)
        write_console(attachment);
    if ((polls[SLOT_CONSOLE].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        read_console(attachment);
    if (polls[SLOT_STDOUT].revents != 0)
        write_output(attachment);
    if (polls[SLOT_STDIN].revents != 0)
        read_input(attachment);
    if (!attachment->input_open && attachment->to_console.length == 0 && polls[SLOT_STDIN].revents != 0)
        shutdown(attachment->console, SHUT_WR);
}

/* Signals that would leave the terminal as it is now come from a descriptor instead. */
static int open_signals(sigset_t *before)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, before);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

enum attach_end attach_console(int console, const struct text *first)
{
    struct attachment attachment = {
        .console = console, .terminal = isatty(STDIN_FILENO), .input_open = true, .console_open = true};
    sigset_t before;

    queue_add(&attachment.to_stdout, first->text, first->length);
    attachment.signals = open_signals(&before);
    if (attachment.terminal)
        terminal_take(STDIN_FILENO);
    while (!attachment.ended && (attachment.console_open || attachment.to_stdout.length != 0))
        pump_once(&attachment);
    terminal_restore();
    close(attachment.signals);
    /* A signal that is pending ends the tool here. */
    sigprocmask(SIG_SETMASK, &before, NULL);
    queue_free(&attachment.to_console);
    queue_free(&attachment.to_stdout);
    return attachment.ended ? attachment.end : ATTACH_CLOSED;
}
