/* SPDX-License-Identifier: MIT */
/* The line discipline; tty.h tells the rules. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "libos/posix/tty.h"

#define TTY_BREAK 0x100u /* with a byte: a canonical read ends after it */
#define TTY_EOF   0x200u /* no byte: a canonical read ends here, an end of file if it has read nothing */

/* What a terminal sends for a letter with the control key. */
#define KEY(letter) ((letter)&0x1f)

void tty_init(struct tty *tty, void (*echo)(const char *text, size_t len))
{
    *tty = (struct tty){.echo = echo, .winsize = {.ws_row = 24, .ws_col = 80}};
    tty->termios = (struct termios){
        .c_iflag = ICRNL | IUTF8,
        .c_oflag = OPOST,
        .c_cflag = CS8 | CREAD | CLOCAL,
        .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .c_cc =
            {
                [VINTR] = KEY('C'),
                [VQUIT] = KEY('\\'),
                [VERASE] = 0x7f,
                [VKILL] = KEY('U'),
                [VEOF] = KEY('D'),
                [VMIN] = 1,
                [VREPRINT] = KEY('R'),
                [VWERASE] = KEY('W'),
                [VLNEXT] = KEY('V'),
            },
        .c_ispeed = B115200,
        .c_ospeed = B115200,
    };
}

static void enqueue(struct tty *tty, uint16_t item)
{
    tty->queue[tty->tail++ % TTY_QUEUE_MAX] = item;
}

bool tty_has_room(const struct tty *tty)
{
    /* A whole line may move into the queue at the next byte. */
    return tty->tail - tty->head + tty->line_len + 2 < TTY_QUEUE_MAX;
}

/* Hands the line that was being typed to readers. Returns where the queue ends then. */
static size_t finish_line(struct tty *tty)
{
    for (size_t i = 0; i < tty->line_len; i++)
        enqueue(tty, tty->line[i]);
    tty->line_len = 0;
    return tty->tail;
}

static bool is_control(uint8_t byte)
{
    return (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f;
}

static void echo_byte(struct tty *tty, uint8_t byte)
{
    char caret[2] = {'^', (char)(byte ^ 0x40)};

    if (!(tty->termios.c_lflag & ECHO) && !(byte == '\n' && (tty->termios.c_lflag & ECHONL)))
        return;
    if (byte == '\n')
        tty->echo("\r\n", 2); /* the desk's terminal may not add the return that the key had */
    else if (is_control(byte) && (tty->termios.c_lflag & ECHOCTL))
        tty->echo(caret, 2);
    else
        tty->echo((const char *)&byte, 1);
}

static void show_line(struct tty *tty)
{
    if (tty->termios.c_lflag & ECHO)
        tty->echo("\r\n", 2);
    for (size_t i = 0; i < tty->line_len; i++)
        echo_byte(tty, tty->line[i]);
}

/* Removes the last character of the line, all bytes of it in UTF-8, and rubs it out on the screen. */
static void erase(struct tty *tty)
{
    uint8_t byte;

    do {
        byte = tty->line[--tty->line_len];
    } while ((tty->termios.c_iflag & IUTF8) && (byte & 0xc0) == 0x80 && tty->line_len);
    if (!(tty->termios.c_lflag & ECHO))
        return;
    if (byte == '\t' || !(tty->termios.c_lflag & ECHOE))
        show_line(tty); /* how wide a tab was depends on the prompt, which only the screen knows */
    else if (is_control(byte) && (tty->termios.c_lflag & ECHOCTL))
        tty->echo("\b\b  \b\b", 6);
    else
        tty->echo("\b \b", 3);
}

static void erase_word(struct tty *tty)
{
    while (tty->line_len && (tty->line[tty->line_len - 1] == ' ' || tty->line[tty->line_len - 1] == '\t'))
        erase(tty);
    while (tty->line_len && tty->line[tty->line_len - 1] != ' ' && tty->line[tty->line_len - 1] != '\t')
        erase(tty);
}

/* A byte that has no meaning left but itself. */
static void add(struct tty *tty, uint8_t byte)
{
    if (!(tty->termios.c_lflag & ICANON)) {
        enqueue(tty, byte);
        echo_byte(tty, byte);
    } else if (tty->line_len < TTY_LINE_MAX) {
        tty->line[tty->line_len++] = byte;
        echo_byte(tty, byte);
    }
}

static bool is_key(const struct tty *tty, int index, uint8_t byte)
{
    return tty->termios.c_cc[index] == byte && byte;
}

/* Keys of canonical mode. False: the byte is data. */
static bool edit(struct tty *tty, uint8_t byte)
{
    if (byte == '\n' || is_key(tty, VEOL, byte)) {
        echo_byte(tty, byte);
        finish_line(tty);
        enqueue(tty, byte | TTY_BREAK);
    } else if (is_key(tty, VEOF, byte)) {
        if (tty->line_len)
            tty->queue[(finish_line(tty) - 1) % TTY_QUEUE_MAX] |= TTY_BREAK;
        else
            enqueue(tty, TTY_EOF);
    } else if (is_key(tty, VERASE, byte) || byte == '\b') {
        if (tty->line_len)
            erase(tty);
    } else if (is_key(tty, VKILL, byte)) {
        while (tty->line_len)
            erase(tty);
    } else if (is_key(tty, VWERASE, byte) && (tty->termios.c_lflag & IEXTEN)) {
        erase_word(tty);
    } else if (is_key(tty, VREPRINT, byte) && (tty->termios.c_lflag & IEXTEN)) {
        show_line(tty);
    } else {
        return false;
    }
    return true;
}

/* The signal of a key, having dropped what was typed before it. */
static int signal_key(struct tty *tty, uint8_t byte)
{
    int signo = is_key(tty, VINTR, byte) ? SIGINT : is_key(tty, VQUIT, byte) ? SIGQUIT : 0;

    if (!signo || !(tty->termios.c_lflag & ISIG))
        return 0;
    echo_byte(tty, byte);
    if (tty->termios.c_lflag & ECHO)
        tty->echo("\r\n", 2);
    if (!(tty->termios.c_lflag & NOFLSH))
        tty_flush(tty);
    return signo;
}

static void pipe_input(struct tty *tty, uint8_t byte)
{
    if (tty->quote) {
        tty->quote = false;
        enqueue(tty, byte);
    } else if (byte == KEY('V')) {
        tty->quote = true;
    } else if (byte == KEY('D')) {
        tty->ended = true;
    } else {
        enqueue(tty, byte);
    }
}

int tty_input(struct tty *tty, uint8_t byte)
{
    tcflag_t in = tty->termios.c_iflag;
    int signo;

    if (tty->ended || !tty_has_room(tty))
        return 0;
    if (tty->pipe) {
        pipe_input(tty, byte);
        return 0;
    }
    if (tty->quote) {
        tty->quote = false;
        add(tty, byte);
        return 0;
    }
    signo = signal_key(tty, byte);
    if (signo)
        return signo;
    if (byte == '\r' && (in & IGNCR))
        return 0;
    if (byte == '\r' && (in & ICRNL))
        byte = '\n';
    else if (byte == '\n' && (in & INLCR))
        byte = '\r';
    if (is_key(tty, VLNEXT, byte) && (tty->termios.c_lflag & IEXTEN))
        tty->quote = true;
    else if (!(tty->termios.c_lflag & ICANON) || !edit(tty, byte))
        add(tty, byte);
    return 0;
}

ssize_t tty_read_now(struct tty *tty, void *buf, size_t len)
{
    bool canonical = !tty->pipe && (tty->termios.c_lflag & ICANON);
    uint8_t *to = buf;
    size_t n = 0;

    if (tty->head == tty->tail)
        return tty->ended ? 0 : -EAGAIN;
    while (n < len && tty->head != tty->tail) {
        uint16_t item = tty->queue[tty->head++ % TTY_QUEUE_MAX];

        if (item & TTY_EOF) {
            if (canonical || !n)
                return (ssize_t)n;
            continue;
        }
        to[n++] = (uint8_t)item;
        if (canonical && (item & TTY_BREAK))
            break;
    }
    return (ssize_t)n;
}

ssize_t tty_read(struct tty *tty, void *buf, size_t len)
{
    size_t min = tty->termios.c_cc[VMIN];
    bool ready;

    if (!tty->pipe && !tty->ended && !(tty->termios.c_lflag & ICANON) &&
        tty_readable(tty, &ready) < (min < len ? min : len))
        return -EAGAIN;
    return tty_read_now(tty, buf, len);
}

size_t tty_readable(const struct tty *tty, bool *ready)
{
    bool canonical = !tty->pipe && (tty->termios.c_lflag & ICANON);
    size_t n = 0;

    *ready = tty->ended || tty->head != tty->tail;
    if (!canonical)
        return tty->tail - tty->head;
    for (size_t i = tty->head; i != tty->tail; i++) {
        uint16_t item = tty->queue[i % TTY_QUEUE_MAX];

        if (item & TTY_EOF)
            break;
        n++;
        if (item & TTY_BREAK)
            break;
    }
    return n;
}

void tty_flush(struct tty *tty)
{
    tty->head = tty->tail;
    tty->line_len = 0;
    tty->quote = false;
}

void tty_set(struct tty *tty, const struct termios *termios, bool flush)
{
    if (flush)
        tty_flush(tty);
    if (!(termios->c_lflag & ICANON))
        finish_line(tty);
    tty->termios = *termios;
}

void tty_output(struct tty *tty, const char *text, size_t len, void (*put)(const char *text, size_t len))
{
    tcflag_t flags = tty->termios.c_oflag;
    size_t done = 0;

    if (!(flags & OPOST) || !(flags & (ONLCR | OCRNL))) {
        put(text, len);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        const char *instead = text[i] == '\n' && (flags & ONLCR)   ? "\r\n"
                              : text[i] == '\r' && (flags & OCRNL) ? "\n"
                                                                   : NULL;
        if (!instead)
            continue;
        if (i > done)
            put(text + done, i - done);
        put(instead, strlen(instead));
        done = i + 1;
    }
    if (len > done)
        put(text + done, len - done);
}
