/* SPDX-License-Identifier: MIT */
/*
 * See timers.h. Moments are milliseconds of sys_now(), which wrap: only differences below 2^31 are looked at.
 */
#include "libos/net/timers.h"

#include "libos/net/connections.h"
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/netif.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"

#define SECOND    1000u
#define MINUTE    (60 * SECOND)
#define QUIET     6u            /* seconds without use: longer than ARP waits for an answer (5) */
#define TCP_REST  (60 * MINUTE) /* nothing is to be timed */
#define TCP_BATCH 10u           /* slow ticks: ends of TIME_WAIT are not woken for one by one */

static u32_t sleeping_until; /* what lwIP's thread was told last */

static bool is_due(u32_t moment, u32_t now)
{
    return (s32_t)(moment - now) <= 0;
}

static u32_t earlier(u32_t a, u32_t b)
{
    return (s32_t)(a - b) < 0 ? a : b;
}

/* A timer was set for this moment. */
static void set_for(u32_t moment)
{
    if ((s32_t)(moment - sleeping_until) < 0)
        net_timers_kick();
}

/*
 * Short intervals -----------------------------------------------------------------------------------------
 */

static bool igmp_needed(void)
{
    struct netif *netif;

    NETIF_FOREACH(netif)
    {
        for (const struct igmp_group *group = netif_igmp_data(netif); group; group = group->next) {
            if (group->timer)
                return true;
        }
    }
    return false;
}

static bool mld_needed(void)
{
    struct netif *netif;

    NETIF_FOREACH(netif)
    {
        for (const struct mld_group *group = netif_mld6_data(netif); group; group = group->next) {
            if (group->timer)
                return true;
        }
    }
    return false;
}

static bool dhcp_needed(void)
{
    struct netif *netif;

    NETIF_FOREACH(netif)
    {
        if (netif_dhcp_data(netif) && netif_dhcp_data(netif)->request_timeout)
            return true;
    }
    return false;
}

static struct {
    void (*run)(void);
    bool (*needed)(void);
    u32_t interval, next;
    bool running;
} shorts[] = {{igmp_tmr, igmp_needed, IGMP_TMR_INTERVAL, 0, false},
              {mld6_tmr, mld_needed, MLD6_TMR_INTERVAL, 0, false},
              {dhcp_fine_tmr, dhcp_needed, DHCP_FINE_TIMER_MSECS, 0, false}};
#define SHORTS (sizeof(shorts) / sizeof(shorts[0]))

void net_timers_look(void)
{
    for (size_t i = 0; i < SHORTS; i++) {
        if (!shorts[i].running && shorts[i].needed()) {
            shorts[i].running = true;
            shorts[i].next = sys_now() + shorts[i].interval;
            set_for(shorts[i].next);
        }
    }
}

static void run_shorts(u32_t now)
{
    for (size_t i = 0; i < SHORTS; i++) {
        if (!shorts[i].running || !is_due(shorts[i].next, now))
            continue;
        shorts[i].run();
        shorts[i].next += shorts[i].interval;
        if (is_due(shorts[i].next, now))
            shorts[i].next = now + shorts[i].interval; /* late: what was missed is not made up for */
        shorts[i].running = shorts[i].needed();
    }
}

/*
 * TCP -----------------------------------------------------------------------------------------------------
 */

static struct {
    u32_t next;
    u32_t settled; /* the moment to which tcp_ticks belongs */
    bool slow;     /* the next tick is one of tcp_slowtmr's too */
    bool running;
    bool touched; /* the core lock was taken since the last tick */
} tcp;

/* lwIP's clock, which stands still while no tick comes. */
static void settle(u32_t now)
{
    u32_t missed = (now - tcp.settled) / TCP_SLOW_INTERVAL;

    tcp_ticks += missed;
    tcp.settled += missed * TCP_SLOW_INTERVAL;
}

/* A tick may change something for it. */
static bool is_busy(const struct tcp_pcb *pcb)
{
    bool rests = pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT ||
                 (pcb->state == FIN_WAIT_2 && !(pcb->flags & TF_RXCLOSED));

    return !rests || pcb->unsent || pcb->unacked || pcb->ooseq || pcb->refused_data || pcb->persist_backoff ||
           (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND));
}

/* Slow ticks until `since` of them have passed for a connection, but `least`; 0: they have. */
static u32_t ticks_until(const struct tcp_pcb *pcb, u32_t since, u32_t least)
{
    u32_t passed = tcp_ticks - pcb->tmr;

    return passed > since ? 0 : since + 1 - passed > least ? since + 1 - passed : least;
}

/* Slow ticks until some connection wants one; 0: now. */
static u32_t rest(void)
{
    u32_t ticks = TCP_REST / TCP_SLOW_INTERVAL, own;

    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb && ticks; pcb = pcb->next) {
        if (is_busy(pcb))
            return 0;
        if (ip_get_option(pcb, SOF_KEEPALIVE)) {
            own = (pcb->keep_idle + pcb->keep_cnt_sent * pcb->keep_intvl) / TCP_SLOW_INTERVAL;
            own = ticks_until(pcb, own, 1);
            ticks = own < ticks ? own : ticks;
        }
    }
    for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb && ticks; pcb = pcb->next) {
        own = ticks_until(pcb, 2 * TCP_MSL / TCP_SLOW_INTERVAL, TCP_BATCH);
        ticks = own < ticks ? own : ticks;
    }
    return ticks;
}

static void resume_tcp(u32_t now)
{
    settle(now);
    tcp.running = true;
    tcp.slow = false;
    tcp.next = now + TCP_TMR_INTERVAL;
    set_for(tcp.next);
}

/*
 * lwIP has entered a connection in one of its lists, as the first; while the clock stood still it was given a
 * moment that is long past.
 */
void tcp_timer_needed(void)
{
    net_connections_notice();
    if (tcp.running)
        return;
    resume_tcp(sys_now());
    if (tcp_active_pcbs)
        tcp_active_pcbs->tmr = tcp_ticks;
}

static void tick_tcp(u32_t now)
{
    u32_t ticks;

    if (!tcp.running) {
        resume_tcp(now);
        return;
    }
    tcp_fasttmr();
    if (tcp.slow) {
        tcp_slowtmr();
        tcp.settled = now;
    }
    tcp.slow = !tcp.slow;
    tcp.next += TCP_TMR_INTERVAL;
    if (is_due(tcp.next, now))
        tcp.next = now + TCP_TMR_INTERVAL;
    ticks = tcp.touched ? 0 : rest();
    tcp.touched = false;
    if (ticks) {
        tcp.running = false;
        tcp.next = tcp.settled + ticks * TCP_SLOW_INTERVAL;
    }
}

/*
 * Tables --------------------------------------------------------------------------------------------------
 */

static struct {
    u32_t next;
    u32_t done;     /* the moment up to which they have aged */
    unsigned quiet; /* seconds without use */
    unsigned lease; /* seconds of the minute in which DHCP counts */
    unsigned held;
    bool slow;
} tables;
static bool touched; /* since the last tick */

/* Addresses, routers or neighbours are being asked for. */
static bool discovers(void)
{
    struct netif *netif;

    NETIF_FOREACH(netif)
    {
        if (netif->rs_count && netif_is_up(netif) && netif_is_link_up(netif) && netif->ip6_autoconfig_enabled)
            return true;
        for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
            if (ip6_addr_istentative(netif_ip6_addr_state(netif, i)))
                return true;
        }
    }
    for (unsigned i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
        if (neighbor_cache[i].state == ND6_INCOMPLETE || neighbor_cache[i].state == ND6_DELAY ||
            neighbor_cache[i].state == ND6_PROBE)
            return true;
    }
    return false;
}

static void age(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        etharp_tmr();
        ip_reass_tmr();
        dns_tmr();
        nd6_tmr();
        ip6_reass_tmr();
        if (++tables.lease == DHCP_COARSE_TIMER_SECS) {
            tables.lease = 0;
            dhcp_coarse_tmr();
        }
    }
}

static void tick_tables(u32_t now)
{
    unsigned seconds = (now - tables.done) / SECOND;

    tables.done += seconds * SECOND;
    age(seconds);
    tables.quiet = touched ? 0 : tables.quiet + 1;
    touched = false;
    tables.slow = tables.quiet >= QUIET && !tables.held && !discovers();
    tables.next = tables.done + (tables.slow ? MINUTE : SECOND);
    net_timers_look();
}

void net_timers_hold(bool held)
{
    u32_t now = sys_now();

    tables.held += held ? 1u : -1u;
    if (held && (now - tables.done) / SECOND > 1)
        tick_tables(now); /* answers that are kept have their right age */
}

/*
 * All -----------------------------------------------------------------------------------------------------
 */

void net_timers_touch(void)
{
    touched = tcp.touched = true;
    if (tables.slow) {
        u32_t now = sys_now();

        tables.slow = false;
        tables.quiet = 0;
        tables.next = now + SECOND - (now - tables.done) % SECOND;
        set_for(tables.next);
    }
    if (!tcp.running && (tcp_active_pcbs || tcp_tw_pcbs))
        resume_tcp(sys_now());
}

void sys_timeouts_init(void)
{
    u32_t now = sys_now();

    tcp.settled = tables.done = now;
    tcp.next = now + TCP_REST;
    tables.next = now + SECOND;
    sleeping_until = now;
}

void sys_check_timeouts(void)
{
    u32_t now = sys_now();

    sleeping_until = now;
    run_shorts(now);
    if (is_due(tcp.next, now))
        tick_tcp(now);
    if (is_due(tables.next, now))
        tick_tables(now);
}

u32_t sys_timeouts_sleeptime(void)
{
    u32_t now = sys_now(), next = earlier(tcp.next, tables.next);

    for (size_t i = 0; i < SHORTS; i++)
        next = shorts[i].running ? earlier(shorts[i].next, next) : next;
    sleeping_until = next;
    return is_due(next, now) ? 0 : next - now;
}
