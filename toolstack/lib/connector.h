/* SPDX-License-Identifier: MIT */
/* Connections to a host by its address: its socket, or its serial line. */
#ifndef TOOLSTACK_LIB_CONNECTOR_H
#define TOOLSTACK_LIB_CONNECTOR_H

#include "toolstack/lib/address.h"
#include "toolstack/lib/relay.h"

#include <pthread.h>

/* A serial line that is served by a thread of this process. */
struct serial_line {
    int fd;
    struct watches watches;
    struct relay *relay;
    pthread_t thread;
};

/* Serves the open descriptor fd (made non-blocking here), which stays the caller's. 0, or -1 with a message. */
int serial_serve(struct serial_line *line, int fd);
/* Opens the device at path, raw, 115200 baud, for this process alone, and serves it. 0, or -1 with a message. */
int serial_open(struct serial_line *line, const char *path);
/* Ends the thread and all connections. */
void serial_close(struct serial_line *line);

/* A connection to the socket at path; -1 with errno. */
int socket_connect(const char *path);
/* A socket at path that listens without blocking, for this user alone; -1 with a message. */
int socket_listen(const char *path);

#endif
