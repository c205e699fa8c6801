/* SPDX-License-Identifier: MIT */
/* Connections to a host by its address: its socket, its serial line, a network. */
#ifndef TOOLSTACK_LIB_CONNECTOR_H
#define TOOLSTACK_LIB_CONNECTOR_H

#include "toolstack/lib/address.h"
#include "toolstack/lib/relay.h"

#include <pthread.h>
#include <stdbool.h>

#define SOCKET_NAME_MAX 108 /* sun_path of sys/un.h */

/* A socket's address: a path, or a name in no file system, which the kernel makes (unix(7), abstract). */
struct socket_name {
    char name[SOCKET_NAME_MAX];
    bool is_abstract;
};

/* A serial line that is served at a socket by a thread of this process. */
struct serial_line {
    int fd, listener;
    bool ends_silently; /* nobody wants to know when the line has come to its end */
    struct socket_name socket;
    struct watches watches;
    struct relay *relay;
    pthread_t thread;
};

/* Serves the open descriptor fd (made non-blocking here), which stays the caller's. 0, or -1 with a message.
 */
int serial_serve(struct serial_line *line, int fd);
/* Opens the device at path, raw, 115200 baud, for this process alone, and serves it. 0, or -1 with a message.
 */
int serial_open(struct serial_line *line, const char *path);
/* Ends the thread and all connections. */
void serial_close(struct serial_line *line);

/* A connection; -1 with errno. */
int socket_connect(const struct socket_name *name);
/* The same over a network; *problem may say more than errno. */
int tcp_connect(const struct address *address, const char **problem);
/* A socket at path that listens without blocking, for this user alone; -1 with a message. */
int socket_listen(const char *path);

#endif
