/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/connector.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

/* ---- sockets ---- */

static bool make_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, strlen(path));
    return true;
}

int socket_connect(const struct socket_name *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name->name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

    if (fd < 0)
        return -1;
    memcpy(address.sun_path + name->is_abstract, name->name, length);
    if (connect(fd, (struct sockaddr *)&address,
                name->is_abstract ? (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)
                                  : (socklen_t)sizeof(address)) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* One of the host's addresses. -1 with errno. */
static int connect_to(const struct addrinfo *place)
{
    int fd = socket(place->ai_family, place->ai_socktype | SOCK_CLOEXEC, 0), one = 1, error;

    if (fd < 0)
        return -1;
    if (connect(fd, place->ai_addr, place->ai_addrlen) == 0) {
        /* Keys go at once, and a host that has vanished is noticed. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
        return fd;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

int tcp_connect(const struct address *address, const char **problem)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *places = NULL;
    char port[6];
    int fd = -1, error;

    snprintf(port, sizeof(port), "%u", address->port);
    error = getaddrinfo(address->host, port, &hints, &places);
    if (error != 0) {
        *problem = error == EAI_SYSTEM ? NULL : gai_strerror(error);
        return -1;
    }
    for (const struct addrinfo *place = places; place != NULL && fd < 0; place = place->ai_next)
        fd = connect_to(place);
    error = errno;
    freeaddrinfo(places);
    errno = error;
    return fd;
}

/* A listening socket under a name that the kernel chooses. -1 with a message. */
static int listen_anywhere(struct socket_name *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0 &&
        listen(fd, SOMAXCONN) == 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0) {
        *name = (struct socket_name){.is_abstract = true};
        memcpy(name->name, address.sun_path + 1, length - offsetof(struct sockaddr_un, sun_path) - 1);
        return fd;
    }
    report("cannot listen at a socket: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int socket_listen(const char *path)
{
    struct sockaddr_un address;
    int fd = -1;

    if (make_address(&address, path))
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* The mode before the name is there: nobody else ever gets in. */
    if (fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, SOMAXCONN) == 0)
        return fd;
    report("cannot listen at %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- serial lines ---- */

static void line_lost(void *context)
{
    struct serial_line *line = context;

    if (!line->ends_silently)
        report("the host's line came to its end");
    line->watches.stop = true;
}

/* Hangs up in the end, too, so that nobody waits for answers that cannot come. */
static void *serve(void *argument)
{
    struct serial_line *line = argument;

    watches_run(&line->watches);
    relay_hang_up(line->relay);
    close(line->listener);
    return NULL;
}

int serial_serve(struct serial_line *line, int fd)
{
    int error;

    line->fd = fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    line->listener = listen_anywhere(&line->socket);
    if (line->listener < 0)
        return -1;
    if (watches_open(&line->watches) != 0) {
        close(line->listener);
        return -1;
    }
    line->relay = relay_create(&line->watches, fd, line->listener, line_lost, line);
    error = line->relay != NULL ? pthread_create(&line->thread, NULL, serve, line) : -1;
    if (error == 0)
        return 0;
    if (line->relay != NULL) {
        report("cannot serve the host's line: pthread_create: %s", strerror(error));
        relay_destroy(line->relay);
    }
    watches_close(&line->watches);
    close(line->listener);
    return -1;
}

void serial_close(struct serial_line *line)
{
    relay_stop(line->relay);
    pthread_join(line->thread, NULL);
    relay_destroy(line->relay);
    watches_close(&line->watches);
}

int serial_open(struct serial_line *line, const char *path)
{
    struct termios settings;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        report("cannot open the serial line %s: %s", path, strerror(errno));
        return -1;
    }
    if (tcgetattr(fd, &settings) != 0) {
        report("%s: expected a serial line: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    cfmakeraw(&settings);
    settings.c_cflag |= CLOCAL | CREAD;
    settings.c_cflag &= ~(tcflag_t)(CRTSCTS | CSTOPB);
    cfsetspeed(&settings, B115200);
    if (ioctl(fd, TIOCEXCL) != 0 || tcsetattr(fd, TCSANOW, &settings) != 0) {
        report("cannot set up the serial line %s: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    tcflush(fd, TCIFLUSH);
    if (serial_serve(line, fd) == 0)
        return 0;
    close(fd);
    return -1;
}
