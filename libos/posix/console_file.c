/* SPDX-License-Identifier: MIT */
/*
 * The console as a file. A helper thread, started when somebody first reads, polls or wants SIGINT, feeds
 * what arrives to the line discipline, so that the interrupt key works while the program computes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coracle/console.h"
#include "coracle/init.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"
#include "libos/posix/tty.h"

static struct cor_mutex tty_lock;
static struct tty tty;                  /* guarded by tty_lock */
static volatile uint32_t input_changed; /* counts what readers wait for */
static volatile uint32_t room_changed;  /* counts what the helper waits for */
static struct poll_source tty_source;
static bool output_is_pipe;
static bool helper_runs; /* guarded by tty_lock */

static void echo(const char *text, size_t len)
{
    cor_console_write(text, len);
}

void console_init(void)
{
    const char *in = cor_setting("stdin"), *out = cor_setting("stdout"), *size = cor_setting("winsize");
    unsigned rows, columns;

    tty_init(&tty, echo);
    tty.pipe = in && (!strcmp(in, "pipe") || !strcmp(in, "none"));
    tty.ended = in && !strcmp(in, "none");
    output_is_pipe = out && !strcmp(out, "pipe");
    if (size && sscanf(size, "%ux%u", &rows, &columns) == 2 && rows <= UINT16_MAX && columns <= UINT16_MAX)
        tty.winsize = (struct winsize){.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
}

/* Feeds bytes to the terminal; waits while nobody reads what is there. */
static void feed(const uint8_t *bytes, size_t len)
{
    posix_lock(&tty_lock);
    for (size_t i = 0; i < len; i++) {
        int signo;

        while (!tty_has_room(&tty)) {
            uint32_t seen = room_changed;

            posix_unlock(&tty_lock);
            cor_wait(&room_changed, seen, COR_FOREVER, COR_WAIT_UNINTERRUPTIBLE);
            posix_lock(&tty_lock);
        }
        signo = tty_input(&tty, bytes[i]);
        if (signo)
            signal_post(signo);
    }
    input_changed++;
    posix_unlock(&tty_lock);
    cor_wake(&input_changed, UINT32_MAX);
    poll_announce(&tty_source, POLLIN | POLLRDNORM);
}

static void pump(void)
{
    uint8_t bytes[256];

    for (;;) {
        long n = cor_console_read_wait(bytes, sizeof(bytes), COR_FOREVER);

        if (n > 0)
            feed(bytes, (size_t)n);
    }
}

/* Locked. */
static int start_helper(void)
{
    int err = helper_runs || tty.ended ? 0 : posix_helper("console", pump);

    if (!err)
        helper_runs = true;
    return err;
}

void console_watch(void)
{
    posix_lock(&tty_lock);
    start_helper();
    posix_unlock(&tty_lock);
}

/* Deadline of a read with VTIME set: a tenth of a second each. */
static uint64_t read_deadline(void)
{
    uint64_t tenths = tty.termios.c_cc[VTIME];

    if (tty.pipe || (tty.termios.c_lflag & ICANON) || !tenths)
        return COR_FOREVER;
    return cor_monotonic_ns() + tenths * (NS_PER_S / 10);
}

/*
 * VTIME counts from the read when VMIN is 0, else from the last byte that came: then the wait for the first
 * has no end.
 */
static ssize_t console_read(struct file *file, void *buf, size_t len, off_t pos)
{
    uint64_t deadline;
    size_t had = 0, has;
    ssize_t n;
    bool ready;
    int err;

    (void)pos;
    if (!len)
        return 0;
    posix_lock(&tty_lock);
    err = start_helper();
    deadline = tty.termios.c_cc[VMIN] ? COR_FOREVER : read_deadline();
    while ((n = tty_read(&tty, buf, len)) == -EAGAIN && !err && !(file->flags & O_NONBLOCK)) {
        uint32_t seen = input_changed;

        has = tty_readable(&tty, &ready);
        if (has > had)
            deadline = read_deadline();
        had = has;
        posix_unlock(&tty_lock);
        err = posix_wait(&input_changed, seen, deadline, true);
        posix_lock(&tty_lock);
    }
    if (n == -EAGAIN && err == -ETIMEDOUT) {
        n = tty_read_now(&tty, buf, len);
        n = n == -EAGAIN ? 0 : n;
    } else if (n == -EAGAIN && err) {
        n = err;
    }
    room_changed++;
    posix_unlock(&tty_lock);
    cor_wake(&room_changed, 1);
    return n;
}

static ssize_t console_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    (void)file, (void)pos;
    if (tty.termios.c_oflag & (ONLCR | OCRNL)) {
        posix_lock(&tty_lock);
        tty_output(&tty, buf, len, echo);
        posix_unlock(&tty_lock);
    } else {
        cor_console_write(buf, len);
    }
    return (ssize_t)len;
}

static short console_poll(struct file *file)
{
    short events = POLLOUT | POLLWRNORM;
    bool ready;

    (void)file;
    posix_lock(&tty_lock);
    start_helper();
    tty_readable(&tty, &ready);
    if (ready)
        events |= POLLIN | POLLRDNORM;
    posix_unlock(&tty_lock);
    return events;
}

static struct poll_source *console_source(struct file *file)
{
    (void)file;
    return &tty_source;
}

static int set_attributes(const struct termios *termios, bool flush)
{
    posix_lock(&tty_lock);
    tty_set(&tty, termios, flush);
    input_changed++;
    posix_unlock(&tty_lock);
    cor_wake(&input_changed, UINT32_MAX);
    return 0;
}

static int console_ioctl(struct file *file, unsigned long request, void *argument)
{
    bool ready;

    (void)file;
    switch (request) {
    case TCGETS:
        posix_lock(&tty_lock);
        *(struct termios *)argument = tty.termios;
        posix_unlock(&tty_lock);
        return 0;
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return set_attributes(argument, request == TCSETSF);
    case TIOCGWINSZ:
        *(struct winsize *)argument = tty.winsize;
        return 0;
    case TIOCSWINSZ:
        tty.winsize = *(const struct winsize *)argument;
        return 0;
    case FIONREAD:
        posix_lock(&tty_lock);
        start_helper();
        *(int *)argument = (int)tty_readable(&tty, &ready);
        posix_unlock(&tty_lock);
        return 0;
    default:
        return -ENOTTY;
    }
}

const struct file_ops console_ops = {
    .read = console_read,
    .write = console_write,
    .ioctl = console_ioctl,
    .poll = console_poll,
    .source = console_source,
};

/*
 * The settings speak of the standard streams, and the three are one open file; so what is asked about
 * decides, the descriptor: 0 is a terminal unless stdin=pipe, 1 and 2 unless stdout=pipe, others if both are.
 */
static int terminal(int fd)
{
    struct file *file = fd_get(fd);
    bool console = file && file->ops == &console_ops;

    file_put(file);
    if (!file)
        return -EBADF;
    if (!console || (tty.pipe && fd != 1 && fd != 2) || (output_is_pipe && fd != 0))
        return -ENOTTY;
    return 0;
}

int isatty(int fd)
{
    int err = terminal(fd);

    return err ? (posix_result(err), 0) : 1;
}

int tcgetattr(int fd, struct termios *termios)
{
    int err = terminal(fd);

    return err ? (int)posix_result(err) : ioctl(fd, TCGETS, termios);
}

int tcsetattr(int fd, int when, const struct termios *termios)
{
    int err = terminal(fd);

    if (!err && (when < TCSANOW || when > TCSAFLUSH))
        err = -EINVAL;
    return err ? (int)posix_result(err) : ioctl(fd, when == TCSAFLUSH ? TCSETSF : TCSETS, termios);
}

/* Output is on its way when write returns. */
int tcdrain(int fd)
{
    return (int)posix_result(terminal(fd));
}

int tcflush(int fd, int queue)
{
    int err = terminal(fd);

    if (!err && (queue < TCIFLUSH || queue > TCIOFLUSH))
        err = -EINVAL;
    if (!err && queue != TCOFLUSH) {
        posix_lock(&tty_lock);
        tty_flush(&tty);
        posix_unlock(&tty_lock);
    }
    return (int)posix_result(err);
}

int tcflow(int fd, int action)
{
    int err = terminal(fd);

    return (int)posix_result(!err && (action < TCOOFF || action > TCION) ? -EINVAL : err);
}

int tcsendbreak(int fd, int duration)
{
    (void)duration;
    return (int)posix_result(terminal(fd));
}
