/* SPDX-License-Identifier: MIT */
/* The answer to a request: a head, and a part of a file or a short text. */
#ifndef HTTPD_RESPONSE_H
#define HTTPD_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "request.h"

struct response {
    char head[1024 + REQUEST_HEAD_MAX * 3]; /* a redirection repeats the path, escaped */
    size_t head_length;                     /* with a short text behind the head */
    int status;
    int file; /* -1: none; the response owns it */
    off_t at, end;
};

/* Answers a complete request from the files below root; keep_alive: whether the connection stays. */
void response_make(struct response *response, const struct request *request, const char *root,
                   bool keep_alive);

/* Answers with a status alone; the connection closes after it. */
void response_error(struct response *response, int status);

/* Gives the file back. */
void response_end(struct response *response);

#endif
