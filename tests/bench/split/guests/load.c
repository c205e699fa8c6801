/* SPDX-License-Identifier: MIT */
/*
 * load WHAT: makes load through netfront or blkfront and says to the peer at the bridge when it begins and
 * ends (load.h). WHAT: datagrams, stream (to `load serve`), requests (to the httpd sample), disk.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "coracle/block.h"
#include "coracle/clock.h"
#include "tests/bench/split/load.h"

#define ROUNDS      64u
#define WARM        300u
#define DATAGRAMS   1024u
#define SMALL       64u
#define LARGE       1472u
#define BULK        (4u << 20)
#define BLOCK       65536u
#define STREAM_PORT 5001
#define CONNECTIONS 256u

static int peer;
static uint8_t bytes[BLOCK];

static void fail(const char *what)
{
    printf("load: %s (error %d)\n", what, errno);
    exit(1);
}

/* ------------------------------------------------------------------ messages */

static void fill(struct load_message *message, enum load_kind kind, const char *name, uint32_t count)
{
    memset(message, 0, sizeof(*message));
    message->kind = kind;
    message->count = count;
    snprintf(message->name, sizeof(message->name), "%s", name);
}

static void send_message(const struct load_message *message, size_t size)
{
    memcpy(bytes, message, sizeof(*message));
    if (send(peer, bytes, size, 0) != (ssize_t)size) {
        fail("a datagram was not sent");
    }
}

static void say(enum load_kind kind, const char *name, uint32_t count)
{
    struct load_message message;

    fill(&message, kind, name, count);
    send_message(&message, sizeof(message));
}

static void say_value(const char *name, uint64_t value)
{
    struct load_message message;

    fill(&message, LOAD_VALUE, name, 0);
    message.stamp = value;
    send_message(&message, sizeof(message));
}

static int connected(int type, const char *address, unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, type, 0);

    inet_pton(AF_INET, address, &to.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to))) {
        fail("no connection");
    }
    return fd;
}

/* ------------------------------------------------------------------ datagrams */

/* There and back, one at a time; the peer adds up the ways there. */
static uint64_t echo(unsigned rounds, size_t size)
{
    struct load_message message;
    uint64_t back = 0;

    for (unsigned i = 0; i < rounds; i++) {
        fill(&message, LOAD_ECHO, "", 0);
        message.stamp = cor_monotonic_ns();
        send_message(&message, size);
        if (recv(peer, bytes, sizeof(bytes), 0) != (ssize_t)size) {
            fail("an echo did not come back");
        }
        memcpy(&message, bytes, sizeof(message));
        back += cor_monotonic_ns() - message.stamp;
    }
    return back;
}

static void push(const char *name, size_t size)
{
    struct load_message message;

    say(LOAD_BEGIN, name, 0);
    fill(&message, LOAD_SINK, "", 0);
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        send_message(&message, size);
    }
    say(LOAD_END, name, DATAGRAMS);
}

static void pull(const char *name, size_t size)
{
    struct load_message message;

    fill(&message, LOAD_SOURCE, name, DATAGRAMS);
    send_message(&message, size);
    for (unsigned i = 1; i <= DATAGRAMS; i++) {
        if (recv(peer, bytes, sizeof(bytes), 0) != (ssize_t)size) {
            fail("a datagram has another size");
        }
        if (i % LOAD_WINDOW == 0) {
            say(LOAD_CAME, name, DATAGRAMS);
        }
    }
}

static void datagrams(void)
{
    uint64_t back;

    say(LOAD_BEGIN, "net_echo", 0);
    back = echo(ROUNDS, SMALL);
    say(LOAD_END, "net_echo", ROUNDS);
    say_value("net_echo_in", back / ROUNDS);
    push("udp_small_out", SMALL);
    push("udp_large_out", LARGE);
    pull("udp_small_in", SMALL);
    pull("udp_large_in", LARGE);
}

/* ------------------------------------------------------------------ TCP */

static void serve(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(STREAM_PORT)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 4)) {
        fail("cannot listen");
    }
    printf("load: serving\n");
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        size_t got = 0;

        while (got < BULK) {
            ssize_t count = recv(fd, bytes, sizeof(bytes), 0);

            if (count <= 0) {
                fail("a stream ended early");
            }
            got += (size_t)count;
        }
        send(fd, bytes, 1, 0);
        close(fd);
    }
}

static void stream(void)
{
    int fd = connected(SOCK_STREAM, LOAD_SERVER, STREAM_PORT);

    say(LOAD_BEGIN, "tcp_byte", 0);
    for (size_t sent = 0; sent < BULK; sent += BLOCK) {
        if (send(fd, bytes, BLOCK, 0) != (ssize_t)BLOCK) {
            fail("a stream was cut");
        }
    }
    if (recv(fd, bytes, 1, 0) != 1) {
        fail("a stream was not answered");
    }
    say(LOAD_END, "tcp_byte", BULK);
    close(fd);
}

static void read_all(int fd, size_t size)
{
    while (size) {
        ssize_t count = recv(fd, bytes, size < BLOCK ? size : BLOCK, 0);

        if (count <= 0) {
            fail("an answer was cut");
        }
        size -= (size_t)count;
    }
}

/* Reads one answer, which the head's length tells; all of them are as long as the first. */
static void read_answer(int fd)
{
    static size_t whole;
    size_t got = 0;

    while (!whole) {
        ssize_t count = recv(fd, bytes + got, sizeof(bytes) - 1 - got, 0);
        const char *end, *length;

        if (count <= 0) {
            fail("an answer was cut");
        }
        got += (size_t)count;
        bytes[got] = 0;
        end = strstr((char *)bytes, "\r\n\r\n");
        length = strstr((char *)bytes, "Content-Length: ");
        if (end && length) {
            whole = (size_t)(end + 4 - (char *)bytes) + strtoul(length + 16, NULL, 10);
        }
    }
    read_all(fd, whole - got);
}

static void ask(int fd)
{
    static const char request[] = "GET /index.html HTTP/1.1\r\nHost: server\r\n\r\n";

    if (send(fd, request, sizeof(request) - 1, 0) != (ssize_t)sizeof(request) - 1) {
        fail("a request was not sent");
    }
    read_answer(fd);
}

static void requests(void)
{
    int fd = connected(SOCK_STREAM, LOAD_SERVER, 80);

    ask(fd);
    say(LOAD_BEGIN, "http_request", 0);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        ask(fd);
    }
    say(LOAD_END, "http_request", CONNECTIONS);
    close(fd);
    say(LOAD_BEGIN, "connection", 0);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        fd = connected(SOCK_STREAM, LOAD_SERVER, 80);
        ask(fd);
        close(fd);
    }
    say(LOAD_END, "connection", CONNECTIONS);
}

/* ------------------------------------------------------------------ disk */

static void transfer(struct cor_block *disk, const char *name, bool write, size_t unit)
{
    size_t sectors = unit / COR_SECTOR;
    uint8_t *data = calloc(1, unit);

    say(LOAD_BEGIN, name, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int error = write ? cor_block_write(disk, i * sectors, data, sectors)
                          : cor_block_read(disk, i * sectors, data, sectors);

        if (error) {
            fail("the disk says no");
        }
    }
    say(LOAD_END, name, (uint32_t)(ROUNDS * unit / 4096));
    free(data);
}

/* Reads alone, and the sums of the moments when they began and ended. */
static void time_reads(struct cor_block *disk)
{
    uint64_t began = 0, ended = 0, start = cor_monotonic_ns();

    for (unsigned i = 0; i < ROUNDS; i++) {
        began += cor_monotonic_ns() - start;
        if (cor_block_read(disk, 8 * i, bytes, 8)) {
            fail("the disk says no");
        }
        ended += cor_monotonic_ns() - start;
    }
    printf("load: start %lu began %lu ended %lu\n", (unsigned long)start, (unsigned long)began,
           (unsigned long)ended);
}

static void disk(void)
{
    struct cor_block *opened;

    if (cor_block_open("xvda", &opened) || cor_block_read(opened, 0, bytes, BLOCK / COR_SECTOR)) {
        fail("no disk");
    }
    time_reads(opened);
    transfer(opened, "blk_read_4k", false, 4096);
    transfer(opened, "blk_write_4k", true, 4096);
    transfer(opened, "blk_read_bulk", false, 128 << 10);
    transfer(opened, "blk_write_bulk", true, 128 << 10);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } loads[] = {{"datagrams", datagrams}, {"stream", stream}, {"requests", requests}, {"disk", disk}};

    if (argc == 2 && strcmp(argv[1], "serve") == 0) {
        serve();
    }
    for (size_t i = 0; argc == 2 && i < sizeof(loads) / sizeof(loads[0]); i++) {
        if (strcmp(argv[1], loads[i].name) == 0) {
            peer = connected(SOCK_DGRAM, LOAD_PEER, LOAD_PORT);
            echo(WARM, SMALL); /* all pages are there that the rings will use */
            loads[i].run();
            say(LOAD_DONE, "", 0);
            pause(); /* until the domain is destroyed: what was sent is still to be heard */
            return 0;
        }
    }
    return 2;
}
