/* SPDX-License-Identifier: MIT */
/* The console's line discipline: keys, echo, modes, and input that is no terminal. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "libos/posix/tty.h"

static struct tty tty;
static char shown[20000];
static size_t shown_len;

static void show(const char *text, size_t len)
{
    memcpy(shown + shown_len, text, len);
    shown_len += len;
    shown[shown_len] = '\0';
}

static int setup(void **state)
{
    (void)state;
    tty_init(&tty, show);
    shown_len = 0;
    shown[0] = '\0';
    return 0;
}

static int type(const char *keys)
{
    int signo = 0;

    for (; *keys; keys++)
        signo = tty_input(&tty, (uint8_t)*keys);
    return signo;
}

static void expect_read(const char *text)
{
    char buf[200] = "";

    assert_int_equal(tty_read(&tty, buf, sizeof(buf)), strlen(text));
    assert_string_equal(buf, text);
}

static void expect_nothing(void)
{
    char buf[8];

    assert_int_equal(tty_read(&tty, buf, sizeof(buf)), -EAGAIN);
}

static void set_flags(tcflag_t off, tcflag_t on)
{
    struct termios termios = tty.termios;

    termios.c_lflag = (termios.c_lflag & ~off) | on;
    tty_set(&tty, &termios, false);
}

static void lines(void **state)
{
    char buf[4];
    bool ready;

    (void)state;
    type("ab");
    expect_nothing();
    type("c\rsecond\nthi");
    assert_int_equal(tty_readable(&tty, &ready), 4);
    expect_read("abc\n");
    assert_int_equal(tty_read(&tty, buf, 4), 4); /* a short read leaves the rest of the line */
    assert_memory_equal(buf, "seco", 4);
    expect_read("nd\n");
    expect_nothing();
    assert_string_equal(shown, "abc\r\nsecond\r\nthi");
}

static void editing(void **state)
{
    (void)state;
    type("abx\x7f"
         "c\bd\n");
    expect_read("abd\n");
    type("one two\x17three\n");
    expect_read("one three\n");
    type("gone\x15kept\n");
    expect_read("kept\n");
    type("\x7f\x17\x15\n");
    expect_read("\n");
    shown_len = 0;
    type("\xc3\xa4\x7f.\n"); /* a letter of two bytes is one character */
    expect_read(".\n");
    assert_string_equal(shown, "\xc3\xa4\b \b.\r\n");
    shown_len = 0;
    type("a\x01\x7f\n");
    expect_read("a\n");
    assert_string_equal(shown, "a^A\b\b  \b\b\r\n");
}

static void end_of_file(void **state)
{
    (void)state;
    type("part\x04");
    expect_read("part");
    expect_nothing();
    type("\x04");
    expect_read("");
    expect_nothing(); /* the user may go on */
    type("more\n\x04");
    expect_read("more\n");
    expect_read("");
    char four[4];
    type("1234\x04");
    assert_int_equal(tty_read(&tty, four, 4), 4);
    expect_nothing(); /* and no end of file is left behind */
}

static void quoting(void **state)
{
    (void)state;
    type("\x16\x04\x16\x03\x16\x16\x16\x7f\n");
    expect_read("\x04\x03\x16\x7f\n");
}

static void signals(void **state)
{
    (void)state;
    assert_int_equal(type("abc\x03"), SIGINT);
    type("d\n");
    expect_read("d\n");
    assert_int_equal(type("\x1c"), SIGQUIT);
    set_flags(ISIG, 0);
    assert_int_equal(type("\x03\n"), 0);
    expect_read("\x03\n");
}

static void raw_mode(void **state)
{
    char buf[8];

    (void)state;
    type("begun");
    set_flags(ICANON | ECHO | ISIG | IEXTEN, 0);
    expect_read("begun");
    type("\x04\x7f\x03\x16");
    expect_read("\x04\x7f\x03\x16");
    tty.termios.c_cc[VMIN] = 3;
    type("ab");
    expect_nothing();
    assert_int_equal(tty_read_now(&tty, buf, 8), 2);
    type("abc");
    assert_int_equal(tty_read(&tty, buf, 2), 2); /* a smaller buffer needs no more than it holds */
    assert_string_equal(shown, "begun");
}

static void long_lines(void **state)
{
    static char buf[TTY_LINE_MAX * 2];

    (void)state;
    set_flags(ECHO, 0);
    for (unsigned i = 0; i < TTY_LINE_MAX + 100; i++)
        tty_input(&tty, 'x');
    type("\n");
    assert_int_equal(tty_read(&tty, buf, sizeof(buf)), TTY_LINE_MAX + 1);
    /* Readers that fall behind: whoever feeds asks for room first, and nothing is lost. */
    size_t fed = 0, got = 0;
    while (got < 100000) {
        while (tty_has_room(&tty))
            tty_input(&tty, ++fed % 10 ? 'y' : '\n');
        ssize_t n = tty_read(&tty, buf, sizeof(buf));
        assert_true(n > 0);
        got += (size_t)n;
    }
    ssize_t n;
    while ((n = tty_read(&tty, buf, sizeof(buf))) > 0)
        got += (size_t)n;
    assert_int_equal(got, fed - fed % 10);
}

/* stdin=pipe: all bytes arrive as they are, and the end is for good. */
static void pipe_is_exact(void **state)
{
    static uint8_t sent[5000], got[6000];
    size_t n = 0;

    (void)state;
    tty.pipe = true;
    srand(4);
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (uint8_t)(i < 256 ? i : (size_t)rand());
        if (sent[i] == 0x04 || sent[i] == 0x16)
            tty_input(&tty, 0x16);
        tty_input(&tty, sent[i]);
    }
    tty_input(&tty, 0x04);
    tty_input(&tty, 'x');
    while (n < sizeof(sent)) {
        ssize_t more = tty_read(&tty, got + n, 999);

        assert_true(more > 0);
        n += (size_t)more;
    }
    assert_int_equal(n, sizeof(sent));
    assert_memory_equal(got, sent, n);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tty_read(&tty, got, 10), 0);
    assert_int_equal(shown_len, 0);
}

static void output(void **state)
{
    struct termios termios = tty.termios;

    (void)state;
    tty_output(&tty, "a\nb\r\n", 5, show);
    assert_string_equal(shown, "a\nb\r\n");
    shown_len = 0;
    termios.c_oflag |= ONLCR;
    tty_set(&tty, &termios, false);
    tty_output(&tty, "a\n\nb", 4, show);
    assert_string_equal(shown, "a\r\n\r\nb");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(lines),    TEST(editing),    TEST(end_of_file),   TEST(quoting), TEST(signals),
        TEST(raw_mode), TEST(long_lines), TEST(pipe_is_exact), TEST(output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
