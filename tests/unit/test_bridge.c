/* SPDX-License-Identifier: MIT */
/* The learning bridge (toolstack/backend/bridge.h): where frames go, and what no port can do to another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "toolstack/backend/bridge.h"

#define PORTS 4u

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static struct bridge *bridge;
static struct bridge_port *ports[PORTS];
static unsigned got[PORTS];

static void deliver(void *argument, void *handle)
{
    assert_ptr_equal(handle, got);
    ++*(unsigned *)argument;
}

static uint8_t *address(uint32_t n)
{
    static uint8_t bytes[4][6];
    static unsigned next;
    uint8_t *mac = bytes[next++ % 4];

    memcpy(mac,
           (const uint8_t[]){2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, 6);
    return mac;
}

static struct bridge_port_options plain(unsigned i)
{
    return (struct bridge_port_options){.learn = 8, .deliver = deliver, .argument = &got[i]};
}

static int begin(void **state)
{
    int error;

    (void)state;
    bridge = bridge_create();
    memset(got, 0, sizeof(got));
    for (unsigned i = 0; i < PORTS; i++) {
        struct bridge_port_options options = plain(i);

        ports[i] = bridge_add(bridge, &options, &error);
        assert_non_null(ports[i]);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PORTS; i++) {
        bridge_remove(ports[i]);
    }
    bridge_destroy(bridge);
    return 0;
}

/* Sends and says which ports got it, a bit for each. */
static unsigned send_at(unsigned port, const uint8_t *to, const uint8_t *from, uint64_t now)
{
    uint8_t frame[60] = {0};
    unsigned who = 0;

    memset(got, 0, sizeof(got));
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    frame[12] = 0x08;
    bridge_input(ports[port], frame, sizeof(frame), now, got);
    for (unsigned i = 0; i < PORTS; i++) {
        assert_true(got[i] <= 1);
        who |= got[i] << i;
    }
    return who;
}

static void learns_and_does_not_flood_what_it_knows(void **state)
{
    (void)state;
    assert_int_equal(send_at(0, address(2), address(1), 0), 0xe); /* not known yet: all others */
    assert_int_equal(send_at(1, address(1), address(2), 0), 0x1);
    assert_int_equal(send_at(0, address(2), address(1), 0), 0x2);
    assert_int_equal(send_at(2, address(2), address(3), 0), 0x2);
    assert_int_equal(send_at(0, everybody, address(1), 0), 0xe);
    assert_int_equal(send_at(0, (const uint8_t[]){1, 0, 0x5e, 0, 0, 1}, address(1), 0), 0xe);
    assert_int_equal(bridge_counters(ports[0])->flooded, 3);
    assert_int_equal(bridge_counters(ports[0])->forwarded, 4);
}

static void keeps_what_is_local_local(void **state)
{
    (void)state;
    send_at(0, everybody, address(1), 0);
    send_at(0, everybody, address(2), 0);
    assert_int_equal(send_at(0, address(2), address(1), 0), 0);
    assert_int_equal(bridge_counters(ports[0])->filtered, 1);
}

static void stations_move_and_age(void **state)
{
    (void)state;
    send_at(0, everybody, address(1), 0);
    send_at(2, everybody, address(1), 5);
    assert_int_equal(send_at(1, address(1), address(9), 6), 0x4);
    assert_int_equal(send_at(1, address(1), address(9), 5 + BRIDGE_AGE_NS), 0x4);
    assert_int_equal(send_at(1, address(1), address(9), 6 + BRIDGE_AGE_NS), 0xd);
    send_at(2, everybody, address(1), 7 + BRIDGE_AGE_NS);
    bridge_forget(ports[2]);
    assert_int_equal(send_at(1, address(1), address(9), 7 + BRIDGE_AGE_NS), 0xd);
}

static void a_flood_of_addresses_evicts_nobody_elses(void **state)
{
    (void)state;
    send_at(0, everybody, address(1), 0);
    for (uint32_t i = 0; i < 100000; i++) {
        send_at(3, everybody, address(1000 + i), 1);
    }
    assert_int_equal(send_at(1, address(1), address(2), 2), 0x1);
    assert_int_equal(send_at(0, address(2), address(1), 2), 0x2);
    assert_int_equal(send_at(1, address(1007), address(2), 2), 0x8); /* its first ones, which it keeps */
    assert_int_equal(send_at(1, address(1008), address(2), 2), 0xd);
    assert_int_equal(bridge_counters(ports[3])->unlearned, 100000 - 8);
    /* when they have aged there is room again */
    send_at(3, everybody, address(7), 2 + BRIDGE_AGE_NS);
    assert_int_equal(send_at(1, address(7), address(2), 3 + BRIDGE_AGE_NS), 0x8);
}

static void an_own_address_is_nobody_elses(void **state)
{
    struct bridge_port_options options = plain(0);
    struct bridge_port *other;
    int error;

    (void)state;
    send_at(3, everybody, address(77), 0); /* learned before it is somebody's own */
    bridge_remove(ports[0]);
    options.has_mac = true;
    memcpy(options.mac, address(77), 6);
    ports[0] = bridge_add(bridge, &options, &error);
    assert_non_null(ports[0]);
    assert_int_equal(send_at(1, address(77), address(2), 0), 0x1); /* before it has said a word */
    assert_int_equal(send_at(3, everybody, address(77), 1), 0);    /* dropped */
    assert_int_equal(bridge_counters(ports[3])->spoofed, 1);
    assert_int_equal(send_at(1, address(77), address(2), 2 * BRIDGE_AGE_NS), 0x1);
    other = bridge_add(bridge, &options, &error);
    assert_null(other);
    assert_int_equal(error, -EADDRINUSE);
    assert_true(bridge_has_mac(bridge, address(77), NULL));
    assert_false(bridge_has_mac(bridge, address(77), ports[0]));
}

static void malformed_frames_go_nowhere(void **state)
{
    uint8_t frame[13] = {0};

    (void)state;
    assert_int_equal(send_at(0, address(2), everybody, 0), 0);
    bridge_input(ports[0], frame, sizeof(frame), 0, got);
    bridge_input(ports[0], frame, 0, 0, got);
    assert_int_equal(bridge_counters(ports[0])->malformed, 3);
    assert_int_equal(got[1] + got[2] + got[3], 0);
}

/* What a port may claim -------------------------------------------------------------------------------- */

static const uint8_t own[6] = {0x00, 0x16, 0x3e, 0x01, 0x02, 0x03};
static uint8_t frame[94];

static struct bridge_port_options strict(bool with_ips)
{
    struct bridge_port_options o = {.has_mac = true, .no_spoofing = true, .nr_ips = with_ips ? 2 : 0};

    memcpy(o.mac, own, 6);
    memcpy(o.ips[0].bytes, (const uint8_t[]){10, 0, 0, 2}, 4);
    o.ips[1].ipv6 = true;
    memcpy(o.ips[1].bytes, (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 16);
    return o;
}

static void ethernet(unsigned type)
{
    memset(frame, 0, sizeof(frame));
    memset(frame, 0xff, 6);
    memcpy(frame + 6, own, 6);
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
}

static void ipv4(uint8_t last, unsigned protocol)
{
    ethernet(0x0800);
    frame[14] = 0x45;
    frame[14 + 9] = (uint8_t)protocol;
    memcpy(frame + 14 + 12, (const uint8_t[]){10, 0, 0, last}, 4);
}

static void arp(uint8_t last, unsigned operation)
{
    static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0};

    ethernet(0x0806);
    memcpy(frame + 14, head, sizeof(head));
    frame[14 + 7] = (uint8_t)operation;
    memcpy(frame + 14 + 8, own, 6);
    memcpy(frame + 14 + 14, (const uint8_t[]){10, 0, 0, last}, 4);
}

static void ipv6(uint8_t last, unsigned next)
{
    ethernet(0x86dd);
    frame[14] = 0x60;
    frame[14 + 6] = (uint8_t)next;
    memcpy(frame + 14 + 8, strict(true).ips[1].bytes, 16);
    frame[14 + 8 + 15] = last;
}

static bool allowed(const struct bridge_port_options *o)
{
    return bridge_source_allowed(o, frame, sizeof(frame));
}

static void only_its_own_mac(void **state)
{
    struct bridge_port_options o = strict(false);

    (void)state;
    ipv4(99, 6);
    assert_true(allowed(&o)); /* without a list any IP */
    frame[11] ^= 1;
    assert_false(allowed(&o));
    arp(99, 2);
    assert_true(allowed(&o));
    frame[14 + 8 + 5] ^= 1; /* the sender's MAC in ARP */
    assert_false(allowed(&o));
    ethernet(0x8100);
    assert_true(allowed(&o));
}

static void only_its_own_ipv4(void **state)
{
    struct bridge_port_options o = strict(true);

    (void)state;
    ipv4(2, 6);
    assert_true(allowed(&o));
    ipv4(3, 6);
    assert_false(allowed(&o));
    arp(2, 1);
    assert_true(allowed(&o));
    arp(3, 1);
    assert_false(allowed(&o));
    arp(0, 1);
    memset(frame + 14 + 14, 0, 4);
    assert_true(allowed(&o)); /* a probe */
    frame[14 + 7] = 2;
    assert_false(allowed(&o)); /* an answer that says 0.0.0.0 */
    ipv4(0, 17);
    memset(frame + 14 + 12, 0, 4);
    assert_false(allowed(&o));
    frame[14 + 20 + 1] = 68;
    frame[14 + 20 + 3] = 67;
    assert_true(allowed(&o)); /* DHCP */
    frame[14 + 6] = 0x00;
    frame[14 + 7] = 0x08; /* a later fragment only looks like it */
    assert_false(allowed(&o));
    ethernet(0x8100);
    assert_false(allowed(&o)); /* a tag could hide an address */
}

static void only_its_own_ipv6(void **state)
{
    static const uint8_t local[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0x16, 0x3e, 0xff, 0xfe, 1, 2, 3};
    struct bridge_port_options o = strict(true);

    (void)state;
    ipv6(2, 6);
    assert_true(allowed(&o));
    ipv6(3, 6);
    assert_false(allowed(&o));
    memcpy(frame + 14 + 8, local, 16);
    assert_true(allowed(&o));
    frame[14 + 8 + 15] = 9;
    assert_false(allowed(&o));
    ipv6(2, 58);
    frame[54] = 134; /* a router advertisement */
    assert_false(allowed(&o));
    frame[54] = 137; /* a redirect */
    assert_false(allowed(&o));
    frame[54] = 136; /* an advertisement for another's address */
    memcpy(frame + 54 + 8, o.ips[1].bytes, 16);
    frame[54 + 24] = 2;
    frame[54 + 25] = 1;
    memcpy(frame + 54 + 26, own, 6);
    assert_true(allowed(&o));
    frame[54 + 8 + 15] = 7;
    assert_false(allowed(&o));
    frame[54 + 8 + 15] = 2;
    frame[54 + 26 + 5] ^= 1; /* with another's MAC */
    assert_false(allowed(&o));
}

/* Extension headers hide nothing, and what comes before an address is known passes. */
static void ipv6_headers_hide_nothing(void **state)
{
    struct bridge_port_options o = strict(true);

    (void)state;
    ipv6(2, 0);
    frame[54] = 58;
    frame[62] = 143; /* a multicast report behind a hop-by-hop header */
    assert_true(allowed(&o));
    memset(frame + 14 + 8, 0, 16);
    assert_true(allowed(&o));
    frame[62] = 134;
    assert_false(allowed(&o));
    frame[62] = 143;
    frame[55] = 1; /* a longer one */
    assert_false(allowed(&o));
    ipv6(2, 60);
    assert_false(allowed(&o));
    ipv6(2, 43);
    assert_false(allowed(&o));
    ipv6(2, 58);
    memset(frame + 14 + 8, 0, 16);
    frame[54] = 135; /* is this address free? */
    assert_true(allowed(&o));
    ipv6(2, 17);
    memset(frame + 14 + 8, 0, 16);
    assert_false(allowed(&o));
}

/* A frame that is cut short is not read beyond its end (the sanitizer watches), nor let through. */
static void short_frames(void **state)
{
    struct bridge_port_options o = strict(true);

    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        for (size_t length = 0; length < 54; length++) {
            uint8_t *copy;

            kind == 0 ? ipv4(2, 17) : kind == 1 ? arp(2, 1) : ipv6(2, 58);
            frame[54] = 136;
            copy = malloc(length ? length : 1);
            memcpy(copy, frame, length);
            if (length < (kind == 0 ? 34u : kind == 1 ? 42u : 54u)) {
                assert_false(bridge_source_allowed(&o, copy, length));
            } else {
                (void)bridge_source_allowed(&o, copy, length);
            }
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(learns_and_does_not_flood_what_it_knows, begin, end),
        cmocka_unit_test_setup_teardown(keeps_what_is_local_local, begin, end),
        cmocka_unit_test_setup_teardown(stations_move_and_age, begin, end),
        cmocka_unit_test_setup_teardown(a_flood_of_addresses_evicts_nobody_elses, begin, end),
        cmocka_unit_test_setup_teardown(an_own_address_is_nobody_elses, begin, end),
        cmocka_unit_test_setup_teardown(malformed_frames_go_nowhere, begin, end),
        cmocka_unit_test(only_its_own_mac),
        cmocka_unit_test(only_its_own_ipv4),
        cmocka_unit_test(only_its_own_ipv6),
        cmocka_unit_test(ipv6_headers_hide_nothing),
        cmocka_unit_test(short_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
