/* SPDX-License-Identifier: MIT */
/*
 * Names: addresses as text, getaddrinfo and its relatives, /etc/hosts, and DNS against a server in this
 * program that also sends nonsense.
 *
 * build: -O2 -pthread -D_GNU_SOURCE
 * run: memory=64M out="^done: all$"
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix_check.h"

static int prints_as(const char *in, const char *out)
{
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN];

    return inet_pton(AF_INET6, in, &address) == 1 && inet_ntop(AF_INET6, &address, text, sizeof(text)) &&
           !strcmp(text, out);
}

static void test_text(void)
{
    static const char *const bad[] = {
        "",       ":",       ":::",       "1:2:3",       "1:2:3:4:5:6:7:8:9", "12345::",
        "1::2::", "::1.2.3", "1.2.3.4::", "::1.2.3.256", "1:2:3:4:5:6:7:8::", "::g"};
    static const char *const bad4[] = {"",         "1.2.3",    "1.2.3.4.5", "256.1.1.1",
                                       "1.2.3.04", " 1.2.3.4", "1.2.3.4 ",  "0x1.2.3.4"};
    struct in6_addr six;
    struct in_addr four;
    char text[INET_ADDRSTRLEN];
    int good = 1;

    check(inet_pton(AF_INET, "192.0.2.33", &four) == 1 && four.s_addr == htonl(0xc0000221), "inet_pton");
    check(inet_ntop(AF_INET, &four, text, sizeof(text)) && !strcmp(text, "192.0.2.33"), "inet_ntop");
    check(!inet_ntop(AF_INET, &four, text, 10) && errno == ENOSPC, "inet_ntop: no room");
    check_errno(inet_pton(99, "1.2.3.4", &four), EAFNOSUPPORT, "inet_pton: family");
    for (size_t i = 0; i < sizeof(bad4) / sizeof(bad4[0]); i++)
        good &= inet_pton(AF_INET, bad4[i], &four) == 0;
    check(good, "what is no IPv4 address");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (inet_pton(AF_INET6, bad[i], &six)) {
            printf("# taken: '%s'\n", bad[i]);
            good = 0;
        }
    }
    check(good, "what is no IPv6 address");
    check(prints_as("2001:0DB8::0001", "2001:db8::1") && prints_as("::", "::") && prints_as("::1", "::1"),
          "IPv6 text");
    /* RFC 5952: the longest run, the first of two, and never a single group. */
    check(prints_as("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1") &&
              prints_as("1:0:0:2:0:0:0:3", "1:0:0:2::3") && prints_as("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7") &&
              prints_as("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
          "which zeros go");
    check(prints_as("fe80::", "fe80::") && prints_as("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
          "ends and mapped ones");
    check(inet_addr("127.1") == htonl(0x7f000001) && inet_addr("0x7f.1") == htonl(0x7f000001) &&
              inet_addr("nothing") == INADDR_NONE && inet_aton("1.2.3.4", &four),
          "inet_addr's old forms");
    check(!strcmp(inet_ntoa(four), "1.2.3.4"), "inet_ntoa");
}

static int resolves(const char *host, const char *service, int family, const char *expected)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list = NULL, *entry;
    char text[INET6_ADDRSTRLEN + 8], all[400] = "";
    int error = getaddrinfo(host, service, &hints, &list);

    if (error)
        snprintf(all, sizeof(all), "error %d", error);
    for (entry = list; entry; entry = entry->ai_next) {
        getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s:%d", *all ? " " : "", text,
                 ntohs(((struct sockaddr_in *)entry->ai_addr)->sin_port));
    }
    freeaddrinfo(list);
    if (strcmp(all, expected))
        printf("# %s: '%s', expected '%s'\n", host ? host : "(none)", all, expected);
    return !strcmp(all, expected);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    write(fd, text, strlen(text));
    close(fd);
}

static void test_numbers(void)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    struct sockaddr_in *in;
    char host[64], service[32];

    check(resolves("192.0.2.1", "80", AF_UNSPEC, "192.0.2.1:80"), "a number");
    check(resolves("::1", "https", AF_UNSPEC, "::1:443"), "a service");
    check(resolves("localhost", "1", AF_INET, "127.0.0.1:1"), "localhost");
    check(resolves("localhost", "1", AF_INET6, "::1:1"), "localhost for IPv6");
    check(resolves(NULL, "9", AF_INET, "127.0.0.1:9"), "no name: the loopback");
    check(resolves("192.0.2.1", "nosuch", AF_INET, "error -8"), "EAI_SERVICE");
    check(resolves("::1", "80", AF_INET, "error -9"), "EAI_ADDRFAMILY");
    check(getaddrinfo(NULL, NULL, NULL, &list) == EAI_NONAME, "neither name nor service");
    check(getaddrinfo(NULL, "80", &hints, &list) == 0, "AI_PASSIVE");
    in = (struct sockaddr_in *)list->ai_addr;
    check(in->sin_addr.s_addr == INADDR_ANY && list->ai_protocol == IPPROTO_TCP && !list->ai_next,
          "one entry, any address");
    check(getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof(host), service, sizeof(service),
                      NI_NUMERICHOST) == 0 &&
              !strcmp(host, "0.0.0.0") && !strcmp(service, "http"),
          "getnameinfo");
    freeaddrinfo(list);
    hints = (struct addrinfo){.ai_flags = AI_NUMERICHOST};
    check(getaddrinfo("name", "80", &hints, &list) == EAI_NONAME, "AI_NUMERICHOST");
    check(!strcmp(gai_strerror(EAI_NONAME), "Name or service not known"), "gai_strerror");
}

static void test_hosts(void)
{
    struct hostent *entry;
    struct in_addr address = {inet_addr("198.51.100.7")};

    mkdir("/etc", 0755);
    write_file("/etc/hosts", "# hosts\n198.51.100.7 box.example box # comment\n198.51.100.8\tother BOX\n"
                             "2001:db8::7 box\nnonsense line\n");
    check(resolves("box", "1", AF_UNSPEC, "198.51.100.7:1 198.51.100.8:1 2001:db8::7:1"), "/etc/hosts");
    entry = gethostbyname("box");
    check(entry && entry->h_addrtype == AF_INET && entry->h_length == 4 &&
              !memcmp(entry->h_addr, &address, 4),
          "gethostbyname");
    entry = gethostbyaddr(&address, 4, AF_INET);
    check(entry && !strcmp(entry->h_name, "box.example"), "gethostbyaddr");
    check(getservbyname("domain", "udp") && getservbyport(htons(22), "tcp") && !getservbyname("nosuch", NULL),
          "services");
}

/* The name of a question as text; returns where it ends, or 0. */
static size_t read_name(const uint8_t *packet, size_t size, char *name)
{
    size_t at = 12, to = 0;

    while (at < size && packet[at]) {
        for (uint8_t left = packet[at++]; left && at < size; left--)
            name[to++] = (char)packet[at++];
        name[to++] = '.';
    }
    name[to ? to - 1 : 0] = '\0';
    return at + 1;
}

static size_t put_answer(uint8_t *packet, size_t at, uint16_t type, const void *data, uint16_t size)
{
    const uint8_t head[] = {0xc0, 12, (uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 0,
                            60,   0,  (uint8_t)size};

    memcpy(packet + at, head, sizeof(head));
    memcpy(packet + at + sizeof(head), data, size);
    return at + sizeof(head) + size;
}

static int questions;

/* Knows *.example; half.example needs to be asked twice, evil.example gets malformed answers first. */
static void *serve(void *argument)
{
    static const uint8_t v4[] = {203, 0, 113, 5}, v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 5};
    static int halves;
    int fd = *(int *)argument;
    struct sockaddr_in from;
    uint8_t packet[512];
    char name[256];

    for (;;) {
        socklen_t length = sizeof(from);
        ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &length);
        size_t end = n > 12 ? read_name(packet, (size_t)n, name) : 0;
        uint16_t type = (uint16_t)(packet[end] << 8 | packet[end + 1]);

        questions++;
        if (!strcmp(name, "half.example") && !(halves++ & 1))
            continue;
        if (!strcmp(name, "evil.example")) {
            uint8_t bad[512];

            memcpy(bad, packet, (size_t)n);
            bad[2] = 0x81;
            bad[7] = 9; /* nine answers, none there */
            sendto(fd, bad, 12, 0, (struct sockaddr *)&from, length);
            bad[0] ^= 1; /* another's number */
            sendto(fd, bad, (size_t)n, 0, (struct sockaddr *)&from, length);
            sendto(fd, bad, 3, 0, (struct sockaddr *)&from, length);
        }
        packet[2] = 0x81;
        packet[3] = 0x80;
        memset(packet + 6, 0, 6);
        end += 4;
        if (strlen(name) < 8 || strcmp(name + strlen(name) - 8, ".example") || !strcmp(name, "no.example")) {
            packet[3] |= 3; /* no such name */
        } else if (type == 1 && strcmp(name, "six.example")) {
            packet[7] = 1;
            end = put_answer(packet, end, 1, v4, 4);
        } else if (type == 28 && (!strcmp(name, "six.example") || !strcmp(name, "both.example"))) {
            packet[7] = 1;
            end = put_answer(packet, end, 28, v6, 16);
        }
        sendto(fd, packet, end, 0, (struct sockaddr *)&from, length);
    }
    return NULL;
}

static void test_dns(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), before;
    struct addrinfo *list;
    pthread_t server;

    check(getaddrinfo("www.example", "80", NULL, &list) == EAI_AGAIN, "no server");
    bind(fd, (struct sockaddr *)&address, sizeof(address));
    pthread_create(&server, NULL, serve, &fd);
    write_file("/etc/resolv.conf", "# servers\nnameserver 127.0.0.1\n");
    check(resolves("www.example", "80", AF_INET, "203.0.113.5:80"), "DNS");
    before = questions;
    check(resolves("www.example", "80", AF_INET, "203.0.113.5:80") && questions == before,
          "the answer is kept");
    check(resolves("six.example", "80", AF_INET6, "2001:db8::5:80"), "DNS for IPv6");
    check(resolves("both.example", "80", AF_UNSPEC, "203.0.113.5:80 2001:db8::5:80"), "both");
    check(resolves("no.example", "80", AF_INET, "error -2"), "no such name");
    check(resolves("half.example", "80", AF_INET, "203.0.113.5:80"), "a question that got lost");
    check(resolves("evil.example", "80", AF_INET, "203.0.113.5:80"), "malformed answers before the good one");
    check(resolves("box", "80", AF_INET6, "2001:db8::7:80"), "/etc/hosts goes first");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_text();
    test_numbers();
    test_hosts();
    test_dns();
    return finish();
}
