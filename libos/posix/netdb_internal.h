/* SPDX-License-Identifier: MIT */
/* What the files of netdb share. */
#ifndef LIBOS_POSIX_NETDB_INTERNAL_H
#define LIBOS_POSIX_NETDB_INTERNAL_H

#include <netdb.h>
#include <stdint.h>

#pragma GCC visibility push(hidden) /* names of the libOS alone */

struct host_address {
    int family; /* AF_INET: 4 bytes; AF_INET6: 16 */
    uint8_t bytes[16];
    uint32_t scope;
};

#define NETDB_MOST 16 /* addresses of one name */

/* An address in digits, an IPv6 one perhaps with %interface. True when text is one. */
int netdb_numeric(const char *text, struct host_address *address);

/*
 * The addresses of a name, of one family or (AF_UNSPEC) of both: from /etc/hosts, else "localhost", else
 * from DNS. How many, at least one, or an EAI_* error. Blocks, and no signal ends it; DNS gives up after
 * some seconds.
 */
int netdb_lookup(const char *name, int family, struct host_address list[NETDB_MOST]);

/* The first name that /etc/hosts has for an address, into name (NI_MAXHOST bytes). False: none. */
int netdb_reverse(const struct host_address *address, char *name);

/* inet_dns.c: asks DNS for one family. 1, or an EAI_* error. */
int netdb_ask(const char *name, int family, struct host_address *address);

/* inet_dns.c: true when an IPv6 address that reaches further than the link is in use. */
int netdb_has_ipv6(void);

/* The port of a service (host byte order) for a protocol ("tcp", "udp" or NULL: any), -1: unknown. */
int netdb_service(const char *name, const char *protocol);
const char *netdb_service_name(int port, const char *protocol);

#pragma GCC visibility pop

#endif
