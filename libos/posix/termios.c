/* SPDX-License-Identifier: MIT */
/* The parts of <termios.h> and of terminals' names that need no terminal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "libos/posix/thread.h"

speed_t cfgetispeed(const struct termios *termios)
{
    return termios->c_ispeed;
}

speed_t cfgetospeed(const struct termios *termios)
{
    return termios->c_ospeed;
}

int cfsetispeed(struct termios *termios, speed_t speed)
{
    termios->c_ispeed = speed;
    return 0;
}

int cfsetospeed(struct termios *termios, speed_t speed)
{
    termios->c_ospeed = speed;
    return 0;
}

void cfmakeraw(struct termios *termios)
{
    termios->c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    termios->c_oflag &= ~(tcflag_t)OPOST;
    termios->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    termios->c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    termios->c_cflag |= CS8;
    termios->c_cc[VMIN] = 1;
    termios->c_cc[VTIME] = 0;
}

int ttyname_r(int fd, char *buf, size_t size)
{
    if (!isatty(fd))
        return errno;
    if (size < sizeof("/dev/console"))
        return ERANGE;
    strcpy(buf, "/dev/console");
    return 0;
}

char *ttyname(int fd)
{
    static char name[] = "/dev/console";

    return isatty(fd) ? name : NULL;
}

char *ctermid(char *buf)
{
    static char name[] = "/dev/tty";

    return buf ? strcpy(buf, name) : name;
}

/* One session with one process group, the program. */
pid_t tcgetsid(int fd)
{
    return isatty(fd) ? getpid() : -1;
}

pid_t tcgetpgrp(int fd)
{
    return isatty(fd) ? getpid() : -1;
}

int tcsetpgrp(int fd, pid_t group)
{
    if (!isatty(fd))
        return -1;
    return (int)posix_result(group == getpid() ? 0 : -EPERM);
}
