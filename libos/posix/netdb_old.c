/* SPDX-License-Identifier: MIT */
/* The calls from before getaddrinfo, and the table of services and protocols. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libos/posix/netdb_internal.h"

/* The services that programs ask for by name: IANA's registry. */
static const struct {
    const char *name;
    int port;
    int datagrams; /* also over UDP */
} services[] = {{"echo", 7, 1},     {"discard", 9, 1},    {"daytime", 13, 0},     {"ftp-data", 20, 0},
                {"ftp", 21, 0},     {"ssh", 22, 0},       {"telnet", 23, 0},      {"smtp", 25, 0},
                {"time", 37, 1},    {"domain", 53, 1},    {"bootps", 67, 1},      {"bootpc", 68, 1},
                {"tftp", 69, 1},    {"http", 80, 0},      {"kerberos", 88, 1},    {"pop3", 110, 0},
                {"sunrpc", 111, 1}, {"ntp", 123, 1},      {"imap2", 143, 0},      {"snmp", 161, 1},
                {"ldap", 389, 0},   {"https", 443, 1},    {"submission", 587, 0}, {"ldaps", 636, 0},
                {"imaps", 993, 0},  {"pop3s", 995, 0},    {"mysql", 3306, 0},     {"postgresql", 5432, 0},
                {"redis", 6379, 0}, {"http-alt", 8080, 0}};

#define SERVICES (int)(sizeof(services) / sizeof(services[0]))

static int offered(int i, const char *protocol)
{
    return !protocol || !strcmp(protocol, "tcp") || (!strcmp(protocol, "udp") && services[i].datagrams);
}

static int find_service(const char *name, int port, const char *protocol)
{
    for (int i = 0; i < SERVICES; i++) {
        if ((name ? !strcmp(services[i].name, name) : services[i].port == port) && offered(i, protocol))
            return i;
    }
    return -1;
}

int netdb_service(const char *name, const char *protocol)
{
    int i = find_service(name, 0, protocol);

    return i < 0 ? -1 : services[i].port;
}

const char *netdb_service_name(int port, const char *protocol)
{
    int i = find_service(NULL, port, protocol);

    return i < 0 ? NULL : services[i].name;
}

static char *no_aliases[] = {NULL};

static struct servent *give_service(int i, const char *protocol)
{
    static _Thread_local struct servent entry;

    if (i < 0)
        return NULL;
    entry = (struct servent){.s_name = (char *)(uintptr_t)services[i].name,
                             .s_aliases = no_aliases,
                             .s_port = htons((uint16_t)services[i].port),
                             .s_proto = (char *)(uintptr_t)(protocol ? protocol : "tcp")};
    return &entry;
}

struct servent *getservbyname(const char *name, const char *protocol)
{
    return give_service(find_service(name, 0, protocol), protocol);
}

struct servent *getservbyport(int port, const char *protocol)
{
    return give_service(find_service(NULL, ntohs((uint16_t)port), protocol), protocol);
}

struct protoent *getprotobyname(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } protocols[] = {{"ip", IPPROTO_IP},   {"icmp", IPPROTO_ICMP}, {"tcp", IPPROTO_TCP},
                     {"udp", IPPROTO_UDP}, {"ipv6", IPPROTO_IPV6}, {"ipv6-icmp", IPPROTO_ICMPV6}};
    static _Thread_local struct protoent entry;

    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        if (!strcmp(protocols[i].name, name)) {
            entry = (struct protoent){.p_name = (char *)(uintptr_t)protocols[i].name,
                                      .p_aliases = no_aliases,
                                      .p_proto = protocols[i].number};
            return &entry;
        }
    }
    return NULL;
}

int *__h_errno_location(void)
{
    static _Thread_local int value;

    return &value;
}

/* A thread's last answer. */
struct answer {
    struct hostent entry;
    char name[NI_MAXHOST];
    char *pointers[NETDB_MOST + 1];
    struct host_address list[NETDB_MOST];
};

static struct answer *own_answer(void)
{
    static _Thread_local struct answer *answer; /* too large for each thread's block */

    if (!answer)
        answer = calloc(1, sizeof(*answer));
    return answer;
}

static struct hostent *give_answer(struct answer *answer, int family, int count)
{
    for (int i = 0; i < count; i++)
        answer->pointers[i] = (char *)answer->list[i].bytes;
    answer->pointers[count] = NULL;
    answer->entry = (struct hostent){.h_name = answer->name,
                                     .h_aliases = no_aliases,
                                     .h_addrtype = family,
                                     .h_length = family == AF_INET6 ? 16 : 4,
                                     .h_addr_list = answer->pointers};
    return &answer->entry;
}

struct hostent *gethostbyname2(const char *name, int family)
{
    struct answer *answer = own_answer();
    int count;

    h_errno = NO_RECOVERY;
    if (!answer || strlen(name) >= NI_MAXHOST || (family != AF_INET && family != AF_INET6))
        return NULL;
    if (netdb_numeric(name, &answer->list[0]))
        count = answer->list[0].family == family ? 1 : EAI_NONAME;
    else
        count = netdb_lookup(name, family, answer->list);
    if (count < 0) {
        h_errno = count == EAI_AGAIN ? TRY_AGAIN : count == EAI_NONAME ? HOST_NOT_FOUND : NO_RECOVERY;
        return NULL;
    }
    strcpy(answer->name, name);
    return give_answer(answer, family, count);
}

struct hostent *gethostbyname(const char *name)
{
    return gethostbyname2(name, AF_INET);
}

struct hostent *gethostbyaddr(const void *address, socklen_t length, int family)
{
    struct answer *answer = own_answer();

    h_errno = NO_RECOVERY;
    if (!answer || (family != AF_INET && family != AF_INET6) || length != (family == AF_INET6 ? 16u : 4u))
        return NULL;
    answer->list[0] = (struct host_address){.family = family};
    memcpy(answer->list[0].bytes, address, length);
    if (!netdb_reverse(&answer->list[0], answer->name)) {
        h_errno = HOST_NOT_FOUND;
        return NULL;
    }
    return give_answer(answer, family, 1);
}

const char *hstrerror(int error)
{
    static const char *const texts[] = {"No error", "Unknown host", "Host name lookup failure",
                                        "Unknown server error", "No address associated with name"};

    return error >= 0 && error <= NO_DATA ? texts[error] : "Unknown error";
}
