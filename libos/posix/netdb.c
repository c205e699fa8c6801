/* SPDX-License-Identifier: MIT */
/* getaddrinfo, getnameinfo and their older relatives. */
#include <netdb.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libos/posix/netdb_internal.h"

#define KNOWN_FLAGS                                                                                          \
    (AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | AI_NUMERICSERV)

static const struct kind {
    int type, protocol;
    const char *name;
} kinds[] = {{SOCK_STREAM, IPPROTO_TCP, "tcp"}, {SOCK_DGRAM, IPPROTO_UDP, "udp"}, {SOCK_RAW, 0, NULL}};

#define KINDS (int)(sizeof(kinds) / sizeof(kinds[0]))

/* One block for an entry, its address and, in the first entry of a list, the canonical name. */
struct entry {
    struct addrinfo info;
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    char name[];
};

static struct addrinfo *make_entry(const struct host_address *host, const struct kind *kind, int port,
                                   const char *name)
{
    struct entry *entry = calloc(1, sizeof(*entry) + (name ? strlen(name) + 1 : 0));

    if (!entry)
        return NULL;
    if (host->family == AF_INET) {
        entry->address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        memcpy(&entry->address.v4.sin_addr, host->bytes, 4);
        entry->info.ai_addrlen = sizeof(struct sockaddr_in);
    } else {
        entry->address.v6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_scope_id = host->scope};
        memcpy(&entry->address.v6.sin6_addr, host->bytes, 16);
        entry->info.ai_addrlen = sizeof(struct sockaddr_in6);
    }
    entry->info.ai_family = host->family;
    entry->info.ai_socktype = kind->type;
    entry->info.ai_protocol = kind->protocol;
    entry->info.ai_addr = (struct sockaddr *)&entry->address;
    if (name)
        entry->info.ai_canonname = strcpy(entry->name, name);
    return &entry->info;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list); /* the first member of its block */
        list = next;
    }
}

/* The addresses that no name stands for: "any" to listen at, the loopback to connect to. */
static int without_name(int family, int flags, struct host_address *list)
{
    int n = 0;

    if (family != AF_INET6) {
        list[n] = (struct host_address){.family = AF_INET};
        if (!(flags & AI_PASSIVE))
            memcpy(list[n].bytes, "\x7f\0\0\1", 4);
        n++;
    }
    if (family != AF_INET) {
        list[n] = (struct host_address){.family = AF_INET6};
        list[n].bytes[15] = !(flags & AI_PASSIVE);
        n++;
    }
    return n;
}

static void map_v4(struct host_address *list, int n)
{
    for (int i = 0; i < n; i++) {
        if (list[i].family != AF_INET)
            continue;
        memcpy(list[i].bytes + 12, list[i].bytes, 4);
        memset(list[i].bytes, 0, 10);
        list[i].bytes[10] = list[i].bytes[11] = 0xff;
        list[i].family = AF_INET6;
    }
}

/* How many addresses, or an EAI_* error. */
static int find_hosts(const char *host, int family, int flags, struct host_address *list)
{
    int n;

    if (!host)
        return without_name(family, flags, list);
    if (netdb_numeric(host, &list[0])) {
        if (family == AF_INET6 && list[0].family == AF_INET && (flags & AI_V4MAPPED))
            map_v4(list, 1);
        return family == AF_UNSPEC || family == list[0].family ? 1 : EAI_ADDRFAMILY;
    }
    if (flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (family == AF_UNSPEC && (flags & AI_ADDRCONFIG) && !netdb_has_ipv6())
        family = AF_INET;
    n = netdb_lookup(host, family, list);
    if (n < 0 && family == AF_INET6 && (flags & AI_V4MAPPED)) {
        n = netdb_lookup(host, AF_INET, list);
        map_v4(list, n);
    }
    return n;
}

/* The port of a service for one kind of socket, or an EAI_* error; -1 when another kind may have it. */
static int find_port(const char *service, const struct kind *kind, int flags)
{
    char *end;
    unsigned long port;

    if (!service)
        return 0;
    port = strtoul(service, &end, 10);
    if (*service && !*end)
        return port > 65535 ? EAI_SERVICE : (int)port;
    if (flags & AI_NUMERICSERV)
        return EAI_NONAME;
    return kind->name ? netdb_service(service, kind->name) : -1;
}

static int check_hints(const char *host, const char *service, const struct addrinfo *hints)
{
    if (!host && !service)
        return EAI_NONAME;
    if ((hints->ai_flags & ~KNOWN_FLAGS) || ((hints->ai_flags & AI_CANONNAME) && !host))
        return EAI_BADFLAGS;
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET && hints->ai_family != AF_INET6)
        return EAI_FAMILY;
    return 0;
}

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    static const struct addrinfo none = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
    struct host_address list[NETDB_MOST];
    struct addrinfo *first = NULL, **link = &first;
    int count, fits = 0, error;

    hints = hints ? hints : &none;
    error = check_hints(host, service, hints);
    if (error)
        return error;
    count = find_hosts(host, hints->ai_family, hints->ai_flags, list);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < KINDS; k++) {
            const char *name = !first && (hints->ai_flags & AI_CANONNAME) ? host : NULL;
            struct kind kind = kinds[k];
            int port;

            if (kind.type == SOCK_RAW)
                kind.protocol = hints->ai_protocol;
            if ((hints->ai_socktype && hints->ai_socktype != kind.type) ||
                (hints->ai_protocol && hints->ai_protocol != kind.protocol))
                continue;
            fits = 1;
            port = find_port(service, &kind, hints->ai_flags);
            if (port == -1)
                continue;
            *link = port < 0 ? NULL : make_entry(&list[i], &kind, port, name);
            if (!*link) {
                freeaddrinfo(first);
                return port < 0 ? port : EAI_MEMORY;
            }
            link = &(*link)->ai_next;
        }
    }
    if (!first)
        return fits ? EAI_SERVICE : EAI_SOCKTYPE;
    *result = first;
    return 0;
}

const char *gai_strerror(int error)
{
    static const char *const texts[] = {"Success",
                                        "Bad value for ai_flags",
                                        "Name or service not known",
                                        "Temporary failure in name resolution",
                                        "Non-recoverable failure in name resolution",
                                        "No address associated with hostname",
                                        "ai_family not supported",
                                        "ai_socktype not supported",
                                        "Servname not supported for ai_socktype",
                                        "Address family for hostname not supported",
                                        "Memory allocation failure",
                                        "System error",
                                        "Argument buffer overflow"};

    return error <= 0 && error >= EAI_OVERFLOW ? texts[-error] : "Unknown error";
}

static int put(const char *text, char *to, socklen_t size)
{
    if (strlen(text) >= size)
        return EAI_OVERFLOW;
    strcpy(to, text);
    return 0;
}

static int take_address(const struct sockaddr *address, socklen_t length, struct host_address *host,
                        int *port)
{
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;

        *host = (struct host_address){.family = AF_INET};
        memcpy(host->bytes, &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return 0;
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

        *host = (struct host_address){.family = AF_INET6, .scope = in6->sin6_scope_id};
        memcpy(host->bytes, &in6->sin6_addr, 16);
        *port = ntohs(in6->sin6_port);
        return 0;
    }
    return EAI_FAMILY;
}

static int name_host(const struct host_address *host, int flags, char *to, socklen_t size)
{
    char text[NI_MAXHOST], interface[IF_NAMESIZE];

    if (!(flags & NI_NUMERICHOST) && netdb_reverse(host, text))
        return put(text, to, size);
    if (flags & NI_NAMEREQD)
        return EAI_NONAME;
    inet_ntop(host->family, host->bytes, text, sizeof(text));
    if (host->scope && if_indextoname(host->scope, interface))
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%%%s", interface);
    return put(text, to, size);
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t length, char *restrict host,
                socklen_t host_size, char *restrict service, socklen_t service_size, int flags)
{
    struct host_address found;
    int port, error = take_address(address, length, &found, &port);
    const char *name;
    char digits[8];

    if (error)
        return error;
    if (!host_size && !service_size)
        return EAI_NONAME;
    if (host && host_size)
        error = name_host(&found, flags, host, host_size);
    if (error || !service || !service_size)
        return error;
    name = flags & NI_NUMERICSERV ? NULL : netdb_service_name(port, flags & NI_DGRAM ? "udp" : "tcp");
    snprintf(digits, sizeof(digits), "%d", port);
    return put(name ? name : digits, service, service_size);
}
