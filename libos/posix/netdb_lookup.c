/* SPDX-License-Identifier: MIT */
/* Addresses of names: /etc/hosts, then DNS. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libos/posix/netdb_internal.h"

static size_t size_of(int family)
{
    return family == AF_INET6 ? 16 : 4;
}

/* The interface of an address's %part, a name or a number. Returns whether there is one. */
static int take_scope(const char *text, uint32_t *scope)
{
    char *end;

    *scope = if_nametoindex(text);
    if (*scope)
        return 1;
    *scope = (uint32_t)strtoul(text, &end, 10);
    return *text && !*end && *scope;
}

int netdb_numeric(const char *text, struct host_address *address)
{
    char plain[INET6_ADDRSTRLEN];
    const char *percent = strchr(text, '%');
    struct in_addr v4;

    *address = (struct host_address){.family = AF_INET};
    if (inet_aton(text, &v4)) {
        memcpy(address->bytes, &v4, sizeof(v4));
        return 1;
    }
    address->family = AF_INET6;
    if (!percent)
        return inet_pton(AF_INET6, text, address->bytes);
    if ((size_t)(percent - text) >= sizeof(plain))
        return 0;
    memcpy(plain, text, (size_t)(percent - text));
    plain[percent - text] = '\0';
    return inet_pton(AF_INET6, plain, address->bytes) && take_scope(percent + 1, &address->scope);
}

/* The next line of /etc/hosts that has an address: that, and *names behind it. */
static int next_host(FILE *file, char line[1024], struct host_address *address, char **names)
{
    while (fgets(line, 1024, file)) {
        char *word;

        line[strcspn(line, "#\n")] = '\0';
        word = strtok_r(line, " \t\r", names);
        if (word && netdb_numeric(word, address))
            return 1;
    }
    return 0;
}

static int from_hosts(const char *name, int family, struct host_address list[NETDB_MOST])
{
    FILE *file = fopen("/etc/hosts", "r");
    struct host_address address;
    char line[1024], *names;
    int n = 0;

    if (!file)
        return 0;
    while (n < NETDB_MOST && next_host(file, line, &address, &names)) {
        char *word;

        if (family != AF_UNSPEC && family != address.family)
            continue;
        while ((word = strtok_r(NULL, " \t\r", &names))) {
            if (!strcasecmp(word, name)) {
                list[n++] = address;
                break;
            }
        }
    }
    fclose(file);
    return n;
}

int netdb_reverse(const struct host_address *wanted, char *name)
{
    FILE *file = fopen("/etc/hosts", "r");
    struct host_address address;
    char line[1024], *names;
    int found = 0;

    while (file && !found && next_host(file, line, &address, &names)) {
        char *word = strtok_r(NULL, " \t\r", &names);

        if (word && address.family == wanted->family &&
            !memcmp(address.bytes, wanted->bytes, size_of(address.family))) {
            snprintf(name, NI_MAXHOST, "%s", word);
            found = 1;
        }
    }
    if (file)
        fclose(file);
    return found;
}

/* RFC 6761: this name means this machine, whatever DNS says. */
static int is_localhost(const char *name)
{
    size_t len = strlen(name), suffix = strlen(".localhost");

    return !strcasecmp(name, "localhost") || (len > suffix && !strcasecmp(name + len - suffix, ".localhost"));
}

static int from_dns(const char *name, int family, struct host_address list[NETDB_MOST])
{
    int six_first = family == AF_UNSPEC && netdb_has_ipv6(), n = 0, result = EAI_NONAME;

    for (int i = 0; i < 2; i++) {
        int asked = i == six_first ? AF_INET : AF_INET6, one;

        if (family != AF_UNSPEC && family != asked)
            continue;
        one = netdb_ask(name, asked, &list[n]);
        if (one > 0)
            n++;
        else
            result = one == EAI_NONAME ? result : one;
    }
    return n ? n : result;
}

int netdb_lookup(const char *name, int family, struct host_address list[NETDB_MOST])
{
    int n = from_hosts(name, family, list);

    if (n)
        return n;
    if (!is_localhost(name))
        return from_dns(name, family, list);
    if (family != AF_INET6)
        list[n++] = (struct host_address){.family = AF_INET, .bytes = {127, 0, 0, 1}};
    if (family != AF_INET)
        list[n++] = (struct host_address){.family = AF_INET6, .bytes = {[15] = 1}};
    return n;
}
