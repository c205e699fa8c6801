/* SPDX-License-Identifier: MIT */
/* The start of the stack, and what lwIP asks of us at its hooks. */
#include "libos/net/stack.h"

#include <errno.h>
#include <string.h>

#include "coracle/clock.h"
#include "coracle/init.h"
#include "coracle/shutdown.h"
#include "libos/front/net.h"
#include "libos/net/device.h"
#include "libos/net/hooks.h"
#include "libos/posix/random.h"
#include "libos/posix/thread.h"
#include "lwip/priv/tcp_priv.h"

#define PATIENCE_NS (10 * NS_PER_S) /* what DHCP may take before calls no longer wait for it */
#define WAIT_NS     (60 * NS_PER_S) /* the same with net=wait */

static struct cor_mutex start_lock;
static bool started;        /* guarded by start_lock */
static uint64_t patience;   /* when calls stop to wait for a first address */
static uint64_t isn_key[2]; /* secret, of this boot */

/* start_lock held. */
static int start(void)
{
    const char *setting = cor_setting("net");
    int err;

    random_fill(isn_key, sizeof(isn_key));
    tcpip_init(NULL, NULL);
    LOCK_TCPIP_CORE();
    net_configure_dns();
    UNLOCK_TCPIP_CORE();
    patience = cor_monotonic_ns() + PATIENCE_NS;
    err = netfront_start();
    if (!err && setting && !strcmp(setting, "wait") && !net_wait_configured(cor_monotonic_ns() + WAIT_NS))
        cor_log("network: no interface has an address");
    return err;
}

int net_start(void)
{
    static int result;

    if (__atomic_load_n(&started, __ATOMIC_ACQUIRE))
        return result;
    posix_lock(&start_lock);
    if (!started) {
        result = start();
        __atomic_store_n(&started, true, __ATOMIC_RELEASE);
    }
    posix_unlock(&start_lock);
    return result;
}

bool net_wait_route(void)
{
    return cor_monotonic_ns() < patience && net_wait_configured(patience);
}

void net_trim_time_wait(unsigned keep)
{
    struct tcp_pcb *pcb = tcp_tw_pcbs;

    while (pcb && keep--)
        pcb = pcb->next;
    while (pcb) {
        struct tcp_pcb *next = pcb->next;

        tcp_abort(pcb); /* of one in TIME_WAIT: no packet, no callback */
        pcb = next;
    }
}

static uint64_t rotate(uint64_t value, unsigned n)
{
    return value << n | value >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 of whole words. */
static uint64_t sip_hash(const uint64_t *words, size_t count)
{
    uint64_t v[4] = {isn_key[0] ^ 0x736f6d6570736575u, isn_key[1] ^ 0x646f72616e646f6du,
                     isn_key[0] ^ 0x6c7967656e657261u, isn_key[1] ^ 0x7465646279746573u};

    for (size_t i = 0; i <= count; i++) {
        uint64_t word = i < count ? words[i] : (uint64_t)(count * 8) << 56;

        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void take_words(uint64_t words[2], const ip_addr_t *ip)
{
    words[0] = words[1] = 0;
    if (IP_IS_V6(ip))
        memcpy(words, ip_2_ip6(ip)->addr, 2 * sizeof(*words));
    else
        words[0] = ip4_addr_get_u32(ip_2_ip4(ip));
}

uint32_t net_hook_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port)
{
    uint64_t words[5];

    take_words(words, local);
    take_words(words + 2, remote);
    words[4] = (uint64_t)local_port << 16 | remote_port;
    /*
     * RFC 6528: a clock of 4 microseconds, so that a pair of addresses used again goes on above its old
     * numbers.
     */
    return (uint32_t)(cor_monotonic_ns() / 4000 + sip_hash(words, 5));
}

/*
 * Of a listener whose backlog is full of connections that were begun and not finished, forgets the oldest.
 * Those that we have with ourselves always go on, and begin in numbers before the first has had its turn.
 */
static void make_room(const struct tcp_pcb_listen *listener)
{
    struct tcp_pcb *oldest = NULL;

    if (listener->accepts_pending < listener->backlog)
        return;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->state == SYN_RCVD && pcb->listener == listener &&
            !ip_addr_cmp(&pcb->local_ip, &pcb->remote_ip))
            oldest = pcb; /* new ones come first */
    }
    if (oldest)
        tcp_abandon(oldest, 0);
}

err_t net_hook_tcp_packet(struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    u8_t flags = TCPH_FLAGS(header);

    if (pcb->state == LISTEN && (flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN)
        make_room((const struct tcp_pcb_listen *)pcb);
    if (pcb->state != TIME_WAIT || (flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN ||
        !TCP_SEQ_GT(header->seqno, pcb->rcv_nxt))
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}
