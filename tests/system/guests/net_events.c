/* SPDX-License-Identifier: MIT */
/*
 * select, poll, epoll and eventfd over sockets, pipes and the console mixed.
 *
 * build: -O2 -pthread -D_GNU_SOURCE
 * run: memory=64M out="^done: all$"
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "posix_check.h"

static int connected(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof(address);

    bind(listener, (struct sockaddr *)&address, sizeof(address));
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&address, &length);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    connect(ends[0], (struct sockaddr *)&address, sizeof(address));
    ends[1] = accept(listener, NULL, NULL);
    close(listener);
    return ends[1];
}

static int add(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The events that epoll reports for fd within a time, 0 for none; all others are ignored. */
static uint32_t wait_for(int epoll, int fd, int timeout)
{
    struct epoll_event events[16];
    int n = epoll_wait(epoll, events, 16, timeout);

    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == fd)
            return events[i].events;
    }
    return 0;
}

static void test_levels(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), ends[2], pipes[2];
    struct epoll_event event;
    char text[16];

    connected(ends);
    pipe(pipes);
    check(add(epoll, ends[0], EPOLLIN) == 0 && add(epoll, pipes[0], EPOLLIN) == 0, "add a socket and a pipe");
    check(epoll_wait(epoll, &event, 1, 0) == 0, "nothing is ready");
    write(ends[1], "abc", 3);
    check(wait_for(epoll, ends[0], PATIENCE_MS) == EPOLLIN, "the socket is");
    check(wait_for(epoll, ends[0], 0) == EPOLLIN, "and stays so");
    read(ends[0], text, 2);
    check(wait_for(epoll, ends[0], 0) == EPOLLIN, "while something is left");
    read(ends[0], text, 2);
    check(wait_for(epoll, ends[0], 0) == 0, "then no longer");
    write(pipes[1], "x", 1);
    check(wait_for(epoll, pipes[0], 0) == EPOLLIN, "the pipe is");
    event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.fd = 777};
    check(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event) == 0 && wait_for(epoll, 777, 0) == EPOLLOUT,
          "modify");
    check(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL) == 0 && wait_for(epoll, 777, 0) == 0, "delete");
    read(pipes[0], text, 1);
    check(add(epoll, ends[0], EPOLLIN | EPOLLRDHUP) == 0, "add again");
    shutdown(ends[1], SHUT_WR);
    check(wait_for(epoll, ends[0], PATIENCE_MS) == (EPOLLIN | EPOLLRDHUP), "EPOLLRDHUP");
    shutdown(ends[0], SHUT_WR);
    check(wait_for(epoll, ends[0], PATIENCE_MS) & EPOLLHUP, "EPOLLHUP without being asked for");
    close(pipes[1]);
    check(wait_for(epoll, pipes[0], 0) == EPOLLHUP, "the pipe's writer has gone");
    close(ends[0]);
    close(pipes[0]);
    check(epoll_wait(epoll, &event, 1, 0) == 0, "closed files are forgotten");
    close(ends[1]);
    close(epoll);
}

static void test_edges(void)
{
    int epoll = epoll_create1(0), ends[2], copy;
    struct epoll_event event;
    char text[16];

    connected(ends);
    add(epoll, ends[0], EPOLLIN | EPOLLET);
    write(ends[1], "abc", 3);
    check(wait_for(epoll, ends[0], PATIENCE_MS) == EPOLLIN, "an edge");
    check(wait_for(epoll, ends[0], 20) == 0, "is told once");
    read(ends[0], text, 1);
    check(wait_for(epoll, ends[0], 20) == 0, "reading is no edge");
    write(ends[1], "d", 1);
    check(wait_for(epoll, ends[0], PATIENCE_MS) == EPOLLIN, "more bytes are");
    read(ends[0], text, sizeof(text));
    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.fd = ends[0]};
    epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event);
    write(ends[1], "e", 1);
    check(wait_for(epoll, ends[0], PATIENCE_MS) == EPOLLIN && wait_for(epoll, ends[0], 20) == 0,
          "EPOLLONESHOT");
    write(ends[1], "f", 1);
    check(wait_for(epoll, ends[0], 20) == 0, "is silent");
    epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event);
    check(wait_for(epoll, ends[0], PATIENCE_MS) == EPOLLIN, "until armed again");
    /* A watch belongs to the open file: it lives while a copy of the descriptor does. */
    copy = dup(ends[0]);
    event.events = EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event);
    close(ends[0]);
    check(epoll_wait(epoll, &event, 1, 20) == 1, "a copy keeps the watch");
    close(copy);
    check(epoll_wait(epoll, &event, 1, 0) == 0, "and takes it along");
    close(ends[1]);
    close(epoll);
}

static void test_epoll_errors(void)
{
    int epoll = epoll_create1(0), other = epoll_create1(0), third = epoll_create1(0), ends[2], pipes[2];
    struct epoll_event event = {.events = EPOLLIN};
    int file = open("/tmp/file", O_RDWR | O_CREAT, 0600);

    connected(ends);
    pipe(pipes);
    check_errno(epoll_create(0), EINVAL, "epoll_create: size");
    check_errno(epoll_create1(1), EINVAL, "epoll_create1: flags");
    check_errno(add(epoll, 999, EPOLLIN), EBADF, "no descriptor");
    check_errno(add(ends[0], ends[1], EPOLLIN), EINVAL, "no epoll");
    check_errno(add(epoll, epoll, EPOLLIN), EINVAL, "itself");
    check_errno(add(epoll, file, EPOLLIN), EPERM, "a file");
    check(add(epoll, ends[0], EPOLLIN) == 0, "add");
    check_errno(add(epoll, ends[0], EPOLLIN), EEXIST, "add twice");
    check_errno(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], &event), ENOENT, "delete what is not there");
    check_errno(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[1], &event), ENOENT, "modify what is not there");
    check_errno(epoll_ctl(epoll, 9, ends[1], &event), EINVAL, "operation");
    check_errno(epoll_wait(epoll, &event, 0, 0), EINVAL, "no room for events");
    check_errno(epoll_wait(ends[0], &event, 1, 0), EINVAL, "wait for a socket");
    check(add(other, pipes[0], EPOLLIN) == 0 && add(third, other, EPOLLIN) == 0, "an epoll in another");
    check_errno(add(other, third, EPOLLIN), ELOOP, "and around");
    check(epoll_wait(third, &event, 1, 0) == 0, "the inner one is not ready");
    write(pipes[1], "x", 1);
    check(wait_for(third, other, 0) == EPOLLIN, "the inner one is ready");
    close(file);
    close(epoll);
    close(other);
    close(third);
    close(ends[0]);
    close(ends[1]);
    close(pipes[0]);
    close(pipes[1]);
}

static int later_fd;

static void *write_later(void *text)
{
    usleep(30000);
    write(later_fd, text, 8);
    return NULL;
}

static void test_eventfd(void)
{
    int fd = eventfd(3, EFD_NONBLOCK), semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK),
        waiting = eventfd(0, 0);
    uint64_t one = 1, most = UINT64_MAX - 1;
    eventfd_t value;
    pthread_t thread;

    check(eventfd_read(fd, &value) == 0 && value == 3, "eventfd");
    check_errno(eventfd_read(fd, &value), EAGAIN, "empty");
    check(eventfd_write(fd, 4) == 0 && eventfd_write(fd, 5) == 0 && eventfd_read(fd, &value) == 0 &&
              value == 9,
          "adds up");
    check(eventfd_write(fd, most) == 0, "the most");
    check_errno(eventfd_write(fd, 1), EAGAIN, "full");
    check_errno(eventfd_write(fd, UINT64_MAX), EINVAL, "too much");
    check_errno(read(fd, &value, 4), EINVAL, "short read");
    check(eventfd_read(semaphore, &value) == 0 && value == 1 && eventfd_read(semaphore, &value) == 0 &&
              value == 1,
          "EFD_SEMAPHORE");
    check_errno(eventfd_read(semaphore, &value), EAGAIN, "empty");
    later_fd = waiting;
    pthread_create(&thread, NULL, write_later, &one);
    check(eventfd_read(waiting, &value) == 0 && value == 1, "waits");
    pthread_join(thread, NULL);
    close(fd);
    close(semaphore);
    close(waiting);
}

static void test_poll_and_select(void)
{
    int ends[2], pipes[2], counter = eventfd(0, 0);
    struct timeval none = {0}, while_ = {.tv_sec = PATIENCE_MS / 1000};
    struct timespec while_ns = {.tv_sec = PATIENCE_MS / 1000};
    struct pollfd fds[4];
    fd_set reads, writes;
    pthread_t thread;
    char text[8] = "1234567";

    connected(ends);
    pipe(pipes);
    fds[0] = (struct pollfd){.fd = ends[0], .events = POLLIN | POLLOUT};
    fds[1] = (struct pollfd){.fd = pipes[0], .events = POLLIN};
    fds[2] = (struct pollfd){.fd = counter, .events = POLLIN};
    fds[3] = (struct pollfd){.fd = 0, .events = 0};
    check(poll(fds, 4, 0) == 1 && fds[0].revents == POLLOUT, "poll: only the socket takes bytes");
    fds[0].events = POLLIN;
    check(poll(fds, 4, 10) == 0, "nothing to read");
    later_fd = pipes[1];
    pthread_create(&thread, NULL, write_later, text);
    check(poll(fds, 4, PATIENCE_MS) == 1 && fds[1].revents == POLLIN, "the pipe, later");
    pthread_join(thread, NULL);
    read(pipes[0], text, 8);
    later_fd = ends[1];
    pthread_create(&thread, NULL, write_later, text);
    check(ppoll(fds, 4, &while_ns, NULL) == 1 && fds[0].revents == POLLIN, "the socket, later");
    pthread_join(thread, NULL);
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_SET(ends[0], &reads);
    FD_SET(pipes[0], &reads);
    FD_SET(counter, &writes);
    check(select(64, &reads, &writes, NULL, &none) == 2 && FD_ISSET(ends[0], &reads) &&
              !FD_ISSET(pipes[0], &reads) && FD_ISSET(counter, &writes),
          "select");
    read(ends[0], text, 8);
    FD_ZERO(&reads);
    FD_SET(counter, &reads);
    FD_SET(ends[0], &reads);
    *(uint64_t *)text = 1;
    later_fd = counter;
    pthread_create(&thread, NULL, write_later, text);
    check(select(64, &reads, NULL, NULL, &while_) == 1 && FD_ISSET(counter, &reads), "select waits");
    pthread_join(thread, NULL);
    close(ends[0]);
    close(ends[1]);
    close(pipes[0]);
    close(pipes[1]);
    close(counter);
}

/* Many descriptors, few of them ready, several threads that wait. */
#define MANY 200

static int many_epoll, many_pipes[MANY][2];
static volatile int taken[MANY];

static void *take_many(void *unused)
{
    struct epoll_event events[8];

    (void)unused;
    for (;;) {
        int n = epoll_wait(many_epoll, events, 8, 2000);

        if (n <= 0)
            return NULL;
        for (int i = 0; i < n; i++) {
            char byte;

            if (events[i].data.u32 == MANY)
                return NULL;
            if (read(many_pipes[events[i].data.u32][0], &byte, 1) == 1)
                __atomic_fetch_add(&taken[events[i].data.u32], 1, __ATOMIC_RELAXED);
        }
    }
}

static void test_many(void)
{
    pthread_t threads[4];
    int good = 1, stop = eventfd(1, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = MANY};

    many_epoll = epoll_create1(0);
    for (uint32_t i = 0; i < MANY; i++) {
        struct epoll_event each = {.events = EPOLLIN | EPOLLET, .data.u32 = i};

        pipe2(many_pipes[i], O_NONBLOCK);
        epoll_ctl(many_epoll, EPOLL_CTL_ADD, many_pipes[i][0], &each);
    }
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, take_many, NULL);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < MANY; i += 3)
            write(many_pipes[i][1], "x", 1);
        for (int i = 0; i < MANY; i += 3) {
            for (int tries = 0; tries < PATIENCE_MS && taken[i] != round + 1; tries++)
                usleep(1000);
            good &= taken[i] == round + 1;
        }
    }
    check(good, "each byte is taken once, by some thread");
    epoll_ctl(many_epoll, EPOLL_CTL_ADD, stop, &event);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    check(taken[1] == 0 && taken[199] == 0, "nothing else");
    for (int i = 0; i < MANY; i++) {
        close(many_pipes[i][0]);
        close(many_pipes[i][1]);
    }
    close(stop);
    close(many_epoll);
}

static void on_alarm(int signo)
{
    (void)signo;
}

static void test_signals(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {.it_value.tv_usec = 20000};
    int epoll = epoll_create1(0), ends[2];
    struct epoll_event event;
    char byte;

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    check_errno(epoll_wait(epoll, &event, 1, -1), EINTR, "a signal ends epoll_wait");
    connected(ends);
    setitimer(ITIMER_REAL, &timer, NULL);
    check_errno(read(ends[0], &byte, 1), EINTR, "and recv");
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    later_fd = ends[1];
    setitimer(ITIMER_REAL, &timer, NULL);
    {
        pthread_t thread;
        char text[8] = "restart";

        pthread_create(&thread, NULL, write_later, text);
        check(read(ends[0], &byte, 1) == 1, "but not with SA_RESTART");
        pthread_join(thread, NULL);
    }
    close(ends[0]);
    close(ends[1]);
    close(epoll);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_levels();
    test_edges();
    test_epoll_errors();
    test_eventfd();
    test_poll_and_select();
    test_many();
    test_signals();
    return finish();
}
