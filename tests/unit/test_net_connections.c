/* SPDX-License-Identifier: MIT */
/*
 * The table of connections beside lwIP's list: what arrives finds its connection in front, and whatever
 * begins and ends in whatever order, the list stays whole. All connections are over the loopback, from both
 * ends.
 */
#include "libos/net/connections.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"
#include "tests/unit/net_world.h"

#define MOST 300u

static struct tcp_pcb *pcbs[MOST]; /* of either end; NULL: over */
static struct tcp_pcb *listener;

static void on_error(void *argument, err_t err)
{
    (void)err;
    *(struct tcp_pcb **)argument = NULL;
}

static err_t on_data(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)argument, (void)err;
    if (p) {
        tcp_recved(pcb, p->tot_len);
        pbuf_free(p);
    }
    return ERR_OK;
}

static void keep(struct tcp_pcb *pcb)
{
    unsigned i = 0;

    while (i < MOST && pcbs[i])
        i++;
    assert_int_not_equal(i, MOST);
    pcbs[i] = pcb;
    tcp_arg(pcb, &pcbs[i]);
    tcp_err(pcb, on_error);
    tcp_recv(pcb, on_data);
}

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t err)
{
    (void)argument, (void)err;
    keep(pcb);
    return ERR_OK;
}

static void carry(void)
{
    LOCK_TCPIP_CORE();
    for (unsigned i = 0; i < 6; i++)
        netif_poll(netif_get_by_index(1));
    UNLOCK_TCPIP_CORE();
}

static void connect_one(bool v6)
{
    struct tcp_pcb *pcb;
    ip_addr_t to;

    LOCK_TCPIP_CORE();
    pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
    ipaddr_aton(v6 ? "::1" : "127.0.0.1", &to);
    keep(pcb);
    assert_int_equal(tcp_connect(pcb, &to, 77, NULL), ERR_OK);
    UNLOCK_TCPIP_CORE();
    carry();
}

static int begin(void **state)
{
    start_stack(state);
    LOCK_TCPIP_CORE();
    listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
    assert_int_equal(tcp_bind(listener, IP_ANY_TYPE, 77), ERR_OK);
    listener = tcp_listen(listener);
    tcp_accept(listener, on_accept);
    UNLOCK_TCPIP_CORE();
    return 0;
}

/* Every connection that lives is in the list once, and nothing else is. */
static void check_list(void)
{
    unsigned length = 0, alive = 0;

    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb && length < 2 * MOST; pcb = pcb->next)
        length++;
    for (unsigned i = 0; i < MOST; i++) {
        const struct tcp_pcb *pcb = tcp_active_pcbs;

        while (pcb && pcb != pcbs[i])
            pcb = pcb->next;
        alive += pcbs[i] && pcb;
    }
    assert_int_equal(length, alive);
}

/* A segment's first bytes, as the connection would receive it. */
static void arrive(const struct tcp_pcb *pcb)
{
    uint8_t bytes[60] = {0};
    struct pbuf p = {.payload = bytes, .len = sizeof(bytes), .tot_len = sizeof(bytes)};
    bool v6 = IP_IS_V6_VAL(pcb->remote_ip);
    uint8_t *tcp = bytes + (v6 ? 40 : 20);

    bytes[0] = v6 ? 0x60 : 0x45;
    bytes[v6 ? 6 : 9] = 6;
    memcpy(bytes + (v6 ? 8 : 12), &pcb->remote_ip, v6 ? 16 : 4);
    memcpy(bytes + (v6 ? 24 : 16), &pcb->local_ip, v6 ? 16 : 4);
    put16(tcp, pcb->remote_port);
    put16(tcp + 2, pcb->local_port);
    assert_int_equal(v6 ? net_hook_ip6(&p) : net_hook_ip4(&p), 0);
}

static void end_all(void)
{
    for (unsigned i = 0; i < MOST; i++) {
        LOCK_TCPIP_CORE();
        if (pcbs[i])
            tcp_abort(pcbs[i]);
        UNLOCK_TCPIP_CORE();
    }
    carry();
    assert_null(tcp_active_pcbs);
}

static void test_front(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++)
        connect_one(i % 3 == 0);
    check_list();
    for (unsigned i = 0; i < 120; i++) {
        const struct tcp_pcb *pcb = pcbs[i * 37 % 120];

        arrive(pcb);
        assert_ptr_equal(tcp_active_pcbs, pcb);
    }
    check_list();
    end_all();
}

/* Odd packets change nothing: another protocol, a fragment, one that is cut short, an unknown connection. */
static void test_others(void **state)
{
    uint8_t bytes[60] = {0x45};
    struct pbuf p = {.payload = bytes, .len = 20};
    const struct tcp_pcb *front;

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        connect_one(false);
    front = tcp_active_pcbs;
    for (unsigned i = 0; i < 5; i++) {
        bytes[0] = i == 4 ? 0x4f : 0x45;
        bytes[9] = i == 0 ? 17 : 6;
        bytes[6] = i == 1 ? 0x20 : 0;
        p.len = i == 2 ? 21 : i == 3 ? 0 : 60;
        assert_int_equal(net_hook_ip4(&p), 0);
        assert_int_equal(net_hook_ip6(&p), 0);
    }
    assert_ptr_equal(tcp_active_pcbs, front);
    end_all();
}

/* Data, ends of all kinds and new ones, mixed; time passes, so that TIME_WAIT ends too. */
static void test_mixture(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 4000; step++) {
        unsigned i = net_random() % MOST, kind = net_random() % 8;

        if (kind == 0 && step % 7) {
            unsigned used = 0;

            for (unsigned k = 0; k < MOST; k++)
                used += pcbs[k] != NULL;
            if (used + 2 <= MOST)
                connect_one(net_random() & 1);
        }
        LOCK_TCPIP_CORE();
        if (pcbs[i] && kind == 1) {
            tcp_abort(pcbs[i]);
        } else if (pcbs[i] && kind == 2) {
            tcp_arg(pcbs[i], NULL);
            tcp_err(pcbs[i], NULL);
            tcp_recv(pcbs[i], NULL);
            assert_int_equal(tcp_close(pcbs[i]), ERR_OK);
            pcbs[i] = NULL;
        } else if (pcbs[i] && kind < 6 && pcbs[i]->state == ESTABLISHED) {
            tcp_write(pcbs[i], "some bytes", 10, TCP_WRITE_FLAG_COPY);
            tcp_output(pcbs[i]);
        }
        UNLOCK_TCPIP_CORE();
        carry();
        if (kind == 7)
            pass(net_random() % 700);
    }
    pass(300 * 1000);
    carry();
    end_all();
    pass(300 * 1000);
    assert_null(tcp_tw_pcbs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_front),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_mixture),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
