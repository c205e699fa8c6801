/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/pump.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A pipe that poll calls writable takes this much without blocking (PIPE_BUF). */
#define WRITE_MAX 4096
/* The guest waits when the reader of stdout is this far behind. */
#define OUTPUT_MAX (64 * 1024)
/* QEMU says little; what is beyond this is dropped. */
#define ERRORS_MAX (16 * 1024)

/* After so long without a byte the user sees what is held back. */
#define HURRY_MS 100
/*
 * Stock Xen keeps 128 bytes of input and drops what comes while they are full; nothing tells when the domain
 * has taken them. So it gets a first piece at once, the rest when a program that reads its input has come so
 * far, and no faster than from the serial line that it believes in. On Coracle the serial line itself holds
 * the sender back.
 */
#define XEN_FIRST_PIECE 96
#define XEN_FIRST_MS    1500
#define XEN_PIECE       32
#define XEN_PIECE_MS    5

/* Coracle says nothing before that when all is well; it loses no input, but works faster when none waits at
 * its start. */
#define INPUT_PATIENCE_MS 500

enum slot { SLOT_SIGNALS, SLOT_COM1, SLOT_COM2, SLOT_ERRORS, SLOT_STDIN, SLOT_STDOUT, SLOTS };

void pump_block_signals(sigset_t *before)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, before);
}

void pump_restore_signals(const sigset_t *before)
{
    const struct timespec now = {0};
    sigset_t pipe_signal;

    /* A pending SIGPIPE was already answered as a lost stdout. */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigtimedwait(&pipe_signal, NULL, &now);
    sigprocmask(SIG_SETMASK, before, NULL);
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void kill_qemu(struct pump *pump)
{
    if (!pump->qemu_ended)
        kill(pump->qemu, SIGKILL);
    pump->stop = true;
}

static void drop_front(struct text *text, size_t count)
{
    memmove(text->text, text->text + count, text->length - count);
    text->length -= count;
}

static void add_bytes(struct text *text, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text_add_char(text, bytes[i]);
}

static void take_signal(struct pump *pump, struct machine_result *result)
{
    struct signalfd_siginfo info;
    int status;

    if (read(pump->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo != SIGCHLD) {
        result->signal = (int)info.ssi_signo;
        kill_qemu(pump);
        return;
    }
    if (!pump->qemu_ended && waitpid(pump->qemu, &status, WNOHANG) == pump->qemu) {
        pump->qemu_ended = true;
        result->qemu_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

static void log_line(void *context, const char *line)
{
    machine_log_line(context, line);
}

/* Takes bytes of the hypervisor's own line and gives whole lines to the log. */
static void take_log(struct pump *pump, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n') {
            machine_log_line(pump->log, pump->log_part.length != 0 ? pump->log_part.text : "");
            pump->log_part.length = 0;
        } else if (bytes[i] != '\r' && bytes[i] != '\0') {
            text_add_char(&pump->log_part, bytes[i]);
        }
    }
}

/* Moves what the Xen stream has found out to where it belongs. */
static void take_guest_text(struct pump *pump)
{
    if (pump->stream.guest.length != 0)
        add_bytes(&pump->to_stdout, pump->stream.guest.text, pump->stream.guest.length);
    pump->stream.guest.length = 0;
    pump->log->input_safe |= pump->stream.domain_runs;
}

/* The console's descriptor has come, or never will. */
static void take_console(struct pump *pump, int *fd)
{
    int console;
    ssize_t count = read(*fd, &console, sizeof(console));

    if (count < 0 && errno == EINTR)
        return;
    pump->com1_promised = false;
    *fd = count == (ssize_t)sizeof(console) ? console : -1;
    pump->com1 = *fd;
}

/* Reads from one of QEMU's lines; *fd becomes -1 at its end. */
static void read_line_of(struct pump *pump, int *fd, enum slot slot)
{
    char buffer[16 * 1024];
    ssize_t count = read(*fd, buffer, sizeof(buffer));

    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (count <= 0) {
        *fd = -1;
        return;
    }
    switch (slot) {
    case SLOT_COM1:
        pump->keys.interrupts = 0;
        if (pump->xen) {
            xen_stream_feed(&pump->stream, buffer, (size_t)count);
            take_guest_text(pump);
        } else {
            add_bytes(&pump->to_stdout, buffer, (size_t)count);
            pump->log->input_safe = true;
        }
        break;
    case SLOT_COM2:
        take_log(pump, buffer, (size_t)count);
        break;
    default:
        if (pump->qemu_errors.length < ERRORS_MAX)
            add_bytes(&pump->qemu_errors, buffer, (size_t)count);
        break;
    }
}

/* Stock Xen clears the highest bit of each byte that it receives. Says so once, when it matters. */
static void check_xen_input(struct pump *pump, const char *bytes, ssize_t length)
{
    for (ssize_t i = 0; i < length && !pump->warned; i++) {
        if ((bytes[i] & 0x80) == 0)
            continue;
        report("stock Xen takes only 7 bits of each byte of input; the program will not read what was sent");
        pump->warned = true;
    }
}

static void read_input(struct pump *pump, struct machine_result *result)
{
    bool user_ends = false;
    char buffer[1024];
    ssize_t count = read(STDIN_FILENO, buffer, sizeof(buffer));

    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (pump->xen)
        check_xen_input(pump, buffer, count);
    if (count <= 0 && pump->input == INPUT_QUOTED)
        console_input_end(&pump->to_guest);
    else if (pump->input == INPUT_QUOTED)
        console_input_quote(&pump->to_guest, buffer, (size_t)count);
    else if (count > 0 && pump->input == INPUT_TERMINAL)
        user_ends = console_input_keys(&pump->keys, &pump->to_guest, buffer, (size_t)count);
    else if (count > 0)
        add_bytes(&pump->to_guest, buffer, (size_t)count);
    if (user_ends) {
        result->signal = SIGINT;
        kill_qemu(pump);
    }
    pump->input_open = count > 0;
}

static void write_guest(struct pump *pump)
{
    bool first = pump->xen_sent < XEN_FIRST_PIECE;
    size_t length = pump->to_guest.length, most = first ? XEN_FIRST_PIECE - pump->xen_sent : XEN_PIECE;
    ssize_t count;

    if (pump->xen && length > most)
        length = most;
    count = send(pump->com1, pump->to_guest.text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count <= 0)
        return;
    drop_front(&pump->to_guest, (size_t)count);
    if (pump->xen) {
        pump->xen_sent += (size_t)count;
        first = first && pump->xen_sent < XEN_FIRST_PIECE;
        if (!first)
            pump->hold_until = now_ms() + (pump->xen_sent == XEN_FIRST_PIECE ? XEN_FIRST_MS : XEN_PIECE_MS);
    }
}

static void write_output(struct pump *pump, struct machine_result *result)
{
    size_t length = pump->to_stdout.length < WRITE_MAX ? pump->to_stdout.length : WRITE_MAX;
    ssize_t count = write(STDOUT_FILENO, pump->to_stdout.text, length);

    if (count >= 0) {
        add_bytes(&result->tail, pump->to_stdout.text, (size_t)count);
        if (result->tail.length > MACHINE_TAIL_MAX)
            drop_front(&result->tail, result->tail.length - MACHINE_TAIL_MAX);
        drop_front(&pump->to_stdout, (size_t)count);
        return;
    }
    if (errno == EINTR || errno == EAGAIN)
        return;
    if (errno != EPIPE)
        report("cannot write the program's output to stdout: %s", strerror(errno));
    result->output_lost = true;
    pump->to_stdout.length = 0;
    kill_qemu(pump);
}

/* The shorter of two waits; -1 is for ever. */
static int shorter(int wait, int64_t other)
{
    if (other < 0)
        other = 0;
    return wait < 0 || other < wait ? (int)other : wait;
}

/* How long poll may wait; -1: for ever. Looks at the clock on the way: ends the machine at the timeout. */
static int look_at_clock(struct pump *pump, struct machine_result *result, int64_t start)
{
    int64_t now = now_ms(), left;
    int wait = -1;

    if (pump->timeout != 0 && !pump->stop) {
        left = start + pump->timeout * INT64_C(1000) - now;
        wait = shorter(wait, left);
        if (left <= 0) {
            result->timed_out = true;
            kill_qemu(pump);
        }
    }
    /* A hypervisor that was told to be silent must get the input nevertheless. */
    if (pump->input_open && !pump->log->input_safe && !pump->xen) {
        left = start + INPUT_PATIENCE_MS - now;
        pump->log->input_safe = left <= 0;
        wait = shorter(wait, left);
    }
    pump->holds = pump->hold_until > now;
    if (pump->holds)
        wait = shorter(wait, pump->hold_until - now);
    if (xen_stream_waits(&pump->stream))
        wait = shorter(wait, HURRY_MS);
    return wait;
}

static bool finished(const struct pump *pump, int com1, int com2, int errors)
{
    return pump->qemu_ended && com1 < 0 && com2 < 0 && errors < 0 && pump->to_stdout.length == 0;
}

/* What poll is asked. A descriptor of -1 is skipped by it. */
static void set_polls(const struct pump *pump, struct pollfd polls[SLOTS], int com1, int com2, int errors)
{
    bool room = pump->to_stdout.length < OUTPUT_MAX;
    bool sending = pump->to_guest.length != 0 && com1 >= 0 && !pump->holds && !pump->com1_promised;
    bool reading =
        pump->input_open && pump->log->input_safe && pump->to_guest.length == 0 && !pump->qemu_ended;

    polls[SLOT_SIGNALS] = (struct pollfd){.fd = pump->signals, .events = POLLIN};
    polls[SLOT_COM1] = (struct pollfd){.fd = room || sending ? com1 : -1,
                                       .events = (short)((room ? POLLIN : 0) | (sending ? POLLOUT : 0))};
    polls[SLOT_COM2] = (struct pollfd){.fd = com2, .events = POLLIN};
    polls[SLOT_ERRORS] = (struct pollfd){.fd = errors, .events = POLLIN};
    polls[SLOT_STDIN] = (struct pollfd){.fd = reading ? STDIN_FILENO : -1, .events = POLLIN};
    polls[SLOT_STDOUT] =
        (struct pollfd){.fd = pump->to_stdout.length != 0 ? STDOUT_FILENO : -1, .events = POLLOUT};
}

/* One round: waits, then does whatever can be done without waiting. */
static void pump_once(struct pump *pump, struct machine_result *result, int *com1, int *com2, int *errors,
                      int wait)
{
    struct pollfd polls[SLOTS];

    set_polls(pump, polls, *com1, *com2, *errors);
    if (poll(polls, SLOTS, wait) <= 0) {
        if (wait == HURRY_MS)
            xen_stream_hurry(&pump->stream);
        take_guest_text(pump);
        return;
    }
    if (polls[SLOT_SIGNALS].revents != 0)
        take_signal(pump, result);
    if ((polls[SLOT_COM1].revents & POLLOUT) != 0)
        write_guest(pump);
    if ((polls[SLOT_COM1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && pump->com1_promised)
        take_console(pump, com1);
    else if ((polls[SLOT_COM1].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        read_line_of(pump, com1, SLOT_COM1);
    if (polls[SLOT_COM2].revents != 0)
        read_line_of(pump, com2, SLOT_COM2);
    if (polls[SLOT_ERRORS].revents != 0)
        read_line_of(pump, errors, SLOT_ERRORS);
    if (polls[SLOT_STDIN].revents != 0)
        read_input(pump, result);
    if (polls[SLOT_STDOUT].revents != 0)
        write_output(pump, result);
}

/* The lines have ended: settles what was only partly there. */
static void settle(struct pump *pump, struct machine_result *result)
{
    int status;

    if (pump->log_part.length != 0)
        machine_log_line(pump->log, pump->log_part.text);
    if (pump->xen) {
        status = xen_stream_end(&pump->stream);
        take_guest_text(pump);
        if (status >= 0) {
            pump->log->has_status = true;
            pump->log->status = status;
        }
    }
    while (pump->to_stdout.length != 0 && !result->output_lost)
        write_output(pump, result);
}

void pump_run(struct pump *pump, struct machine_result *result)
{
    int com1 = pump->com1, com2 = pump->com2, errors = pump->errors;
    int64_t start = now_ms();
    int wait;

    pump->signals = open_signals();
    pump->stream.log = log_line;
    pump->stream.context = pump->log;
    pump->input_open = pump->input != INPUT_NONE;
    pump->com1_promised = pump->console_ended != NULL;
    if (pump->input == INPUT_TERMINAL)
        terminal_take(STDIN_FILENO);
    while (!finished(pump, com1, com2, errors)) {
        wait = look_at_clock(pump, result, start);
        pump_once(pump, result, &com1, &com2, &errors, wait);
        if (pump->console_ended != NULL && com1 < 0 && !pump->stop && !pump->qemu_ended) {
            pump->console_ended(pump->context);
            kill_qemu(pump);
        }
        if (pump->log->over && !pump->stop)
            kill_qemu(pump);
    }
    settle(pump, result);
    terminal_restore();
    if (pump->qemu_errors.length != 0 && (pump->log->verbose || (result->qemu_status != 0 && !pump->stop)))
        fprintf(stderr, "%s", pump->qemu_errors.text);
    close(pump->signals);
    free(pump->to_guest.text);
    free(pump->to_stdout.text);
    free(pump->log_part.text);
    free(pump->qemu_errors.text);
    xen_stream_free(&pump->stream);
}
