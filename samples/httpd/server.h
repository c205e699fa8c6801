/* SPDX-License-Identifier: MIT */
/* The server: one thread, one epoll, any number of connections. */
#ifndef HTTPD_SERVER_H
#define HTTPD_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct server_options {
    const char *root;      /* folder that is served */
    uint16_t port;         /* 0: any free one */
    unsigned head_seconds; /* for a request's head to come in */
    unsigned idle_seconds; /* between requests */
    unsigned send_seconds; /* without a byte taken by the client */
    bool verbose;          /* a line for each request */
};

#define SERVER_DEFAULTS                                                                                      \
    {                                                                                                        \
        .root = "/", .port = 80, .head_seconds = 10, .idle_seconds = 15, .send_seconds = 30                  \
    }

/* Listens; the port, or -1 with errno. Then serves for ever: returns only when epoll fails. */
int server_listen(const struct server_options *wanted);
int server_run(void);

#endif
