/* SPDX-License-Identifier: MIT */
/*
 * Interfaces (libos/net/device.c) with the real lwIP behind them and a network before them that this file
 * plays: a DHCP server, a router, a neighbour. Time is a number that the test moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coracle/clock.h"
#include "coracle/init.h"
#include "coracle/shutdown.h"
#include "coracle/sync.h"
#include "libos/net/device.h"
#include "libos/net/hooks.h"
#include "libos/posix/thread.h"
#include "lwip/dns.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/sys.h"
#include "lwip/tcpip.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"

/* What the stack stands on ----------------------------------------------------------------------------- */

static uint32_t now;
static const char *settings[16]; /* names and values in turn */
static unsigned logs;

sys_mutex_t lock_tcpip_core;

u32_t sys_now(void)
{
    return now;
}

void sys_init(void)
{
}

void sys_mutex_lock(sys_mutex_t *mutex)
{
    assert_int_equal(mutex->state++, 0);
}

void sys_mutex_unlock(sys_mutex_t *mutex)
{
    assert_int_equal(mutex->state--, 1);
}

sys_prot_t sys_arch_protect(void)
{
    return true;
}

void sys_arch_unprotect(sys_prot_t pval)
{
    (void)pval;
}

err_t tcpip_try_callback(tcpip_callback_fn function, void *argument)
{
    (void)function, (void)argument;
    return ERR_OK;
}

err_t tcpip_input(struct pbuf *p, struct netif *netif)
{
    return ip_input(p, netif);
}

uint32_t net_random(void)
{
    static uint32_t seed = 1;

    return seed = seed * 1664525 + 1013904223;
}

_Noreturn void net_assert_failed(const char *message, const char *file, int line)
{
    _assert_true(0, message, file, line);
    abort();
}

uint32_t net_hook_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port)
{
    (void)local, (void)local_port, (void)remote, (void)remote_port;
    return 1;
}

err_t net_hook_tcp_packet(struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    (void)pcb, (void)header;
    return ERR_OK;
}

unsigned cor_wake(const volatile uint32_t *word, unsigned count)
{
    (void)word, (void)count;
    return 0;
}

/* Nothing changes while a test's only thread waits. */
int posix_wait_through(const volatile uint32_t *word, uint32_t expected, uint64_t deadline)
{
    (void)word, (void)expected, (void)deadline;
    return -ETIMEDOUT;
}

const char *cor_setting(const char *name)
{
    for (int i = 0; settings[i]; i += 2) {
        if (!strcmp(settings[i], name))
            return settings[i + 1];
    }
    return NULL;
}

void cor_log(const char *format, ...)
{
    (void)format;
    logs++;
}

/* The network ------------------------------------------------------------------------------------------- */

static struct frame {
    uint8_t bytes[1600];
    unsigned size;
} sent[64];
static unsigned sent_count;

static bool transmit(struct net_device *device, struct pbuf *frame)
{
    (void)device;
    if (sent_count < 64) {
        sent[sent_count].size = pbuf_copy_partial(frame, sent[sent_count].bytes, sizeof(sent[0].bytes), 0);
        sent_count++;
    }
    return true;
}

static struct net_device device;

static void receive(const void *bytes, unsigned size, bool checked)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)size, PBUF_RAM);

    memcpy(p->payload, bytes, size);
    LOCK_TCPIP_CORE();
    net_device_receive(&device, p, checked);
    UNLOCK_TCPIP_CORE();
}

static void pass(unsigned ms)
{
    for (; ms >= 10; ms -= 10) {
        now += 10;
        LOCK_TCPIP_CORE();
        sys_check_timeouts();
        UNLOCK_TCPIP_CORE();
    }
}

static unsigned sum(const uint8_t *bytes, unsigned size, unsigned long start)
{
    for (unsigned i = 0; i < size; i++)
        start += (unsigned long)bytes[i] << (i & 1 ? 0 : 8);
    while (start >> 16)
        start = (start & 0xffff) + (start >> 16);
    return (unsigned)start;
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Ethernet, IPv4 and UDP headers before size bytes at frame + 42; the whole size. */
static unsigned wrap_udp(uint8_t *frame, const uint8_t from[4], const uint8_t to[4], unsigned from_port,
                         unsigned to_port, unsigned size)
{
    static const uint8_t peer[] = {2, 0, 0, 0, 0, 1};
    uint8_t *ip = frame + 14, *udp = frame + 34;

    memcpy(frame, device.mac, 6);
    memcpy(frame + 6, peer, 6);
    put16(frame + 12, 0x800);
    memset(ip, 0, 28);
    ip[0] = 0x45;
    put16(ip + 2, 28 + size);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, from, 4);
    memcpy(ip + 16, to, 4);
    put16(ip + 10, ~sum(ip, 20, 0) & 0xffff);
    put16(udp, from_port);
    put16(udp + 2, to_port);
    put16(udp + 4, 8 + size);
    put16(udp + 6, ~sum(udp, 8 + size, sum(ip + 12, 8, 17 + 8 + size)) & 0xffff);
    return 42 + size;
}

/* The last sent frame with an IPv4 UDP datagram to a port, or NULL. */
static uint8_t *find_udp(unsigned port)
{
    for (unsigned i = sent_count; i-- > 0;) {
        uint8_t *f = sent[i].bytes;

        if (f[12] == 8 && f[13] == 0 && f[23] == 17 && f[36] == port >> 8 && f[37] == (uint8_t)port)
            return f;
    }
    return NULL;
}

static const uint8_t server[] = {10, 1, 2, 1}, ours[] = {10, 1, 2, 33}, everybody[] = {255, 255, 255, 255};

/* Answers a DHCP message: 2 OFFER, 5 ACK. */
static void dhcp_answer(const uint8_t *question, uint8_t type)
{
    static const uint8_t options[] = {1, 4, 255, 255, 255, 0, 3, 4,  10, 1,  2, 1,  6, 4, 10,
                                      1, 2, 53,  51,  4,   0, 0, 14, 16, 54, 4, 10, 1, 2, 1};
    uint8_t frame[600] = {0}, *message = frame + 42;

    message[0] = 2;
    message[1] = 1;
    message[2] = 6;
    memcpy(message + 4, question + 42 + 4, 4); /* the transaction */
    memcpy(message + 16, ours, 4);
    memcpy(message + 28, device.mac, 6);
    memcpy(message + 236, "\x63\x82\x53\x63", 4);
    message[240] = 53;
    message[241] = 1;
    message[242] = type;
    memcpy(message + 243, options, sizeof(options));
    message[243 + sizeof(options)] = 255;
    receive(frame, wrap_udp(frame, server, everybody, 67, 68, 300), false);
}

static uint8_t dhcp_type(const uint8_t *frame)
{
    return frame && !memcmp(frame + 42 + 236, "\x63\x82\x53\x63\x35\x01", 6) ? frame[42 + 242] : 0;
}

static void get_lease(void)
{
    assert_int_equal(dhcp_type(find_udp(67)), 1); /* DISCOVER */
    dhcp_answer(find_udp(67), 2);
    assert_int_equal(dhcp_type(find_udp(67)), 3); /* REQUEST */
    dhcp_answer(find_udp(67), 5);
    pass(10000); /* lwIP asks whether somebody else has the address */
}

static int start(const struct net_addresses *addresses)
{
    static const uint8_t mac[] = {0, 0x16, 0x3e, 1, 2, 3};

    sent_count = 0;
    memcpy(device.mac, mac, 6);
    device.mtu = 1500;
    device.transmit = transmit;
    return net_device_add(&device, addresses);
}

static const char *address(void)
{
    return ip4addr_ntoa(netif_ip4_addr(&device.netif));
}

/* Tests -------------------------------------------------------------------------------------------------- */

static int stop(void **state)
{
    (void)state;
    net_device_remove(&device);
    assert_false(net_wait_configured(0));
    pass(1000);
    memset(settings, 0, sizeof(settings));
    return 0;
}

static void test_dhcp(void **state)
{
    (void)state;
    assert_int_equal(start(&(struct net_addresses){0}), 0);
    assert_false(net_wait_configured(0));
    assert_true(device.configuring);
    get_lease();
    assert_string_equal(address(), "10.1.2.33");
    assert_true(net_wait_configured(0));
    assert_false(device.configuring);
    assert_string_equal(ip4addr_ntoa(netif_ip4_gw(&device.netif)), "10.1.2.1");
    assert_string_equal(ip4addr_ntoa(netif_ip4_netmask(&device.netif)), "255.255.255.0");
    assert_string_equal(ipaddr_ntoa(dns_getserver(0)), "10.1.2.53");
    assert_ptr_equal(netif_default, &device.netif);
}

/* ARP: who has the server's address? */
static bool asked_who(void)
{
    for (unsigned i = 0; i < sent_count; i++) {
        if (sent[i].bytes[12] == 8 && sent[i].bytes[13] == 6 && !memcmp(sent[i].bytes + 38, server, 4))
            return true;
    }
    return false;
}

/* A lease is renewed when half of its time has passed. */
static void test_renewal(void **state)
{
    (void)state;
    start(&(struct net_addresses){0});
    get_lease();
    sent_count = 0;
    pass(1700 * 1000);
    assert_false(asked_who());
    sent_count = 0;
    pass(200 * 1000);
    assert_true(asked_who());
}

static void test_no_server(void **state)
{
    (void)state;
    start(&(struct net_addresses){0});
    pass(60000);
    assert_true(sent_count > 3); /* it goes on asking */
    assert_true(device.configuring);
    assert_string_equal(address(), "0.0.0.0");
    get_lease();
    assert_string_equal(address(), "10.1.2.33");
}

static void test_static(void **state)
{
    static const struct {
        struct net_addresses given;
        const char *ip, *mask, *gateway;
    } cases[] = {
        {{.ip = "10.1.2.40/24", .gateway = "10.1.2.1"}, "10.1.2.40", "255.255.255.0", "10.1.2.1"},
        {{.ip = "10.1.2.40"}, "10.1.2.40", "255.0.0.0", "0.0.0.0"},
        {{.ip = "192.0.2.7 192.0.2.8"}, "192.0.2.7", "255.255.255.0", "0.0.0.0"},
        {{.ip = "172.16.0.9", .netmask = "255.255.240.0"}, "172.16.0.9", "255.255.240.0", "0.0.0.0"},
        {{.ip = "10.1.2.40/31"}, "10.1.2.40", "255.255.255.254", "0.0.0.0"},
        {{.ip = "none"}, "0.0.0.0", "0.0.0.0", "0.0.0.0"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(&cases[i].given);
        assert_string_equal(address(), cases[i].ip);
        assert_string_equal(ip4addr_ntoa(netif_ip4_netmask(&device.netif)), cases[i].mask);
        assert_string_equal(ip4addr_ntoa(netif_ip4_gw(&device.netif)), cases[i].gateway);
        assert_false(device.configuring);
        assert_int_equal(net_wait_configured(0), strcmp(cases[i].ip, "0.0.0.0") != 0);
        if (i + 1 < sizeof(cases) / sizeof(cases[0]))
            stop(state);
    }
    assert_null(find_udp(67));
}

static void test_bad_addresses(void **state)
{
    static const char *const bad[] = {"10.1.2",    "10.1.2.3/33", "10.1.2.3/", "10.1.2.3/x",
                                      "300.1.2.3", "dhcpd",       "::1",       "1.2.3.4.5.6.7.8.9.10.11"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        logs = 0;
        start(&(struct net_addresses){.ip = bad[i]});
        assert_int_equal(logs, 1);
        assert_false(net_wait_configured(0));
        if (i + 1 < sizeof(bad) / sizeof(bad[0]))
            stop(state);
    }
}

static uint8_t *find_arp_answer(void)
{
    for (unsigned i = 0; i < sent_count; i++) {
        if (sent[i].bytes[12] == 8 && sent[i].bytes[13] == 6 && sent[i].bytes[21] == 2)
            return sent[i].bytes;
    }
    return NULL;
}

static void test_neighbours(void **state)
{
    static const uint8_t question[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0,  1, 8, 6,
                                         0,   1,   8,   0,   6,   4,   0, 1, 2, 0, 0,  0, 0, 1,
                                         10,  1,   2,   1,   0,   0,   0, 0, 0, 0, 10, 1, 2, 33};

    (void)state;
    start(&(struct net_addresses){.ip = "10.1.2.33/24"});
    sent_count = 0;
    receive(question, sizeof(question), false);
    assert_non_null(find_arp_answer());
    assert_memory_equal(find_arp_answer() + 22, device.mac, 6);
}

static unsigned got;

static void on_udp(void *argument, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
    (void)argument, (void)pcb, (void)from, (void)port;
    got++;
    pbuf_free(p);
}

/* A wrong checksum is noticed unless the driver knows better; a right one never matters. */
static void test_checksums(void **state)
{
    uint8_t frame[200];
    struct udp_pcb *pcb;
    unsigned size;

    (void)state;
    start(&(struct net_addresses){.ip = "10.1.2.33/24"});
    LOCK_TCPIP_CORE();
    pcb = udp_new();
    udp_bind(pcb, IP_ADDR_ANY, 99);
    udp_recv(pcb, on_udp, NULL);
    UNLOCK_TCPIP_CORE();
    memset(frame, 7, sizeof(frame));
    size = wrap_udp(frame, server, ours, 1000, 99, 20);
    receive(frame, size, false);
    receive(frame, size, true);
    assert_int_equal(got, 2);
    frame[41] ^= 1;
    receive(frame, size, false);
    assert_int_equal(got, 2);
    receive(frame, size, true);
    assert_int_equal(got, 3);
    receive(frame, size, false);
    assert_int_equal(got, 3);
    LOCK_TCPIP_CORE();
    udp_remove(pcb);
    UNLOCK_TCPIP_CORE();
}

/* An address of one's own and, with a router, a global one. */
static void test_ipv6(void **state)
{
    static const uint8_t router[] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t all_nodes[] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t prefix[] = {3,  4,  64, 0xc0, 0, 0, 14,   16, 0,   0,
                                     14, 16, 0,  0,    0, 0, 0x20, 1,  0xd, 0xb8};
    uint8_t frame[14 + 40 + 48] = {0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd}, *ip = frame + 14,
                            *icmp = ip + 40;
    bool global = false;

    (void)state;
    start(&(struct net_addresses){.ip = "none", .ip6 = "2001:db8:9::7"});
    pass(3000);
    assert_string_equal(ip6addr_ntoa(netif_ip6_addr(&device.netif, 0)), "FE80::216:3EFF:FE01:203");
    assert_true(ip6_addr_ispreferred(netif_ip6_addr_state(&device.netif, 0)));
    ip[0] = 0x60;
    put16(ip + 4, 48);
    ip[6] = 58;
    ip[7] = 255;
    memcpy(ip + 8, router, 16);
    memcpy(ip + 24, all_nodes, 16);
    icmp[0] = 134; /* router advertisement, for half an hour */
    put16(icmp + 6, 1800);
    memcpy(icmp + 16, prefix, sizeof(prefix));
    put16(icmp + 2, ~sum(icmp, 48, sum(ip + 8, 32, 58 + 48)) & 0xffff);
    receive(frame, sizeof(frame), false);
    pass(3000);
    for (s8_t i = 1; i < LWIP_IPV6_NUM_ADDRESSES; i++)
        global |= ip6_addr_ispreferred(netif_ip6_addr_state(&device.netif, i)) &&
                  !strcmp(ip6addr_ntoa(netif_ip6_addr(&device.netif, i)), "2001:DB8::216:3EFF:FE01:203");
    assert_true(global);
    global = false;
    for (s8_t i = 1; i < LWIP_IPV6_NUM_ADDRESSES; i++)
        global |= ip6_addr_ispreferred(netif_ip6_addr_state(&device.netif, i)) &&
                  !strcmp(ip6addr_ntoa(netif_ip6_addr(&device.netif, i)), "2001:DB8:9::7");
    assert_true(global);
}

static void test_expected(void **state)
{
    (void)state;
    net_device_expect(true);
    assert_false(net_wait_configured(0));
    start(&(struct net_addresses){.ip = "10.1.2.33/24"});
    net_device_expect(false);
    assert_true(net_wait_configured(0));
}

/* The first interface of all follows the command line. It must be the first test. */
static void test_settings(void **state)
{
    static const char *const given[] = {"ip",        "192.0.2.9/28", "gateway",
                                        "192.0.2.1", "dns",          "192.0.2.2,nonsense,2001:db8::53",
                                        "hostname",  "box"};

    (void)state;
    memcpy(settings, given, sizeof(given));
    logs = 0;
    LOCK_TCPIP_CORE();
    net_configure_dns();
    UNLOCK_TCPIP_CORE();
    assert_int_equal(logs, 1);
    assert_string_equal(ipaddr_ntoa(dns_getserver(0)), "192.0.2.2");
    assert_string_equal(ipaddr_ntoa(dns_getserver(1)), "2001:DB8::53");
    start(&(struct net_addresses){.ip = "10.1.2.33/24"});
    assert_string_equal(address(), "192.0.2.9");
    assert_string_equal(ip4addr_ntoa(netif_ip4_netmask(&device.netif)), "255.255.255.240");
    stop(state);
    memcpy(settings, given, sizeof(given));
    start(&(struct net_addresses){.ip = "10.1.2.33/24"}); /* the second one does not */
    assert_string_equal(address(), "10.1.2.33");
}

static int start_stack(void **state)
{
    (void)state;
    lwip_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_settings, stop),   cmocka_unit_test_teardown(test_dhcp, stop),
        cmocka_unit_test_teardown(test_renewal, stop),    cmocka_unit_test_teardown(test_no_server, stop),
        cmocka_unit_test_teardown(test_static, stop),     cmocka_unit_test_teardown(test_bad_addresses, stop),
        cmocka_unit_test_teardown(test_neighbours, stop), cmocka_unit_test_teardown(test_checksums, stop),
        cmocka_unit_test_teardown(test_ipv6, stop),       cmocka_unit_test_teardown(test_expected, stop),
    };

    return cmocka_run_group_tests(tests, start_stack, NULL);
}
