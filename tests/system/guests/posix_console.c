/* SPDX-License-Identifier: MIT */
/*
 * Standard input that is no terminal: exactly the bytes that the desk was given, then the end for good.
 *
 * build: -O2
 * run: name=lines args=lines stdin="first\nsecond\n" out="^2 lines, 13 bytes, end, end$"
 *
 * run: name=bytes args=lines stdin="\x00\x01\x03\x04\x0d\x0a\x11\x13\x16\x1a\x7f" out="^1 lines, 11 bytes,
 * end, end$"
 *
 * Stock Xen passes seven bits of each byte:
 *
 * run: name=utf8 args=lines stdin="\xe4" on=coracle out="^0 lines, 2 bytes, end, end$"
 *
 * run: name=empty args=lines stdin="" out="^0 lines, 0 bytes, end, end$"
 *
 * run: name=poll args=poll stdin="x" out="^done: all$"
 */
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "posix_check.h"

/* Read as a program would, through stdio, byte by byte; each odd byte is shown. */
static int count(void)
{
    int c, lines = 0, bytes = 0;

    while ((c = getchar()) != EOF) {
        bytes++;
        lines += c == '\n';
        if (c < ' ' || c > '~')
            printf("byte %02x\n", (unsigned)c);
    }
    char byte;
    printf("%d lines, %d bytes, %s, %s\n", lines, bytes, feof(stdin) ? "end" : "error",
           read(0, &byte, 1) == 0 ? "end" : "more");
    return finish();
}

static int with_poll(void)
{
    struct pollfd pollfd = {.fd = 0, .events = POLLIN};
    struct termios termios;
    char byte = 0;

    check(poll(&pollfd, 1, 5000) == 1 && pollfd.revents == POLLIN, "poll");
    check(read(0, &byte, 1) == 1 && byte == 'x', "read");
    check(poll(&pollfd, 1, 5000) == 1, "poll at the end");
    check(read(0, &byte, 1) == 0, "the end");
    check(!isatty(0) && errno == ENOTTY, "no terminal");
    check_errno(tcgetattr(0, &termios), ENOTTY, "tcgetattr");
    return finish();
}

int main(int argc, char **argv)
{
    return argc > 1 && !strcmp(argv[1], "poll") ? with_poll() : count();
}
