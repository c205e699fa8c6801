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
#include "libos/net/timers.h"
#include "lwip/igmp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"

/* What the stack stands on ----------------------------------------------------------------------------- */

static uint32_t now = 0xffffff00u; /* it wraps */
static bool own_thread;            /* lwIP's, which takes the lock for its timers */
static unsigned kicks;
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
    if (!own_thread)
        net_timers_touch();
}

void sys_mutex_unlock(sys_mutex_t *mutex)
{
    assert_int_equal(mutex->state--, 1);
}

void net_timers_kick(void)
{
    kicks++;
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

/* Time passes as lwIP's thread has it, which sleeps as long as it may. How often it woke. */
static unsigned pass(unsigned ms)
{
    unsigned wakes = 0;

    own_thread = true;
    while (ms) {
        uint32_t sleep;

        LOCK_TCPIP_CORE();
        sleep = sys_timeouts_sleeptime();
        UNLOCK_TCPIP_CORE();
        if (sleep > ms) {
            now += ms;
            break;
        }
        now += sleep;
        ms -= sleep;
        wakes++;
        LOCK_TCPIP_CORE();
        sys_check_timeouts();
        UNLOCK_TCPIP_CORE();
    }
    own_thread = false;
    return wakes;
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

/*
 * Timers: they run while there is something to time, and not otherwise.
 * --------------------------------------
 */

/* A network that nobody uses: a wake a minute. */
static void test_rest(void **state)
{
    (void)state;
    start(&(struct net_addresses){.ip = "10.1.2.33/24"});
    pass(20000); /* addresses are checked, routers asked for */
    assert_in_range(pass(60000), 0, 2);
    sent_count = 0;
    assert_in_range(pass(600 * 1000), 1, 11);
    assert_int_equal(sent_count, 0);
}

static unsigned count_arp(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < sent_count; i++)
        count += sent[i].bytes[12] == 8 && sent[i].bytes[13] == 6;
    return count;
}

/* Use of the network wakes them: the question for an address is asked again each second. */
static void test_use_after_rest(void **state)
{
    struct udp_pcb *pcb;
    struct pbuf *p;
    ip_addr_t to;

    (void)state;
    start(&(struct net_addresses){.ip = "10.1.2.33/24"});
    pass(100 * 1000 + 300);
    sent_count = kicks = 0;
    LOCK_TCPIP_CORE();
    pcb = udp_new();
    p = pbuf_alloc(PBUF_TRANSPORT, 10, PBUF_RAM);
    ipaddr_aton("10.1.2.77", &to);
    udp_sendto(pcb, p, &to, 9);
    pbuf_free(p);
    udp_remove(pcb);
    UNLOCK_TCPIP_CORE();
    assert_int_not_equal(kicks, 0);
    assert_int_equal(count_arp(), 1);
    pass(3500);
    assert_in_range(count_arp(), 3, 5);
}

/* A question to a group after a rest is answered within the time that it allows: 10 s. */
static void test_group_report(void **state)
{
    /* IGMP version 2, membership query to all (RFC 2236) */
    static const uint8_t query[] = {
        1,    0, 0x5e, 0,  0,    1, 2, 0, 0,    0,   0,    1,    8,  0, /* Ethernet */
        0x46, 0, 0,    32, 0,    0, 0, 0, 1,    2,   0,    0,    10, 1, 2, 1,
        224,  0, 0,    1,  0x94, 4, 0, 0, 0x11, 100, 0xee, 0x9b, 0,  0, 0, 0};
    uint8_t frame[sizeof(query)];
    unsigned reports = 0;
    ip4_addr_t group;

    (void)state;
    start(&(struct net_addresses){.ip = "10.1.2.33/24"});
    memcpy(frame, query, sizeof(query));
    put16(frame + 24, 0);
    put16(frame + 24, ~sum(frame + 14, 24, 0) & 0xffff);
    IP4_ADDR(&group, 239, 1, 2, 3);
    LOCK_TCPIP_CORE();
    igmp_joingroup_netif(&device.netif, &group);
    net_timers_look();
    UNLOCK_TCPIP_CORE();
    pass(100 * 1000);
    sent_count = 0;
    receive(frame, sizeof(frame), false);
    pass(10000);
    for (unsigned i = 0; i < sent_count; i++)
        reports += sent[i].bytes[23] == 2 && sent[i].bytes[30] == 239;
    assert_int_equal(reports, 1);
    pass(20000);
    assert_in_range(pass(60000), 0, 2);
    LOCK_TCPIP_CORE();
    igmp_leavegroup_netif(&device.netif, &group);
    UNLOCK_TCPIP_CORE();
}

/*
 * TCP in one's own house: a listener, and a connection over the loopback interface, whose queue is emptied
 * here.
 */
static struct tcp_pcb *accepted, *connected;

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t err)
{
    (void)argument, (void)err;
    accepted = pcb;
    return ERR_OK;
}

static err_t on_connect(void *argument, struct tcp_pcb *pcb, err_t err)
{
    (void)argument, (void)err;
    connected = pcb;
    pcb->rttest = 0; /* as libos/posix/inet_tcp.c does */
    return ERR_OK;
}

static void carry(void)
{
    struct netif *loopback = netif_get_by_index(1);

    for (unsigned i = 0; i < 8; i++) {
        LOCK_TCPIP_CORE();
        netif_poll(loopback);
        UNLOCK_TCPIP_CORE();
    }
}

/*
 * A connection that nobody uses lets the timers rest; keep-alive is sent at its time by the clock that
 * stood still meanwhile, and what is sent afterwards and lost is sent again.
 */
static void test_tcp_rest(void **state)
{
    struct tcp_pcb *listener;
    ip_addr_t self;
    u32_t before;

    (void)state;
    LOCK_TCPIP_CORE();
    listener = tcp_new();
    IP_ADDR4(&self, 127, 0, 0, 1);
    assert_int_equal(tcp_bind(listener, &self, 77), ERR_OK);
    listener = tcp_listen(listener);
    tcp_accept(listener, on_accept);
    assert_int_equal(tcp_connect(tcp_new(), &self, 77, on_connect), ERR_OK);
    UNLOCK_TCPIP_CORE();
    carry();
    assert_non_null(connected);
    assert_non_null(accepted);
    pass(20000);
    assert_in_range(pass(60000), 0, 2);
    LOCK_TCPIP_CORE();
    connected->so_options |= SOF_KEEPALIVE;
    connected->keep_idle = 100 * 1000;
    UNLOCK_TCPIP_CORE();
    before = tcp_ticks;
    pass(200 * 1000);
    LOCK_TCPIP_CORE(); /* the clock is put right */
    UNLOCK_TCPIP_CORE();
    assert_in_range(tcp_ticks - before, 398, 402);
    assert_int_not_equal(connected->keep_cnt_sent, 0);
    carry();
    assert_int_equal(connected->keep_cnt_sent, 0); /* it was answered */
    pass(60 * 1000);
    LOCK_TCPIP_CORE();
    assert_int_equal(tcp_write(connected, "x", 1, TCP_WRITE_FLAG_COPY), ERR_OK);
    tcp_output(connected);
    UNLOCK_TCPIP_CORE();
    assert_int_equal(connected->nrtx, 0);
    pass(5000); /* nobody carries it */
    assert_int_not_equal(connected->nrtx, 0);
    carry();
    LOCK_TCPIP_CORE();
    tcp_abort(connected);
    UNLOCK_TCPIP_CORE();
    carry();
    LOCK_TCPIP_CORE();
    tcp_close(listener);
    UNLOCK_TCPIP_CORE();
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
        cmocka_unit_test_teardown(test_settings, stop),
        cmocka_unit_test_teardown(test_dhcp, stop),
        cmocka_unit_test_teardown(test_renewal, stop),
        cmocka_unit_test_teardown(test_no_server, stop),
        cmocka_unit_test_teardown(test_static, stop),
        cmocka_unit_test_teardown(test_bad_addresses, stop),
        cmocka_unit_test_teardown(test_neighbours, stop),
        cmocka_unit_test_teardown(test_checksums, stop),
        cmocka_unit_test_teardown(test_ipv6, stop),
        cmocka_unit_test_teardown(test_expected, stop),
        cmocka_unit_test_teardown(test_rest, stop),
        cmocka_unit_test_teardown(test_use_after_rest, stop),
        cmocka_unit_test_teardown(test_group_report, stop),
        cmocka_unit_test_teardown(test_tcp_rest, stop),
    };

    return cmocka_run_group_tests(tests, start_stack, NULL);
}
