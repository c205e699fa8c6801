/* SPDX-License-Identifier: MIT */
/*
 * samples/httpd and a client of its own in one image: the server runs in a thread, questions come over
 * the loopback. Its root is tests/system/httpd/site.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server.h"
#include "../guests/posix_check.h"

static int port;
static char answer[400000]; /* of the last question */
static size_t answer_size;

static void *serve(void *unused)
{
    server_run();
    return unused;
}

static int open_connection(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval time = {.tv_sec = PATIENCE_MS / 1000};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd;
}

/* Reads to the end of the stream. */
static void read_all(int fd)
{
    ssize_t n;

    answer_size = 0;
    while ((n = recv(fd, answer + answer_size, sizeof(answer) - 1 - answer_size, 0)) > 0)
        answer_size += (size_t)n;
    answer[answer_size] = '\0';
    close(fd);
}

/* Sends a question that closes the connection; the answer's status. */
static int ask(const char *method, const char *path, const char *fields)
{
    char text[2048];
    int fd = open_connection();

    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: box\r\n%sConnection: close\r\n\r\n", method, path,
             fields);
    send(fd, text, strlen(text), 0);
    read_all(fd);
    return strncmp(answer, "HTTP/1.1 ", 9) ? -1 : atoi(answer + 9);
}

static int has(const char *text)
{
    return strstr(answer, text) != NULL;
}

static int body_is(const char *text)
{
    const char *body = strstr(answer, "\r\n\r\n");

    return body && !strcmp(body + 4, text);
}

static void test_files(void)
{
    check(ask("GET", "/digits.txt", "") == 200 && body_is("0123456789abcdef\n"), "a file");
    check(has("\r\nContent-Length: 17\r\n") && has("\r\nContent-Type: text/plain; charset=utf-8\r\n"),
          "its fields");
    check(has("\r\nDate: ") && has("\r\nLast-Modified: ") && has("\r\nETag: \"") &&
              has("\r\nAccept-Ranges: bytes\r\n"),
          "and more of them");
    check(ask("HEAD", "/digits.txt", "") == 200 && has("\r\nContent-Length: 17\r\n") && body_is(""), "HEAD");
    check(ask("GET", "/", "") == 200 && body_is("home\n"), "the index");
    check(ask("GET", "/folder/", "") == 200 && body_is("inside\n"), "a folder's index");
    check(ask("GET", "/folder", "") == 301 && has("\r\nLocation: /folder/\r\n"),
          "a folder without its slash");
    check(ask("GET", "/empty/", "") == 404, "a folder without an index");
    check(ask("GET", "/nothing", "") == 404 && ask("GET", "/digits.txt/more", "") == 404, "no such file");
    check(ask("HEAD", "/nothing", "") == 404 && body_is(""), "HEAD of nothing");
    check(ask("GET", "/digits.txt?query", "") == 200, "a query");
    check(ask("GET", "http://box/digits.txt", "") == 200, "an absolute URL");
    check(ask("POST", "/digits.txt", "Content-Length: 0\r\n") == 405 && has("\r\nAllow: GET, HEAD\r\n"),
          "POST");
    check(ask("GET", "/../digits.txt", "") == 400 && ask("GET", "/%2e%2e/x", "") == 400, "above the root");
    check(ask("GET", "/dev/console", "") == 403, "a device");
}

static void test_parts(void)
{
    char tag[128], field[256];
    const char *start;

    check(ask("GET", "/digits.txt", "Range: bytes=2-4\r\n") == 206 && body_is("234"), "a range");
    check(has("\r\nContent-Range: bytes 2-4/17\r\n") && has("\r\nContent-Length: 3\r\n"), "its fields");
    check(ask("GET", "/digits.txt", "Range: bytes=-3\r\n") == 206 && body_is("ef\n"), "the last bytes");
    check(ask("GET", "/digits.txt", "Range: bytes=17-\r\n") == 416 &&
              has("\r\nContent-Range: bytes */17\r\n"),
          "416");
    check(ask("GET", "/digits.txt", "Range: bytes=1-2,4-5\r\n") == 200, "several ranges: the whole");
    ask("GET", "/digits.txt", "");
    start = strstr(answer, "ETag: ");
    sscanf(start ? start : "", "ETag: %127[^\r]", tag);
    snprintf(field, sizeof(field), "If-None-Match: %s\r\n", tag);
    check(ask("GET", "/digits.txt", field) == 304 && body_is("") && !has("Content-Length"), "If-None-Match");
    check(ask("GET", "/digits.txt", "If-None-Match: \"other\"\r\n") == 200, "another tag");
    start = strstr(answer, "Last-Modified: ");
    sscanf(start ? start : "", "Last-Modified: %127[^\r]", tag);
    snprintf(field, sizeof(field), "If-Modified-Since: %s\r\n", tag);
    check(ask("GET", "/digits.txt", field) == 304, "If-Modified-Since");
    check(ask("GET", "/digits.txt", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n") == 200,
          "changed since");
    check(ask("GET", "/digits.txt", "Range: bytes=0-0\r\nIf-Range: \"other\"\r\n") == 200,
          "If-Range: another version");
}

static void test_connections(void)
{
    static const char one[] = "GET /digits.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char last[] = "GET /folder/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    int fd = open_connection(), count = 0;
    char text[512];

    for (int i = 0; i < 3; i++) {
        send(fd, one, strlen(one), 0);
        count += recv(fd, text, sizeof(text), 0) > 100;
    }
    check(count == 3, "three requests on one connection");
    snprintf(text, sizeof(text), "%s%s%s", one, one, last);
    for (const char *c = text; *c; c++)
        send(fd, c, 1, 0);
    read_all(fd);
    count = 0;
    for (const char *c = answer; (c = strstr(c, "HTTP/1.1 200 OK")); c++)
        count++;
    check(count == 3 && has("0123456789abcdef\nHTTP/1.1") && body_is("0123456789abcdef\n") == 0 &&
              !strcmp(answer + answer_size - 7, "inside\n"),
          "pipelined, byte by byte");
    fd = open_connection();
    send(fd, "nonsense\r\n\r\n", 12, 0);
    read_all(fd);
    check(!strncmp(answer, "HTTP/1.1 400 ", 13) && has("\r\nConnection: close\r\n"), "nonsense");
    fd = open_connection();
    send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0);
    read_all(fd);
    check(!strncmp(answer, "HTTP/1.1 200 ", 13), "HTTP/1.0 closes");
}

static void test_timeouts(void)
{
    int fd = open_connection();

    send(fd, "GET / HT", 8, 0);
    read_all(fd);
    check(!strncmp(answer, "HTTP/1.1 408 ", 13), "a head that does not come: 408");
    /* On a machine that was away for so long this head, too, may come too late. */
    for (int i = 0; i < 20 && !strncmp(answer, "HTTP/1.1 408 ", 13); i++) {
        fd = open_connection();
        send(fd, "GET /digits.txt HTTP/1.1\r\nHost: a\r\n\r\n", 37, 0);
        read_all(fd);
    }
    check(!strncmp(answer, "HTTP/1.1 200 ", 13) && body_is("0123456789abcdef\n"),
          "an idle connection is closed");
}

/* A large file to many slow readers at once, all of it right. */
static void test_many(void)
{
    enum { CLIENTS = 300, SIZE = 300000 };
    static char bytes[SIZE];
    static int fds[CLIENTS];
    int file = open("/tmp/large", O_CREAT | O_WRONLY, 0600), good = 0;

    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31 >> 3);
    write(file, bytes, SIZE);
    close(file);
    for (int i = 0; i < CLIENTS; i++) {
        static const char question[] = "GET /tmp/large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

        fds[i] = open_connection();
        send(fds[i], question, strlen(question), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        const char *body;

        read_all(fds[i]);
        body = strstr(answer, "\r\n\r\n");
        good += body && answer + answer_size - body - 4 == SIZE && !memcmp(body + 4, bytes, SIZE);
    }
    check(good == CLIENTS, "a large file to 300 clients");
}

/*
 * With an argument: what becomes of connections that take too long. Without: all else, and nothing is too
 * long.
 */
int main(int argc, char **argv)
{
    unsigned limit = argc > 1 ? 1 : PATIENCE_MS / 1000;
    struct server_options options = {
        .root = "/", .head_seconds = limit, .idle_seconds = limit, .send_seconds = limit};
    pthread_t thread;

    (void)argv;

    setvbuf(stdout, NULL, _IOLBF, 0);
    port = server_listen(&options);
    check(port > 0, "listen");
    pthread_create(&thread, NULL, serve, NULL);
    if (argc > 1) {
        test_timeouts();
        return finish();
    }
    test_files();
    test_parts();
    test_connections();
    test_many();
    return finish();
}
