/* SPDX-License-Identifier: MIT */
/*
 * lwIP with one interface, on the host: what the stack stands on, time as its thread has it, and the frames
 * on the wire. Included once, by a test of the interfaces or of the timers.
 */
#ifndef TESTS_UNIT_NET_WORLD_H
#define TESTS_UNIT_NET_WORLD_H

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

static const uint8_t server[] = {10, 1, 2, 1}, ours[] = {10, 1, 2, 33}, everybody[] = {255, 255, 255, 255};

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

static int stop(void **state)
{
    (void)state;
    net_device_remove(&device);
    assert_false(net_wait_configured(0));
    pass(1000);
    memset(settings, 0, sizeof(settings));
    return 0;
}

static int start_stack(void **state)
{
    (void)state;
    lwip_init();
    return 0;
}

#endif
