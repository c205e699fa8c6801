/* SPDX-License-Identifier: MIT */
/*
 * The same load again and again over the loopback: 10,000 connections one after the other, twice, then
 * 1,000 at once, then all of it again. Each gives the same result, and memory does not grow from one time
 * to the next.
 *
 * build: -O2 -pthread -D_GNU_SOURCE
 * run: memory=128M timeout=240 out="^done: all$"
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coracle/mem.h"
#include "posix_check.h"

#define SEQUENCE 10000
#define AT_ONCE  1000

static const struct sockaddr_in address = {
    .sin_family = AF_INET, .sin_port = 0x5000, .sin_addr.s_addr = 0x0100007f}; /* 127.0.0.1:80 */

/* Answers what it reads, in one thread, for all connections. */
static void *serve(void *argument)
{
    int listener = *(int *)argument, epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];

    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            char text[16];
            ssize_t n;

            if (fd == listener) {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
                    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                }
                continue;
            }
            n = read(fd, text, sizeof(text));
            if (n <= 0 || write(fd, text, (size_t)n) != n)
                close(fd);
        }
    }
    return NULL;
}

static int connect_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
        printf("# connect: %s\n", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

/* One question, one answer. */
static int talk(int fd, int number)
{
    int answer = -1;

    return write(fd, &number, sizeof(number)) == sizeof(number) &&
           read(fd, &answer, sizeof(answer)) == sizeof(answer) && answer == number;
}

static int one_by_one(void)
{
    int good = 0;

    for (int i = 0; i < SEQUENCE; i++) {
        int fd = connect_one();

        good += fd >= 0 && talk(fd, i);
        close(fd);
    }
    return good;
}

static int all_at_once(void)
{
    static int fds[AT_ONCE];
    int good = 0;

    for (int i = 0; i < AT_ONCE; i++)
        fds[i] = connect_one();
    for (int i = 0; i < AT_ONCE; i++)
        good += fds[i] >= 0 && talk(fds[i], i);
    for (int i = 0; i < AT_ONCE; i++)
        good += talk(fds[i], -i);
    for (int i = 0; i < AT_ONCE; i++)
        close(fds[i]);
    return good;
}

int main(void)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    size_t before = 0, after;
    pthread_t server;
    int fd;

    setvbuf(stdout, NULL, _IOLBF, 0);
    check(bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
              listen(listener, 2000) == 0,
          "listen");
    pthread_create(&server, NULL, serve, &listener);
    for (int round = 0; round < 2; round++) {
        check(one_by_one() == SEQUENCE, "connections one after the other");
        check(one_by_one() == SEQUENCE, "again");
        check(all_at_once() == 2 * AT_ONCE, "1,000 at once");
        after = cor_pages_free();
        /* Not to the page: connections in TIME_WAIT and the heap's fragments differ a little. */
        check(round == 0 || after + 256 >= before, "memory is where it was");
        printf("# free: %zu pages\n", after);
        before = after;
    }
    fd = connect_one();
    check(fd >= 0 && talk(fd, 7), "and it still serves");
    return finish();
}
