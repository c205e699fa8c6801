/* SPDX-License-Identifier: MIT */
#include "response.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

#define TAG_SIZE 48

/* What a file says about itself. */
struct entity {
    off_t size;
    time_t changed;
    char tag[TAG_SIZE];
    const char *type;
};

__attribute__((format(printf, 2, 3))) static void add(struct response *response, const char *format, ...)
{
    size_t room = sizeof(response->head) - response->head_length;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(response->head + response->head_length, room, format, args);
    va_end(args);
    if (n > 0)
        response->head_length += (size_t)n < room ? (size_t)n : room - 1;
}

static void begin(struct response *response, int status, bool keep_alive)
{
    char date[HTTP_DATE_SIZE];

    response->head_length = 0; /* of the head, that is all: it is large */
    response->status = status;
    response->file = -1;
    response->at = response->end = 0;
    http_date(time(NULL), date);
    add(response, "HTTP/1.1 %d %s\r\nServer: coracle\r\nDate: %s\r\n", status, http_reason(status), date);
    add(response, "Connection: %s\r\n", keep_alive ? "keep-alive" : "close");
}

/* Ends the head and puts a page of a line behind it, which HEAD does not get. */
static void short_page(struct response *response, bool body)
{
    char page[160];
    int length = snprintf(page, sizeof(page), "<!DOCTYPE html><title>%d</title><p>%d %s\n", response->status,
                          response->status, http_reason(response->status));

    add(response, "Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n", length);
    if (body)
        add(response, "%s", page);
}

static void fail(struct response *response, int status, bool keep_alive, bool body)
{
    begin(response, status, keep_alive);
    if (status == 405)
        add(response, "Allow: GET, HEAD\r\n");
    short_page(response, body);
}

void response_error(struct response *response, int status)
{
    fail(response, status, false, true);
}

void response_end(struct response *response)
{
    if (response->file >= 0)
        close(response->file);
    response->file = -1;
}

/* A folder without its "/": relative links would go wrong. */
static void redirect(struct response *response, const char *path, bool keep_alive, bool body)
{
    begin(response, 301, keep_alive);
    add(response, "Location: ");
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;

        if (c > 32 && c < 127 && !strchr("%?#\"<>\\^`{|}", c))
            add(response, "%c", c);
        else
            add(response, "%%%02X", c);
    }
    add(response, "/\r\n");
    short_page(response, body);
}

/* Whether the client has this version already (RFC 9110 13.2.2: tags go before dates). */
static bool unchanged(const struct request *request, const struct entity *entity)
{
    const char *tags = request_field(request, FIELD_IF_NONE_MATCH);
    const char *date = request_field(request, FIELD_IF_MODIFIED_SINCE);
    time_t since;

    if (tags)
        return http_tag_listed(tags, entity->tag);
    return date && http_parse_date(date, &since) && entity->changed <= since;
}

/* The part that was asked for, unless it belongs to another version (If-Range: strong comparison). */
static enum http_range_kind part(const struct request *request, const struct entity *entity,
                                 struct http_range *range)
{
    const char *condition = request_field(request, FIELD_IF_RANGE);
    time_t date;

    if (condition && strcmp(condition, entity->tag) != 0 &&
        !(http_parse_date(condition, &date) && date == entity->changed))
        return HTTP_WHOLE;
    return http_range(request_field(request, FIELD_RANGE), (uint64_t)entity->size, range);
}

static void add_entity(struct response *response, const struct entity *entity)
{
    char date[HTTP_DATE_SIZE];

    http_date(entity->changed, date);
    add(response, "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n", date, entity->tag);
}

static void serve(struct response *response, const struct request *request, int file,
                  const struct entity *entity, bool keep_alive)
{
    bool head = request->parser.method == HTTP_HEAD;
    struct http_range range = {0};
    enum http_range_kind kind = head ? HTTP_WHOLE : part(request, entity, &range);

    if (unchanged(request, entity)) {
        begin(response, 304, keep_alive);
        add_entity(response, entity);
        add(response, "\r\n");
        close(file);
        return;
    }
    if (kind == HTTP_UNSATISFIABLE) {
        begin(response, 416, keep_alive);
        add(response, "Content-Range: bytes */%lld\r\n", (long long)entity->size);
        short_page(response, true);
        close(file);
        return;
    }
    if (kind == HTTP_WHOLE)
        range.last = (uint64_t)entity->size - 1; /* of an empty file: wraps, and is not used */
    begin(response, kind == HTTP_PART ? 206 : 200, keep_alive);
    add_entity(response, entity);
    add(response, "Content-Type: %s\r\n", entity->type);
    if (kind == HTTP_PART)
        add(response, "Content-Range: bytes %llu-%llu/%lld\r\n", (unsigned long long)range.first,
            (unsigned long long)range.last, (long long)entity->size);
    add(response, "Content-Length: %llu\r\n\r\n", (unsigned long long)(range.last + 1 - range.first));
    response->file = file;
    response->at = (off_t)range.first;
    response->end = head ? response->at : (off_t)(range.last + 1);
}

/* Opens what a path means; for a folder its index.html. The file, or minus a status. */
static int open_path(const char *root, const char *path, char *full, size_t size, struct stat *st)
{
    size_t length = strlen(path);
    int file, n = snprintf(full, size, "%s%s%s", root, path, path[length - 1] == '/' ? "index.html" : "");

    if (n < 0 || (size_t)n >= size)
        return -414;
    file = open(full, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG ? -404
               : errno == EACCES                                            ? -403
               : errno == EMFILE || errno == ENFILE || errno == ENOMEM      ? -503
                                                                            : -500;
    if (fstat(file, st) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)))
        return file;
    close(file);
    return -403; /* devices and the like */
}

void response_make(struct response *response, const struct request *request, const char *root,
                   bool keep_alive)
{
    bool body = request->parser.method != HTTP_HEAD;
    char path[HTTP_PATH_MAX], full[HTTP_PATH_MAX + 256];
    struct http_parser_url url;
    struct entity entity;
    struct stat st;
    int file, status = 0;

    http_parser_url_init(&url);
    if (request->parser.method != HTTP_GET && request->parser.method != HTTP_HEAD)
        status = 405;
    else if (http_parser_parse_url(request->text + request->url, request->url_length, 0, &url) ||
             !(url.field_set & (1 << UF_PATH)))
        status = 400;
    if (!status)
        status = http_path(request->text + request->url + url.field_data[UF_PATH].off,
                           url.field_data[UF_PATH].len, path, sizeof(path));
    if (status) {
        fail(response, status, keep_alive, body);
        return;
    }
    file = open_path(root, path, full, sizeof(full), &st);
    if (file < 0) {
        fail(response, -file, keep_alive, body);
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        close(file);
        if (path[strlen(path) - 1] == '/')
            fail(response, 403, keep_alive, body);
        else
            redirect(response, path, keep_alive, body);
        return;
    }
    entity = (struct entity){.size = st.st_size, .changed = st.st_mtime, .type = http_type(full)};
    snprintf(entity.tag, sizeof(entity.tag), "\"%llx-%llx\"", (unsigned long long)st.st_mtime,
             (unsigned long long)st.st_size);
    serve(response, request, file, &entity, keep_alive);
}
