/* SPDX-License-Identifier: MIT */
/*
 * DNS through lwIP's resolver, which keeps answers for their time to live. The servers are those of the
 * nameserver lines of /etc/resolv.conf, if it has any, else those that DHCP, router advertisements or the
 * setting dns= named.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "coracle/clock.h"
#include "libos/net/stack.h"
#include "libos/net/timers.h"
#include "libos/posix/netdb_internal.h"
#include "libos/posix/thread.h"
#include "lwip/dns.h"
#include "lwip/netif.h"

#define SLOW_NS (2 * NS_PER_S) /* a failure that took so long was silence, not an answer */

struct question {
    volatile uint32_t answered;
    bool found;
    ip_addr_t address;
};

static void on_answer(const char *name, const ip_addr_t *address, void *argument)
{
    struct question *question = argument;

    (void)name;
    question->found = address != NULL;
    if (address)
        question->address = *address;
    question->answered = 1;
    cor_wake(&question->answered, UINT32_MAX);
}

static void take_servers(void)
{
    FILE *file = fopen("/etc/resolv.conf", "r");
    char line[256], text[64];
    ip_addr_t servers[DNS_MAX_SERVERS];
    u8_t n = 0;

    while (file && n < DNS_MAX_SERVERS && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "nameserver %63s", text) == 1 && ipaddr_aton(text, &servers[n]))
            n++;
    }
    if (file)
        fclose(file);
    LOCK_TCPIP_CORE();
    for (u8_t i = 0; n && i < DNS_MAX_SERVERS; i++)
        dns_setserver(i, i < n ? &servers[i] : NULL);
    UNLOCK_TCPIP_CORE();
}

static int ask_once(const char *name, int family, struct host_address *address, bool waited)
{
    struct question question = {.answered = 0};
    uint64_t start = cor_monotonic_ns();
    err_t err;

    if (net_start())
        return EAI_MEMORY;
    if (strlen(name) >= DNS_MAX_NAME_LENGTH)
        return EAI_NONAME;
    take_servers();
    LOCK_TCPIP_CORE();
    net_timers_hold(true);
    err = dns_gethostbyname_addrtype(name, &question.address, on_answer, &question,
                                     family == AF_INET ? LWIP_DNS_ADDRTYPE_IPV4 : LWIP_DNS_ADDRTYPE_IPV6);
    UNLOCK_TCPIP_CORE();
    while (err == ERR_INPROGRESS && !question.answered)
        posix_wait_through(&question.answered, 0, COR_FOREVER);
    LOCK_TCPIP_CORE();
    net_timers_hold(false);
    UNLOCK_TCPIP_CORE();
    if (err == ERR_INPROGRESS) {
        if (!question.found)
            return cor_monotonic_ns() - start < SLOW_NS ? EAI_NONAME : EAI_AGAIN;
    } else if (err == ERR_VAL && !waited && net_wait_route()) {
        return ask_once(name, family, address, true); /* DHCP has named a server meanwhile */
    } else if (err != ERR_OK) {
        return err == ERR_ARG ? EAI_NONAME : EAI_AGAIN; /* no server, or too many questions at once */
    }
    if (IP_IS_V6(&question.address) != (family == AF_INET6))
        return EAI_NONAME;
    *address = (struct host_address){.family = family};
    if (family == AF_INET6)
        memcpy(address->bytes, ip_2_ip6(&question.address)->addr, 16);
    else
        memcpy(address->bytes, &ip_2_ip4(&question.address)->addr, 4);
    return 1;
}

int netdb_ask(const char *name, int family, struct host_address *address)
{
    return ask_once(name, family, address, false);
}

int netdb_has_ipv6(void)
{
    struct netif *netif;
    int found = 0;

    if (net_start())
        return 0;
    LOCK_TCPIP_CORE();
    NETIF_FOREACH(netif)
    {
        for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
            const ip6_addr_t *own = netif_ip6_addr(netif, i);

            if (ip6_addr_ispreferred(netif_ip6_addr_state(netif, i)) && !ip6_addr_islinklocal(own) &&
                !ip6_addr_isloopback(own))
                found = 1;
        }
    }
    UNLOCK_TCPIP_CORE();
    return found;
}
