/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/terminal.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* One process has one controlling terminal, and an exit handler gets no argument. */
static struct termios original;
static int taken_fd = -1;

void terminal_restore(void)
{
    if (taken_fd < 0)
        return;
    tcsetattr(taken_fd, TCSADRAIN, &original);
    taken_fd = -1;
}

void terminal_take(int fd)
{
    struct termios raw;

    if (!isatty(fd) || tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &original) != 0)
        return;
    raw = original;
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR | IGNCR | ISTRIP | BRKINT);
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSADRAIN, &raw) != 0)
        return;
    taken_fd = fd;
    atexit(terminal_restore);
}
