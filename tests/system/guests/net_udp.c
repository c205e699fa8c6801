/* SPDX-License-Identifier: MIT */
/*
 * UDP, multicast, raw sockets and pairs of AF_UNIX sockets.
 *
 * build: -O2 -D_GNU_SOURCE
 * run: memory=64M out="^done: all$"
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix_check.h"

static struct sockaddr_in at(const char *host, int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = inet_addr(host)};
}

static int udp_at(const char *host, int port)
{
    struct sockaddr_in address = at(host, port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
        close(fd);
        return -1;
    }
    return fd;
}

static void test_datagrams(void)
{
    struct sockaddr_in to = at("127.0.0.1", 5000), from;
    struct iovec iov[2] = {{"two ", 4}, {"parts", 5}};
    int a = udp_at("127.0.0.1", 5000), b = socket(AF_INET, SOCK_DGRAM, 0), ready = 0;
    struct timeval time = {.tv_usec = 20000};
    socklen_t length = sizeof(from);
    char text[64];

    check(a >= 0 && b >= 0, "sockets");
    check_errno(send(b, "x", 1, 0), EDESTADDRREQ, "no destination");
    check(sendto(b, "first", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5, "sendto");
    check(sendto(b, "", 0, 0, (struct sockaddr *)&to, sizeof(to)) == 0, "an empty one");
    check(sendto(b, "third one", 9, 0, (struct sockaddr *)&to, sizeof(to)) == 9, "and a third");
    check(recvfrom(a, text, sizeof(text), 0, (struct sockaddr *)&from, &length) == 5 &&
              length == sizeof(from),
          "recvfrom");
    check(from.sin_family == AF_INET && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && from.sin_port,
          "its source");
    check(recv(a, text, sizeof(text), 0) == 0, "the empty one");
    check(ioctl(a, FIONREAD, &ready) == 0 && ready == 9, "FIONREAD: the next datagram");
    check(recv(a, text, 5, MSG_PEEK) == 5 && recv(a, text, 5, MSG_TRUNC) == 9, "MSG_PEEK, MSG_TRUNC");
    check_errno(recv(a, text, 5, MSG_DONTWAIT), EAGAIN, "the rest of a datagram is lost");
    check(sendto(a, "back", 4, 0, (struct sockaddr *)&from, sizeof(from)) == 4 && recv(b, text, 9, 0) == 4,
          "an answer");
    check(connect(b, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
    check(writev(b, iov, 2) == 9 && recv(a, text, sizeof(text), 0) == 9 && !memcmp(text, "two parts", 9),
          "writev: one datagram");
    check(getpeername(b, (struct sockaddr *)&from, &length) == 0 && ntohs(from.sin_port) == 5000,
          "getpeername");
    setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    check_errno(recv(b, text, 1, 0), EAGAIN, "SO_RCVTIMEO");
    check(udp_at("127.0.0.1", 5000) < 0 && errno == EADDRINUSE, "port in use");
    close(a);
    close(b);
}

/* A connected socket hears that nobody listens. */
static void test_refused(void)
{
    struct sockaddr_in to = at("127.0.0.1", 5999);
    struct sockaddr_in6 to6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(5999), .sin6_addr = in6addr_loopback};
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET6, SOCK_DGRAM, 0), error = 0;
    struct pollfd poll_fd = {.fd = b, .events = POLLIN};
    socklen_t length = sizeof(error);
    char byte;

    check(connect(a, (struct sockaddr *)&to, sizeof(to)) == 0 && send(a, "x", 1, 0) == 1,
          "send to a closed port");
    check_errno(recv(a, &byte, 1, 0), ECONNREFUSED, "refused");
    check_errno(recv(a, &byte, 1, MSG_DONTWAIT), EAGAIN, "told once");
    check(connect(b, (struct sockaddr *)&to6, sizeof(to6)) == 0 && send(b, "x", 1, 0) == 1,
          "the same with IPv6");
    check(poll(&poll_fd, 1, PATIENCE_MS) == 1 && (poll_fd.revents & POLLERR), "POLLERR");
    check(getsockopt(b, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == ECONNREFUSED, "SO_ERROR");
    close(a);
    close(b);
}

static void test_large(void)
{
    static char block[65508], copy[65508];
    int a = udp_at("127.0.0.1", 5001), b = udp_at("127.0.0.1", 5002), good = 1;
    struct sockaddr_in to = at("127.0.0.1", 5001);
    struct pollfd readable = {.fd = a, .events = POLLIN};
    int sent = 0, got = 0;

    for (int i = 0; i < 65507; i++)
        block[i] = (char)(i * 7);
    check_errno(sendto(b, block, 65508, 0, (struct sockaddr *)&to, sizeof(to)), EMSGSIZE, "too long");
    check(sendto(b, block, 65507, 0, (struct sockaddr *)&to, sizeof(to)) == 65507, "the longest datagram");
    check(recv(a, copy, sizeof(copy), 0) == 65507 && !memcmp(block, copy, 65507), "arrives whole");
    /* What does not fit in the receiver's room is dropped, what fits is not. */
    for (; sent < 1000; sent++)
        good &= sendto(b, block, 1000, 0, (struct sockaddr *)&to, sizeof(to)) == 1000;
    while (poll(&readable, 1, 200) == 1 && recv(a, copy, sizeof(copy), MSG_DONTWAIT) == 1000)
        got++;
    check(good && got > 100 && got < 1000, "a full socket drops");
    check(sendto(b, block, 1000, 0, (struct sockaddr *)&to, sizeof(to)) == 1000 &&
              recv(a, copy, 1000, 0) == 1000,
          "and works on");
    close(a);
    close(b);
}

static void test_packet_info(void)
{
    struct sockaddr_in to = at("127.0.0.1", 5003);
    int a = udp_at("0.0.0.0", 5003), b = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
    char text[8];
    struct iovec iov = {text, sizeof(text)};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    struct in_pktinfo info;

    check(setsockopt(a, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) == 0, "IP_PKTINFO");
    sendto(b, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to));
    check(recvmsg(a, &message, 0) == 3 && CMSG_FIRSTHDR(&message), "control data");
    memcpy(&info, CMSG_DATA(&control.header), sizeof(info));
    check(control.header.cmsg_type == IP_PKTINFO && info.ipi_addr.s_addr == htonl(INADDR_LOOPBACK),
          "the destination");
    check(info.ipi_ifindex == (int)if_nametoindex("lo") && info.ipi_ifindex > 0, "the interface");
    check(!CMSG_NXTHDR(&message, &control.header), "nothing else");
    close(a);
    close(b);
}

static void test_ipv6(void)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_port = htons(5004),
                              .sin6_addr = in6addr_loopback},
                        from;
    struct sockaddr_in v4 = at("127.0.0.1", 5004);
    int a = socket(AF_INET6, SOCK_DGRAM, 0), b = socket(AF_INET6, SOCK_DGRAM, 0),
        c = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t length = sizeof(from);
    char text[64];

    to.sin6_addr = in6addr_any;
    check(bind(a, (struct sockaddr *)&to, sizeof(to)) == 0, "IPv6: bind");
    to.sin6_addr = in6addr_loopback;
    check(sendto(b, "six", 3, 0, (struct sockaddr *)&to, sizeof(to)) == 3, "IPv6: sendto");
    check(recvfrom(a, text, 9, 0, (struct sockaddr *)&from, &length) == 3 &&
              IN6_IS_ADDR_LOOPBACK(&from.sin6_addr),
          "IPv6: recvfrom");
    check(sendto(c, "four", 4, 0, (struct sockaddr *)&v4, sizeof(v4)) == 4, "IPv4 to it");
    check(recvfrom(a, text, 9, 0, (struct sockaddr *)&from, &length) == 4 &&
              IN6_IS_ADDR_V4MAPPED(&from.sin6_addr),
          "from a mapped address");
    check(sendto(a, "back", 4, 0, (struct sockaddr *)&from, sizeof(from)) == 4 && recv(c, text, 9, 0) == 4,
          "an answer to a mapped address");
    close(a);
    close(b);
    close(c);
}

static void test_multicast(void)
{
    struct ip_mreq group = {.imr_multiaddr.s_addr = inet_addr("239.1.2.3"),
                            .imr_interface.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in to = at("239.1.2.3", 5005);
    struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
    int a = udp_at("0.0.0.0", 5005), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval time = {.tv_sec = PATIENCE_MS / 1000};
    char text[8];

    setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    check(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) == 0, "join");
    check_errno(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)), EADDRINUSE,
                "join twice");
    check(setsockopt(b, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback)) == 0, "IP_MULTICAST_IF");
    check(sendto(b, "many", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4, "send to a group");
    check(recv(a, text, sizeof(text), 0) == 4, "arrives");
    check(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof(group)) == 0, "leave");
    check_errno(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof(group)), EADDRNOTAVAIL,
                "leave twice");
    close(a);
    close(b);
}

static uint16_t checksum(const void *data, size_t size)
{
    const uint16_t *words = data;
    uint32_t sum = 0;

    for (size_t i = 0; i < size / 2; i++)
        sum += words[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void test_ping(void)
{
    struct icmphdr echo = {.type = ICMP_ECHO, .un.echo = {.id = htons(77), .sequence = htons(1)}};
    struct sockaddr_in to = at("127.0.0.1", 0);
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), found = 0;
    struct timeval time = {.tv_sec = PATIENCE_MS / 1000};
    char packet[256];
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    echo.checksum = checksum(&echo, sizeof(echo));
    check(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)) == sizeof(echo), "ping");
    while (!found && (n = recv(fd, packet, sizeof(packet), 0)) > 0) {
        const struct ip *ip = (struct ip *)packet;
        const struct icmphdr *icmp = (struct icmphdr *)(packet + ip->ip_hl * 4);

        found = n == 28 && ip->ip_p == IPPROTO_ICMP && icmp->type == ICMP_ECHOREPLY &&
                icmp->un.echo.id == htons(77);
    }
    check(found, "pong");
    close(fd);
}

static void test_pairs(void)
{
    int fds[2], ready = 0;
    static char text[300000];
    ssize_t n, filled = 0, drained = 0;

    check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
    check(write(fds[0], "abc", 3) == 3 && write(fds[0], "def", 3) == 3, "write");
    check(ioctl(fds[1], FIONREAD, &ready) == 0 && ready == 6, "FIONREAD");
    check(recv(fds[1], text, sizeof(text), MSG_PEEK) == 6 && read(fds[1], text, 4) == 4 &&
              read(fds[1], text, 4) == 2,
          "a stream has no borders");
    while ((n = send(fds[1], text, 10000, MSG_DONTWAIT)) > 0)
        filled += n;
    check(n == -1 && errno == EAGAIN && filled >= 100000, "fill it");
    while (drained < filled && (n = read(fds[0], text, sizeof(text))) > 0)
        drained += n;
    check(drained == filled, "drain it");
    shutdown(fds[0], SHUT_WR);
    check(read(fds[1], text, 1) == 0 && write(fds[1], "x", 1) == 1 && read(fds[0], text, 1) == 1,
          "half closed");
    close(fds[0]);
    check_errno(send(fds[1], "x", 1, MSG_NOSIGNAL), EPIPE, "nobody there");
    close(fds[1]);
    check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) == 0, "a pair of datagram sockets");
    check(send(fds[0], "one", 3, 0) == 3 && send(fds[0], "", 0, 0) == 0 && send(fds[0], "three", 5, 0) == 5,
          "send");
    check(read(fds[1], text, 9) == 3 && read(fds[1], text, 9) == 0 && read(fds[1], text, 2) == 2,
          "borders are kept");
    check_errno(read(fds[1], text, 9), EAGAIN, "no more");
    close(fds[0]);
    check_errno(send(fds[1], "x", 1, 0), ECONNREFUSED, "nobody there");
    close(fds[1]);
}

static void test_interfaces(void)
{
    struct ifaddrs *list, *entry;
    struct if_nameindex *names = if_nameindex();
    char name[IF_NAMESIZE];
    int v4 = 0, v6 = 0;

    check(names && !strcmp(names[0].if_name, "lo") && names[0].if_index == if_nametoindex("lo"),
          "if_nameindex");
    if_freenameindex(names);
    check(if_indextoname(if_nametoindex("lo"), name) && !strcmp(name, "lo"), "if_indextoname");
    check(!if_nametoindex("nothing") && errno == ENODEV, "no such interface");
    check(getifaddrs(&list) == 0, "getifaddrs");
    for (entry = list; entry; entry = entry->ifa_next) {
        if (strcmp(entry->ifa_name, "lo") || !(entry->ifa_flags & IFF_LOOPBACK) ||
            !(entry->ifa_flags & IFF_UP))
            continue;
        v4 |= entry->ifa_addr->sa_family == AF_INET &&
              ((struct sockaddr_in *)entry->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
              ((struct sockaddr_in *)entry->ifa_netmask)->sin_addr.s_addr == htonl(0xff000000);
        v6 |= entry->ifa_addr->sa_family == AF_INET6 &&
              IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)entry->ifa_addr)->sin6_addr);
    }
    check(v4 && v6, "both addresses of the loopback");
    freeifaddrs(list);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_pairs();
    test_datagrams();
    test_refused();
    test_large();
    test_packet_info();
    test_ipv6();
    test_multicast();
    test_ping();
    test_interfaces();
    return finish();
}
