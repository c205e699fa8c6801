/* SPDX-License-Identifier: MIT */
/* What a port may send when it must not claim to be somebody else (bridge.h). */
#include <string.h>
#include "toolstack/backend/bridge.h"

#define ETHERNET     14u
#define IPV6         (ETHERNET + 40u)
#define HOP_BY_HOP   0u
#define ROUTING      43u
#define ICMPV6       58u
#define DESTINATION  60u
#define SOLICITATION 135u
#define ADVERTISING  136u
#define ROUTER_FIRST 133u /* router solicitation, advertisement, 133 and 134 */
#define ROUTER       134u
#define REDIRECT     137u

static unsigned get16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

static bool listed(const struct bridge_port_options *o, const uint8_t *address, bool ipv6)
{
    for (unsigned i = 0; i < o->nr_ips; i++) {
        if (o->ips[i].ipv6 == ipv6 && !memcmp(o->ips[i].bytes, address, ipv6 ? 16 : 4)) {
            return true;
        }
    }
    return false;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    while (length && !*bytes) {
        bytes++;
        length--;
    }
    return !length;
}

/* fe80::/64 with the interface's identifier that RFC 4291 makes of its MAC. */
static bool is_own_link_local(const struct bridge_port_options *o, const uint8_t *address)
{
    const uint8_t *m = o->mac;
    const uint8_t own[16] = {0xfe, 0x80, 0,    0,    0,    0,    0,   0, (uint8_t)(m[0] ^ 2),
                             m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};

    return !memcmp(address, own, sizeof(own));
}

/* DHCP's first words, before there is an address: UDP from port 68 to 67. */
static bool is_dhcp(const uint8_t *ip, size_t length)
{
    size_t header = (ip[0] & 15u) * 4u;

    return ip[9] == 17 && header >= 20 && !(get16(ip + 6) & 0x1fff) && length >= header + 4 &&
           get16(ip + header) == 68 && get16(ip + header + 2) == 67;
}

static bool ipv4_allowed(const struct bridge_port_options *o, const uint8_t *ip, size_t length)
{
    if (length < 20 || ip[0] >> 4 != 4) {
        return false;
    }
    return listed(o, ip + 12, false) || (is_zero(ip + 12, 4) && is_dhcp(ip, length));
}

static bool arp_allowed(const struct bridge_port_options *o, const uint8_t *arp, size_t length)
{
    if (length < 28 || get16(arp) != 1 || get16(arp + 2) != 0x0800 || arp[4] != 6 || arp[5] != 4 ||
        memcmp(arp + 8, o->mac, 6) != 0) {
        return false;
    }
    /* 0.0.0.0 asks whether an address is free, which only a request does */
    return !o->nr_ips || listed(o, arp + 14, false) || (is_zero(arp + 14, 4) && get16(arp + 6) == 1);
}

/* Neighbour discovery: what it says of addresses must be the port's. nd: the ICMPv6 message. */
static bool discovery_allowed(const struct bridge_port_options *o, const uint8_t *nd, size_t length)
{
    if (nd[0] == ROUTER || nd[0] == REDIRECT) {
        return false; /* no port with a list of addresses is a router */
    }
    if (nd[0] == ADVERTISING) {
        const uint8_t *option = nd + 24;

        if (length < 24 || !(listed(o, nd + 8, true) || is_own_link_local(o, nd + 8))) {
            return false;
        }
        return length < 32 || option[0] != 2 || !memcmp(option + 2, o->mac, 6);
    }
    if (nd[0] == SOLICITATION && length >= 32 && nd[24] == 1) {
        return !memcmp(nd + 26, o->mac, 6);
    }
    return true;
}

/*
 * Finds the ICMPv6 message of a datagram. Extension headers could hide neighbour discovery: only the one in
 * front of multicast reports (hop by hop, 8 bytes) and fragments, in which nobody takes it, may be there.
 */
static bool find_message(const uint8_t *data, size_t length, size_t *message)
{
    unsigned next = data[ETHERNET + 6];

    *message = 0;
    if (next == HOP_BY_HOP) {
        if (length < IPV6 + 8 + 8 || data[IPV6 + 1] != 0) {
            return false;
        }
        next = data[IPV6];
        *message = next == ICMPV6 ? IPV6 + 8 : 0;
    } else if (next == ICMPV6) {
        *message = length >= IPV6 + 8 ? IPV6 : 0;
        return *message != 0;
    }
    return next != HOP_BY_HOP && next != ROUTING && next != DESTINATION;
}

static bool ipv6_allowed(const struct bridge_port_options *o, const uint8_t *data, size_t length)
{
    const uint8_t *source = data + ETHERNET + 8;
    size_t message;

    if (length < IPV6 || data[ETHERNET] >> 4 != 6 || !find_message(data, length, &message)) {
        return false;
    }
    if (message && data[message] >= ROUTER_FIRST && data[message] <= REDIRECT &&
        !discovery_allowed(o, data + message, length - message)) {
        return false;
    }
    /* :: is the source of what is sent before an address is known to be free */
    return listed(o, source, true) || is_own_link_local(o, source) || (is_zero(source, 16) && message);
}

bool bridge_source_allowed(const struct bridge_port_options *o, const uint8_t *data, size_t length)
{
    if (!o->no_spoofing) {
        return true;
    }
    if (length < ETHERNET || (o->has_mac && memcmp(data + 6, o->mac, 6) != 0)) {
        return false;
    }
    switch (get16(data + 12)) {
    case 0x0806:
        return arp_allowed(o, data + ETHERNET, length - ETHERNET);
    case 0x0800:
        return !o->nr_ips || ipv4_allowed(o, data + ETHERNET, length - ETHERNET);
    case 0x86dd:
        return !o->nr_ips || ipv6_allowed(o, data, length);
    default:
        return !o->nr_ips; /* tags and protocols in which an address could hide */
    }
}
