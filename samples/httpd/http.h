/* SPDX-License-Identifier: MIT */
/*
 * What HTTP says (RFC 9110) and needs no connection: paths, ranges, dates, types. The host's unit tests
 * know it.
 */
#ifndef HTTPD_HTTP_H
#define HTTPD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define HTTP_PATH_MAX 4096

/*
 * The file that the path of a URL (without its query) means, below the root: decoded, without "." and
 * empty parts, beginning with "/"; a final "/" stays. 0, or the status to answer: 400 for bad escapes,
 * control characters and every "..", 414 when it does not fit.
 */
int http_path(const char *url, size_t length, char *path, size_t size);

struct http_range {
    uint64_t first, last; /* both included */
};

enum http_range_kind {
    HTTP_WHOLE,         /* no range, several, or none that is understood: the whole file */
    HTTP_PART,          /* *range */
    HTTP_UNSATISFIABLE, /* 416 */
};

/* The value of a Range field against a file of size bytes. */
enum http_range_kind http_range(const char *value, uint64_t size, struct http_range *range);

/* Media type by the end of a path. */
const char *http_type(const char *path);

#define HTTP_DATE_SIZE 30

/* A date as HTTP writes it, and back (all three forms that RFC 9110 5.6.7 knows). */
void http_date(time_t when, char text[HTTP_DATE_SIZE]);
bool http_parse_date(const char *text, time_t *when);

/* True when a list of entity tags (If-None-Match) has this one, by weak comparison; "*" has every one. */
bool http_tag_listed(const char *list, const char *tag);

const char *http_reason(int status);

#endif
