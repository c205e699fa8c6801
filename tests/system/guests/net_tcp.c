/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets over the loopback: connections, errors, non-blocking work, shutdown, options, both IP
 * versions.
 *
 * build: -O2 -pthread -D_GNU_SOURCE
 * run: memory=64M out="^done: all$"
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix_check.h"

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_at(int port, int backlog)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, backlog)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int connect_to(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A connection: both ends. */
static int connected(int ends[2])
{
    int listener = listen_at(7000, 5);

    ends[0] = connect_to(7000);
    ends[1] = accept(listener, NULL, NULL);
    close(listener);
    return listener < 0 || ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

static short events_of(int fd, short asked, int timeout)
{
    struct pollfd poll_fd = {.fd = fd, .events = asked};

    return poll(&poll_fd, 1, timeout) >= 0 ? poll_fd.revents : -1;
}

static int port_of(int fd, int peer)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);

    if ((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&address, &length))
        return -1;
    return ntohs(address.sin_port);
}

static void test_basics(void)
{
    int ends[2], ready = 0;
    char text[32];
    struct stat st;

    check(connected(ends) == 0, "connect and accept");
    check(send(ends[0], "hello", 5, 0) == 5, "send");
    check(recv(ends[1], text, sizeof(text), 0) == 5 && !memcmp(text, "hello", 5), "recv");
    check(write(ends[1], "back", 4) == 4 && read(ends[0], text, sizeof(text)) == 4, "write and read");
    check(port_of(ends[0], 1) == 7000 && port_of(ends[1], 0) == 7000, "names");
    check(port_of(ends[0], 0) == port_of(ends[1], 1), "names of the other end");
    send(ends[0], "abcdef", 6, 0);
    check(events_of(ends[1], POLLIN, PATIENCE_MS) == POLLIN, "poll waits");
    check(ioctl(ends[1], FIONREAD, &ready) == 0 && ready == 6, "FIONREAD");
    check(recv(ends[1], text, 3, MSG_PEEK) == 3 && recv(ends[1], text + 3, 6, 0) == 6 &&
              !memcmp(text, "abcabcdef", 9),
          "MSG_PEEK");
    check(fstat(ends[0], &st) == 0 && S_ISSOCK(st.st_mode), "fstat");
    check_errno(lseek(ends[0], 0, SEEK_SET), ESPIPE, "lseek");
    check_errno(pread(ends[0], text, 1, 0), ESPIPE, "pread");
    close(ends[0]);
    check(read(ends[1], text, 1) == 0, "end of file after close");
    check(read(ends[1], text, 1) == 0, "and again");
    close(ends[1]);
}

static void test_vectors(void)
{
    struct iovec out[3] = {{"one", 3}, {"", 0}, {"three", 5}}, in[2];
    struct msghdr message = {.msg_iov = in, .msg_iovlen = 2};
    char a[4], b[32];
    int ends[2];

    connected(ends);
    check(writev(ends[0], out, 3) == 8, "writev");
    in[0] = (struct iovec){a, 4};
    in[1] = (struct iovec){b, 4};
    check(recvmsg(ends[1], &message, MSG_WAITALL) == 8 && !memcmp(a, "onet", 4) && !memcmp(b, "hree", 4),
          "recvmsg with MSG_WAITALL");
    check(message.msg_namelen == 0 && message.msg_controllen == 0, "recvmsg: no name, no control data");
    close(ends[0]);
    close(ends[1]);
}

static void test_nonblocking(void)
{
    static char block[65536];
    int ends[2], filled = 0, drained = 0, full = -1, good = 1;
    ssize_t n;

    connected(ends);
    check_errno(recv(ends[1], block, 1, MSG_DONTWAIT), EAGAIN, "MSG_DONTWAIT: nothing to read");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    check(fcntl(ends[0], F_GETFL) & O_NONBLOCK, "O_NONBLOCK");
    check_errno(read(ends[0], block, 1), EAGAIN, "read of nothing");
    /* What was written may still be on its way to the other end's buffer, and make room. */
    for (int rounds = 0; rounds < 100 && (rounds == 0 || (full = events_of(ends[0], POLLOUT, 200)) != 0);
         rounds++) {
        while ((n = write(ends[0], block, sizeof(block))) > 0)
            filled += (int)n;
        good &= n == -1 && errno == EAGAIN;
    }
    check(good && filled > 200000, "write until the buffers are full");
    check(full == 0, "not writable then");
    while (drained < filled && (n = read(ends[1], block, sizeof(block))) > 0)
        drained += (int)n;
    check(drained == filled, "all of it arrives");
    check(events_of(ends[0], POLLOUT, PATIENCE_MS) == POLLOUT, "writable again");
    close(ends[0]);
    close(ends[1]);
}

static void test_nonblocking_connect(void)
{
    int listener = listen_at(7001, 5), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = -1;
    struct sockaddr_in address = loopback(7001), closed = loopback(7002);
    socklen_t length = sizeof(error);

    check_errno(connect(fd, (struct sockaddr *)&address, sizeof(address)), EINPROGRESS,
                "connect in progress");
    check(events_of(fd, POLLOUT, PATIENCE_MS) == POLLOUT, "writable when connected");
    check(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0, "SO_ERROR: none");
    connect(fd, (struct sockaddr *)&address, sizeof(address));
    check_errno(connect(fd, (struct sockaddr *)&address, sizeof(address)), EISCONN, "connected already");
    close(fd);
    close(accept(listener, NULL, NULL));
    close(listener);

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    check_errno(connect(fd, (struct sockaddr *)&closed, sizeof(closed)), EINPROGRESS,
                "connect to a closed port");
    check((events_of(fd, POLLOUT, PATIENCE_MS) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP),
          "an error to poll");
    check(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == ECONNREFUSED,
          "SO_ERROR: refused");
    check(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0, "SO_ERROR: told once");
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    check_errno(connect(fd, (struct sockaddr *)&closed, sizeof(closed)), ECONNREFUSED, "refused");
    listener = listen_at(7002, 5);
    check(connect(fd, (struct sockaddr *)&closed, sizeof(closed)) == 0, "the same socket connects later");
    close(fd);
    close(listener);
}

static void test_errors(void)
{
    struct sockaddr_in address = loopback(7003), foreign = loopback(7004);
    int fd = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0), file, pair[2], value;
    socklen_t length = sizeof(value);
    char byte;

    foreign.sin_addr.s_addr = inet_addr("192.0.2.1");
    check_errno(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT, "socket: family");
    check_errno(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT, "socket: protocol");
    check_errno(socket(AF_INET, 77, 0), ESOCKTNOSUPPORT, "socket: type");
    check_errno(bind(fd, (struct sockaddr *)&foreign, sizeof(foreign)), EADDRNOTAVAIL,
                "bind: foreign address");
    check_errno(bind(fd, (struct sockaddr *)&address, 4), EINVAL, "bind: short address");
    check_errno(connect(fd, (struct sockaddr *)&foreign, sizeof(foreign)), ENETUNREACH, "connect: no route");
    check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    check_errno(bind(fd, (struct sockaddr *)&foreign, sizeof(foreign)), EADDRNOTAVAIL,
                "bind: twice, elsewhere");
    check_errno(bind(fd, (struct sockaddr *)&address, sizeof(address)), EINVAL, "bind: twice");
    check_errno(bind(other, (struct sockaddr *)&address, sizeof(address)), EADDRINUSE, "bind: in use");
    check_errno(accept(fd, NULL, NULL), EINVAL, "accept: not listening");
    check(listen(fd, 1) == 0, "listen");
    check(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value == 1, "SO_ACCEPTCONN");
    check_errno(accept4(fd, NULL, NULL, 1), EINVAL, "accept4: flags");
    check_errno(recv(other, &byte, 1, 0), ENOTCONN, "recv: not connected");
    check_errno(send(other, &byte, 1, MSG_NOSIGNAL), EPIPE, "send: not connected");
    check_errno(shutdown(other, SHUT_WR), ENOTCONN, "shutdown: not connected");
    check_errno(getpeername(other, (struct sockaddr *)&address, &length), ENOTCONN, "getpeername");
    check_errno(shutdown(other, 9), EINVAL, "shutdown: how");
    check_errno(setsockopt(other, SOL_SOCKET, 9999, &value, sizeof(value)), ENOPROTOOPT, "setsockopt: name");
    check_errno(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &value, 1), EINVAL, "setsockopt: size");
    check_errno(recv(other, &byte, 1, MSG_OOB), EINVAL, "MSG_OOB");
    file = open("/tmp/file", O_RDWR | O_CREAT, 0600);
    check_errno(listen(file, 1), ENOTSOCK, "a file is no socket");
    check_errno(recv(1000, &byte, 1, 0), EBADF, "no descriptor");
    check_errno(socketpair(AF_INET, SOCK_STREAM, 0, pair), EOPNOTSUPP, "socketpair: family");
    close(file);
    close(other);
    close(fd);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int signo)
{
    (void)signo;
    pipes++;
}

static void test_shutdown(void)
{
    int ends[2];
    char byte = 1;

    signal(SIGPIPE, on_pipe);
    connected(ends);
    check(shutdown(ends[0], SHUT_WR) == 0, "shutdown for writing");
    check_errno(send(ends[0], &byte, 1, MSG_NOSIGNAL), EPIPE, "send after that");
    check(pipes == 0, "MSG_NOSIGNAL");
    check_errno(write(ends[0], &byte, 1), EPIPE, "write after that");
    check(pipes == 1, "SIGPIPE");
    check(read(ends[1], &byte, 1) == 0, "the peer sees the end");
    check((events_of(ends[1], POLLIN | POLLRDHUP, 0) & (POLLIN | POLLRDHUP | POLLHUP)) ==
              (POLLIN | POLLRDHUP),
          "POLLRDHUP");
    check(write(ends[1], "xy", 2) == 2 && read(ends[0], &byte, 1) == 1, "the other direction works on");
    check(shutdown(ends[1], SHUT_WR) == 0, "the other direction ends");
    check(read(ends[0], &byte, 1) == 1 && byte == 'y' && read(ends[0], &byte, 1) == 0,
          "what was sent is read first");
    check((events_of(ends[0], POLLIN, PATIENCE_MS) & POLLHUP) == POLLHUP, "POLLHUP when both are closed");
    close(ends[0]);
    close(ends[1]);

    connected(ends);
    shutdown(ends[0], SHUT_RD);
    check(read(ends[0], &byte, 1) == 0, "shutdown for reading");
    check(write(ends[0], &byte, 1) == 1 && read(ends[1], &byte, 1) == 1, "writing goes on");
    close(ends[0]);
    close(ends[1]);
    signal(SIGPIPE, SIG_DFL);
}

static void test_reset(void)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    int ends[2], error = 0;
    socklen_t length = sizeof(error);
    char byte = 1;

    connected(ends);
    setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    write(ends[0], "ab", 2);
    check(events_of(ends[1], POLLIN, PATIENCE_MS) == POLLIN, "bytes before the reset");
    close(ends[0]);
    check((events_of(ends[1], 0, PATIENCE_MS) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP),
          "a reset to poll");
    check(read(ends[1], &byte, 1) == 1 && read(ends[1], &byte, 1) == 1, "bytes that came before it");
    check_errno(read(ends[1], &byte, 1), ECONNRESET, "then the reset");
    check(read(ends[1], &byte, 1) == 0, "then the end");
    check(getsockopt(ends[1], SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0, "told once");
    close(ends[1]);

    connected(ends);
    write(ends[0], "unread", 6);
    events_of(ends[1], POLLIN, PATIENCE_MS);
    close(ends[1]);
    check_errno(read(ends[0], &byte, 1), ECONNRESET, "closed with unread bytes");
    close(ends[0]);
}

static void test_options(void)
{
    struct timeval time = {.tv_usec = 50000}, got;
    int ends[2], value = 1;
    socklen_t length = sizeof(value), time_length = sizeof(got);
    char byte;

    connected(ends);
    check(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)) == 0, "TCP_NODELAY");
    value = 0;
    check(getsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, &length) == 0 && value == 1, "and its value");
    value = 30;
    check(setsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(value)) == 0, "TCP_KEEPIDLE");
    value = 0;
    check(getsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, &length) == 0 && value == 30,
          "and its value");
    value = 1;
    check(setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)) == 0, "SO_KEEPALIVE");
    value = 50000;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof(value));
    check(getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, &length) == 0 && value == 100000, "SO_SNDBUF");
    check(getsockopt(ends[0], SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_STREAM, "SO_TYPE");
    check(getsockopt(ends[0], SOL_SOCKET, SO_DOMAIN, &value, &length) == 0 && value == AF_INET, "SO_DOMAIN");
    check(getsockopt(ends[0], SOL_SOCKET, SO_PROTOCOL, &value, &length) == 0 && value == IPPROTO_TCP,
          "SO_PROTOCOL");
    check(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0, "SO_RCVTIMEO");
    check(getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &got, &time_length) == 0 && got.tv_usec == 50000,
          "its value");
    check_errno(read(ends[0], &byte, 1), EAGAIN, "and its effect");
    close(ends[0]);
    close(ends[1]);
}

/* The accepted socket of a dual-stack listener shows an IPv4 peer as a mapped address. */
static void test_ipv6(void)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(7005)}, peer = any;
    struct sockaddr_in v4 = loopback(7005);
    int listener = socket(AF_INET6, SOCK_STREAM, 0), six = socket(AF_INET6, SOCK_STREAM, 0), four, only,
        one = 1;
    socklen_t length = sizeof(peer);
    char text[INET6_ADDRSTRLEN];

    check(bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(listener, 5) == 0,
          "IPv6: listen");
    any.sin6_addr = in6addr_loopback;
    check(connect(six, (struct sockaddr *)&any, sizeof(any)) == 0, "IPv6: connect");
    four = accept(listener, (struct sockaddr *)&peer, &length);
    check(four >= 0 && length == sizeof(peer) && IN6_IS_ADDR_LOOPBACK(&peer.sin6_addr), "IPv6: accept");
    check(write(six, "six", 3) == 3 && read(four, text, 3) == 3, "IPv6: bytes");
    close(four);
    close(six);
    six = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(six, (struct sockaddr *)&v4, sizeof(v4)) == 0, "IPv4 to an IPv6 listener");
    length = sizeof(peer);
    four = accept(listener, (struct sockaddr *)&peer, &length);
    check(four >= 0 && inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof(text)) &&
              !strcmp(text, "::ffff:127.0.0.1"),
          "its address is mapped");
    close(four);
    close(six);
    close(listener);

    only = socket(AF_INET6, SOCK_STREAM, 0);
    any.sin6_addr = in6addr_any;
    any.sin6_port = htons(7009);
    check(setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0, "IPV6_V6ONLY");
    check(bind(only, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(only, 5) == 0, "listen with it");
    listener = listen_at(7009, 5);
    check(listener >= 0, "the port is free for IPv4");
    close(listener);
    check(connect_to(7009) < 0 && errno == ECONNREFUSED, "refused by IPv4");
    close(only);
}

/* More connections than the listener's queue holds: the rest waits, and none is lost. */
static void test_backlog(void)
{
    enum { CLIENTS = 12 };
    struct sockaddr_in address = loopback(7010);
    int listener = listen_at(7010, 5), fds[CLIENTS], early = 0, good = 0;

    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    for (int tries = 0; tries < PATIENCE_MS / 200 && early < 5; tries++) {
        usleep(200000);
        early = 0;
        for (int i = 0; i < CLIENTS; i++)
            early += events_of(fds[i], POLLOUT, 0) == POLLOUT;
    }
    check(early >= 5 && early < CLIENTS, "no more than the queue holds are connected");
    for (int i = 0; i < CLIENTS; i++) {
        int fd = events_of(listener, POLLIN, PATIENCE_MS) == POLLIN ? accept(listener, NULL, NULL) : -1;

        good += fd >= 0;
        close(fd);
    }
    check(good == CLIENTS, "all are accepted in the end");
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    close(listener);
}

static void *send_much(void *argument)
{
    static char block[100000];
    int fd = *(int *)argument;

    for (int i = 0; i < 40; i++) {
        memset(block, i, sizeof(block));
        if (send(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
            return argument;
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

static void test_bulk(void)
{
    static char block[7777];
    int ends[2], good = 1;
    size_t at = 0;
    pthread_t thread;
    void *failed;
    ssize_t n;

    connected(ends);
    pthread_create(&thread, NULL, send_much, &ends[0]);
    while ((n = recv(ends[1], block, sizeof(block), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            good &= block[i] == (char)((at + (size_t)i) / 100000);
        at += (size_t)n;
    }
    pthread_join(thread, &failed);
    check(!failed && n == 0 && at == 4000000 && good, "4 MB in order");
    close(ends[0]);
    close(ends[1]);
}

static void *wait_and_connect(void *unused)
{
    int fd;

    (void)unused;
    usleep(50000);
    fd = connect_to(7006);
    write(fd, "late", 4);
    usleep(50000);
    close(fd);
    return NULL;
}

static void test_blocking(void)
{
    int listener = listen_at(7006, 5), fd;
    pthread_t thread;
    char text[8];

    pthread_create(&thread, NULL, wait_and_connect, NULL);
    fd = accept(listener, NULL, NULL);
    check(fd >= 0, "accept waits");
    check(recv(fd, text, 8, MSG_WAITALL) == 4, "MSG_WAITALL ends with the stream");
    pthread_join(thread, NULL);
    close(fd);
    close(listener);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_basics();
    test_vectors();
    test_nonblocking();
    test_nonblocking_connect();
    test_errors();
    test_shutdown();
    test_reset();
    test_options();
    test_ipv6();
    test_blocking();
    test_bulk();
    test_backlog();
    return finish();
}
