/* SPDX-License-Identifier: MIT */
/* lwIP's timers run while there is something to time, and not otherwise. */
#include "tests/unit/net_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rest, stop),
        cmocka_unit_test_teardown(test_use_after_rest, stop),
        cmocka_unit_test_teardown(test_group_report, stop),
        cmocka_unit_test_teardown(test_tcp_rest, stop),
    };

    return cmocka_run_group_tests(tests, start_stack, NULL);
}
