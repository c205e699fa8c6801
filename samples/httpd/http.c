/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next character of a URL, decoded; -1 for one that may not be. */
static int decode(const char *url, size_t length, size_t *at)
{
    int c = (unsigned char)url[(*at)++];

    if (c == '%') {
        if (length - *at < 2 || hex(url[*at]) < 0 || hex(url[*at + 1]) < 0)
            return -1;
        c = hex(url[*at]) << 4 | hex(url[*at + 1]);
        *at += 2;
    }
    return c < 32 || c == 127 ? -1 : c;
}

int http_path(const char *url, size_t length, char *path, size_t size)
{
    size_t at = 0, to = 1, part = 1; /* part: where the current one begins */

    if (!length || url[0] != '/')
        return 400;
    path[0] = '/';
    while (at < length) {
        int c = decode(url, length, &at);
        bool ends = c == '/' || at == length;

        if (c < 0)
            return 400;
        if (c != '/') {
            if (to + 2 > size)
                return 414;
            path[to++] = (char)c;
        }
        if (!ends)
            continue;
        if (to - part == 2 && !memcmp(path + part, "..", 2))
            return 400;
        if (to - part == 1 && path[part] == '.')
            to = part;
        else if (c == '/' && to > part)
            path[to++] = '/';
        part = to;
    }
    path[to] = '\0';
    return 0;
}

/* Digits from *text on; false when there are none or too many. */
static bool number(const char **text, uint64_t *value)
{
    const char *start = *text;

    for (*value = 0; isdigit((unsigned char)**text); ++*text) {
        if (*value > (UINT64_MAX - 9) / 10)
            return false;
        *value = *value * 10 + (uint64_t)(**text - '0');
    }
    return *text > start;
}

enum http_range_kind http_range(const char *value, uint64_t size, struct http_range *range)
{
    uint64_t first, last = UINT64_MAX;

    if (!value || strncasecmp(value, "bytes=", 6) != 0)
        return HTTP_WHOLE;
    value += 6;
    if (*value == '-') { /* the last so many bytes */
        value++;
        if (!number(&value, &last) || *value)
            return HTTP_WHOLE;
        if (!last || !size)
            return HTTP_UNSATISFIABLE;
        *range = (struct http_range){.first = last < size ? size - last : 0, .last = size - 1};
        return HTTP_PART;
    }
    if (!number(&value, &first) || *value++ != '-')
        return HTTP_WHOLE;
    if (*value && (!number(&value, &last) || *value || last < first))
        return HTTP_WHOLE;
    if (first >= size)
        return HTTP_UNSATISFIABLE;
    *range = (struct http_range){.first = first, .last = last < size ? last : size - 1};
    return HTTP_PART;
}

const char *http_type(const char *path)
{
    static const struct {
        const char *end, *type;
    } types[] = {{"html", "text/html; charset=utf-8"},
                 {"htm", "text/html; charset=utf-8"},
                 {"css", "text/css; charset=utf-8"},
                 {"js", "text/javascript; charset=utf-8"},
                 {"mjs", "text/javascript; charset=utf-8"},
                 {"txt", "text/plain; charset=utf-8"},
                 {"md", "text/markdown; charset=utf-8"},
                 {"csv", "text/csv; charset=utf-8"},
                 {"json", "application/json"},
                 {"xml", "application/xml"},
                 {"pdf", "application/pdf"},
                 {"wasm", "application/wasm"},
                 {"gz", "application/gzip"},
                 {"zip", "application/zip"},
                 {"tar", "application/x-tar"},
                 {"svg", "image/svg+xml"},
                 {"png", "image/png"},
                 {"jpg", "image/jpeg"},
                 {"jpeg", "image/jpeg"},
                 {"gif", "image/gif"},
                 {"webp", "image/webp"},
                 {"avif", "image/avif"},
                 {"ico", "image/vnd.microsoft.icon"},
                 {"woff", "font/woff"},
                 {"woff2", "font/woff2"},
                 {"ttf", "font/ttf"},
                 {"mp3", "audio/mpeg"},
                 {"ogg", "audio/ogg"},
                 {"wav", "audio/wav"},
                 {"mp4", "video/mp4"},
                 {"webm", "video/webm"}};
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');

    for (size_t i = 0; dot && (!slash || dot > slash) && i < sizeof(types) / sizeof(types[0]); i++) {
        if (!strcasecmp(dot + 1, types[i].end))
            return types[i].type;
    }
    return "application/octet-stream";
}

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void http_date(time_t when, char text[HTTP_DATE_SIZE])
{
    struct tm tm;

    gmtime_r(&when, &tm);
    snprintf(text, HTTP_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday % 100,
             months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100,
             tm.tm_sec % 100);
}

/* Days from 1970-01-01 to a day of the Gregorian calendar (month 1 to 12). */
static int64_t days_since_1970(int64_t year, int month, int day)
{
    int64_t era, day_of_year;

    year -= month <= 2; /* the year begins with March: a leap day is its last */
    era = year / 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    year -= era * 400;
    return era * 146097 + year * 365 + year / 4 - year / 100 + day_of_year - 719468;
}

bool http_parse_date(const char *text, time_t *when)
{
    int day, year, hour, minute, second, month = 0, end = 0;
    char name[4];

    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, name, &year, &hour, &minute,
               &second, &end) == 6 &&
        end) {
        /* RFC 1123 */
    } else if (sscanf(text, "%*[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &day, name, &year, &hour,
                      &minute, &second, &end) == 6 &&
               end) {
        year += year < 70 ? 2000 : 1900; /* RFC 850 */
    } else if (sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", name, &day, &hour, &minute,
                      &second, &year, &end) != 6 ||
               !end) {
        return false; /* nor asctime's */
    }
    while (month < 12 && strcmp(months[month], name) != 0)
        month++;
    if (text[end] || month == 12 || day < 1 || day > 31 || year < 1900 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    *when = (time_t)(days_since_1970(year, month + 1, day) * 86400 + hour * 3600 + minute * 60 + second);
    return true;
}

bool http_tag_listed(const char *list, const char *tag)
{
    size_t length = strlen(tag);

    for (;;) {
        list += strspn(list, " \t,");
        if (*list == '*')
            return true;
        if (!strncmp(list, "W/", 2))
            list += 2;
        if (!strncmp(list, tag, length) && (!list[length] || strchr(" \t,", list[length])))
            return true;
        if (*list != '"' || !(list = strchr(list + 1, '"')))
            return false;
        list++;
    }
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {206, "Partial Content"},
                   {301, "Moved Permanently"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {413, "Content Too Large"},
                   {414, "URI Too Long"},
                   {416, "Range Not Satisfiable"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}
