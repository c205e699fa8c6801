/* SPDX-License-Identifier: MIT */
/* Interfaces and their addresses, with lwIP itself behind them. */
#include "tests/unit/net_world.h"

/* Tests -------------------------------------------------------------------------------------------------- */

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
