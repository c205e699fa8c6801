/* SPDX-License-Identifier: MIT */
/* netask ADDRESS: a TCP connection and datagrams to the echo sample at ADDRESS; each byte must come back. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES (512u * 1024)

static uint8_t data[BYTES], back[BYTES];

/* Connected, however long it takes until both ends have their networks. */
static int reach(int type, const struct sockaddr_in *to)
{
    for (;;) {
        int fd = socket(AF_INET, type, 0);

        if (fd >= 0 && !connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
            return fd;
        }
        close(fd);
        usleep(100000);
    }
}

/* Sends and receives at once: the other end sends back what it gets. */
static int exchange(int fd)
{
    size_t sent = 0, got = 0;

    while (got < BYTES) {
        struct pollfd poll_fd = {.fd = fd, .events = (short)(POLLIN | (sent < BYTES ? POLLOUT : 0))};
        ssize_t count;

        if (poll(&poll_fd, 1, 200000) <= 0) {
            return -1;
        }
        if (poll_fd.revents & POLLOUT) {
            count = send(fd, data + sent, BYTES - sent > 8192 ? 8192 : BYTES - sent, MSG_DONTWAIT);
            sent += count > 0 ? (size_t)count : 0;
        }
        if (poll_fd.revents & POLLIN) {
            count = recv(fd, back + got, BYTES - got, 0);
            if (count <= 0) {
                return -1;
            }
            got += (size_t)count;
        }
    }
    return memcmp(data, back, BYTES);
}

/* A datagram may be lost. */
static int datagrams(int fd)
{
    const struct timeval patience = {.tv_sec = 5};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    for (size_t size = 1; size <= 1472; size += 1471) {
        ssize_t count = -1;

        for (unsigned i = 0; i < 20 && count != (ssize_t)size; i++) {
            send(fd, data, size, 0);
            count = recv(fd, back, sizeof(back), 0);
        }
        if (count != (ssize_t)size || memcmp(data, back, size) != 0) {
            return -1;
        }
    }
    return 0;
}

/*
 * A socket call that needs an address waits for the first one; and a device that is full makes sending wait.
 */
static int patient(const struct sockaddr_in *to)
{
    struct sockaddr_in nobody = *to;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    nobody.sin_port = htons(9);
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
        return -1;
    }
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (unsigned i = 0; i < 1000; i++) {
        if (sendto(fd, data, 1400, 0, (const struct sockaddr *)&nobody, sizeof(nobody)) != 1400) {
            return -1;
        }
    }
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
    int tcp, udp;

    if (argc != 2 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        return 2;
    }
    for (unsigned i = 0; i < BYTES; i++) {
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    printf("patient %s\n", patient(&to) ? "bad" : "good");
    tcp = reach(SOCK_STREAM, &to);
    udp = reach(SOCK_DGRAM, &to);
    printf("tcp %s\n", tcp >= 0 && !exchange(tcp) ? "good" : "bad");
    printf("udp %s\n", udp >= 0 && !datagrams(udp) ? "good" : "bad");
    return 0;
}
