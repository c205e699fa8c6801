/* SPDX-License-Identifier: MIT */
/* A request as it comes in: http_parser does the reading, this keeps what the server needs of it. */
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>

#define REQUEST_HEAD_MAX 8192u    /* bytes of URL and fields */
#define REQUEST_BODY_MAX 1048576u /* bytes of a body, which is read and ignored */

/* The fields that the server looks at. */
enum field {
    FIELD_HOST,
    FIELD_RANGE,
    FIELD_IF_RANGE,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_COUNT
};

struct request {
    http_parser parser;
    bool complete, keep_alive;
    bool begun; /* its first byte has come */
    int status; /* not 0: what is wrong with it */
    size_t used, body;
    size_t url, url_length;     /* in text */
    size_t fields[FIELD_COUNT]; /* in text, 0: not given; zero-terminated */
    bool twice;                 /* a field came twice that must not */
    int field;                  /* whose value comes now; -1: none of ours */
    size_t name;                /* length of the name that comes now */
    bool in_value;
    char field_name[32];
    char text[REQUEST_HEAD_MAX + 1];
};

void request_init(struct request *request);

/*
 * Takes bytes up to the end of one request; returns how many. After that `complete` is set, or `status`
 * says what to answer before closing.
 */
size_t request_feed(struct request *request, const char *data, size_t length);

/* A field's value, or NULL. */
const char *request_field(const struct request *request, enum field field);

#endif
