/* SPDX-License-Identifier: MIT */
/* Options that every family has, and how values pass between a program and the libOS. */
#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include "libos/posix/socket.h"
#include "libos/posix/thread.h"

int option_put(void *value, socklen_t *length, const void *from, socklen_t size)
{
    if (*length > size)
        *length = size;
    memcpy(value, from, *length);
    return 0;
}

int option_put_int(void *value, socklen_t *length, int number)
{
    return option_put(value, length, &number, sizeof(number));
}

int option_take_int(const void *value, socklen_t length, int *number)
{
    if (length < sizeof(*number))
        return -EINVAL;
    memcpy(number, value, sizeof(*number));
    return 0;
}

static int put_timeout(void *value, socklen_t *length, uint64_t ns)
{
    struct timeval time = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000)};

    return option_put(value, length, &time, sizeof(time));
}

static int take_timeout(const void *value, socklen_t length, uint64_t *ns)
{
    struct timeval time;

    if (length < sizeof(time))
        return -EINVAL;
    memcpy(&time, value, sizeof(time));
    if (time.tv_usec < 0 || time.tv_usec >= 1000000)
        return -EDOM;
    if (time.tv_sec < 0)
        *ns = 1; /* over before it begins, as on Linux */
    else if ((uint64_t)time.tv_sec >= UINT64_MAX / NS_PER_S / 2)
        *ns = 0;
    else
        *ns = (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_usec * 1000;
    return 0;
}

int socket_get_common(struct socket *socket, int name, void *value, socklen_t *length)
{
    switch (name) {
    case SO_TYPE:
        return option_put_int(value, length, socket->type);
    case SO_DOMAIN:
        return option_put_int(value, length, socket->family);
    case SO_PROTOCOL:
        return option_put_int(value, length, socket->protocol);
    case SO_RCVTIMEO:
        return put_timeout(value, length, socket->receive_ns);
    case SO_SNDTIMEO:
        return put_timeout(value, length, socket->send_ns);
    case SO_RCVLOWAT:
    case SO_SNDLOWAT:
        return option_put_int(value, length, 1);
    case SO_DEBUG:
    case SO_DONTROUTE:
    case SO_OOBINLINE:
    case SO_PRIORITY:
        return option_put_int(value, length, 0);
    default:
        return -ENOPROTOOPT;
    }
}

int socket_set_common(struct socket *socket, int name, const void *value, socklen_t length)
{
    int number, err;

    switch (name) {
    case SO_RCVTIMEO:
        return take_timeout(value, length, &socket->receive_ns);
    case SO_SNDTIMEO:
        return take_timeout(value, length, &socket->send_ns);
    case SO_RCVLOWAT:
        err = option_take_int(value, length, &number);
        return err ? err : number > 1 ? -ENOPROTOOPT : 0;
    case SO_OOBINLINE: /* urgent data always comes in line */
    case SO_PRIORITY:
        return option_take_int(value, length, &number);
    default:
        return -ENOPROTOOPT;
    }
}
