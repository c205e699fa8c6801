/* SPDX-License-Identifier: MIT */
/* See peer.h. All frames are IPv4 over Ethernet, from guests that are not malicious. */
#include "tests/bench/split/peer.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "coracle/init.h"
#include "tests/bench/split/load.h"
#include "tests/system/control/test.h"
#include "toolstack/backend/bridge.h"
#include "toolstack/backend/net.h"
#include "toolstack/backend/net_frame.h"
#include "toolstack/control/xc.h"

#define IP         FRAME_ETHERNET
#define UDP        (IP + 20u)
#define MESSAGE    (UDP + 8u)
#define WAITING    (2 * LOAD_WINDOW)
#define AGAIN_NS   20000u /* between two SYNs: 20,000 instructions */
#define KNOCK_PORT 1024u

static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0xff, 0xff, 0xfe}, address[4] = {10, 9, 0, 254};
static struct bridge_port *port;
static struct net_frame_buffer *waiting[WAITING]; /* frames that go out in the next turn */
static unsigned nr_waiting;
static struct loop_task turn;
static struct loop_timer again;
static uint16_t watched[3]; /* guest, server, ourselves */
static uint64_t echo_sum, answered;
static unsigned echo_count;
static bool done;
static uint8_t knock_mac[6], knock_address[4];
static uint16_t knock_port, knocks;
static struct {
    struct net_frame_buffer *request; /* NULL: nobody asked */
    uint32_t left, out;               /* to be sent; sent and not heard of */
} source;

/* ------------------------------------------------------------------ clocks */

static struct {
    uint64_t all, own[3];
} began;

uint64_t peer_used(uint16_t domid)
{
    struct xen_domctl_getdomaininfo info;

    return !xc_domain_info(domid, &info) ? info.cpu_time : 0;
}

/* The profiler counts from the one to the other: tests/bench/profile/profile. */
__attribute__((noinline)) static void profiled_begin(void)
{
    __asm__ volatile("/* begins */");
}

__attribute__((noinline)) static void profiled_end(void)
{
    __asm__ volatile("/* ends: not the same function */");
}

/* What the setting profile= names. */
static bool is_profiled(const struct load_message *message)
{
    const char *name = cor_setting("profile");

    return name && strcmp(name, message->name) == 0;
}

static void begin(const struct load_message *message)
{
    echo_sum = echo_count = 0;
    for (unsigned i = 0; i < 3; i++) {
        began.own[i] = peer_used(watched[i]);
    }
    if (is_profiled(message)) {
        profiled_begin();
    }
    began.all = cor_monotonic_ns();
}

/* A figure with two places: count is large where these matter. */
static void print_share(const char *name, const char *whose, uint64_t sum, uint32_t count)
{
    uint64_t hundredths = (sum * 100 + count / 2) / count;

    printf("bench %s%s %" PRIu64 ".%02" PRIu64 "\n", name, whose, hundredths / 100, hundredths % 100);
}

/* Whose instructions they were; in the rest of the time the processor had nothing to do. */
static void end(const struct load_message *message)
{
    static const char *const whose[] = {"_guest", "_server", "_control"};
    uint64_t all = cor_monotonic_ns() - began.all;

    if (is_profiled(message)) {
        profiled_end();
    }
    if (echo_count) {
        print_share(message->name, "_out", echo_sum, echo_count);
    }
    for (unsigned i = 0; i < 3; i++) {
        uint64_t own = peer_used(watched[i]) - began.own[i];

        print_share(message->name, whose[i], own, message->count);
        all -= own < all ? own : all;
    }
    print_share(message->name, "_idle", all, message->count);
    CHECK(all * 100 <= cor_monotonic_ns() - began.all); /* nobody waits for a timer */
}

/* ------------------------------------------------------------------ frames out */

static void send(struct net_frame_buffer *frame)
{
    if (frame && nr_waiting < WAITING) {
        waiting[nr_waiting++] = frame;
        loop_post(&turn);
    } else if (frame) {
        frame_release(frame);
    }
}

static struct net_frame_buffer *copy(const struct net_frame_buffer *frame)
{
    struct net_frame_buffer *mine = frame_new(frame->length);

    if (mine) {
        memcpy(mine->data, frame->data, frame->length);
    }
    return mine;
}

/* Back to where it came from: all sums stay the same, and UDP's there is none. */
static struct net_frame_buffer *returned(const struct net_frame_buffer *frame)
{
    struct net_frame_buffer *back = copy(frame);

    if (back) {
        memcpy(back->data, frame->data + 6, 6);
        memcpy(back->data + 6, mac, 6);
        memcpy(back->data + IP + 12, frame->data + IP + 16, 4);
        memcpy(back->data + IP + 16, frame->data + IP + 12, 4);
        memcpy(back->data + UDP, frame->data + UDP + 2, 2);
        memcpy(back->data + UDP + 2, frame->data + UDP, 2);
        memset(back->data + UDP + 6, 0, 2);
    }
    return back;
}

static void send_window(void)
{
    for (; source.left && source.out < LOAD_WINDOW; source.left--, source.out++) {
        send(copy(source.request));
    }
}

/* Frames leave the bridge's own turn, which delivers no other frame. */
static void run(struct loop_task *task)
{
    (void)task;
    for (unsigned i = 0; i < nr_waiting; i++) {
        struct load_message *message = (struct load_message *)(waiting[i]->data + MESSAGE);
        uint64_t now = cor_monotonic_ns();

        if (waiting[i]->length >= MESSAGE + sizeof(*message) && message->kind == LOAD_ECHO) {
            message->stamp = now;
        }
        bridge_input(port, waiting[i]->data, waiting[i]->length, now, waiting[i]);
        frame_release(waiting[i]);
    }
    nr_waiting = 0;
}

/* ------------------------------------------------------------------ frames in */

static void answer_arp(const struct net_frame_buffer *frame)
{
    const uint8_t *asked = frame->data + IP;
    struct net_frame_buffer *back;
    uint8_t *arp;

    if (frame->length < IP + 28 || asked[7] != 1 || memcmp(asked + 24, address, 4) != 0) {
        return;
    }
    back = copy(frame);
    if (back) {
        arp = back->data + IP;
        memcpy(back->data, frame->data + 6, 6);
        memcpy(back->data + 6, mac, 6);
        arp[7] = 2;
        memcpy(arp + 8, mac, 6);
        memcpy(arp + 14, address, 4);
        memcpy(arp + 18, asked + 8, 10);
    }
    send(back);
}

static void take_source(const struct net_frame_buffer *frame, const struct load_message *message)
{
    if (source.request) {
        frame_release(source.request);
    }
    source.request = returned(frame);
    source.left = source.request ? message->count : 0;
    source.out = 0;
    begin(message);
    send_window();
}

static void take_came(const struct load_message *message)
{
    source.out -= LOAD_WINDOW;
    if (source.left || source.out) {
        send_window();
    } else {
        end(message);
    }
}

static void take_message(const struct net_frame_buffer *frame)
{
    struct load_message message;

    memcpy(&message, frame->data + MESSAGE, sizeof(message));
    switch (message.kind) {
    case LOAD_BEGIN:
        begin(&message);
        break;
    case LOAD_END:
        end(&message);
        break;
    case LOAD_ECHO:
        echo_sum += cor_monotonic_ns() - message.stamp;
        echo_count++;
        send(returned(frame));
        break;
    case LOAD_SOURCE:
        take_source(frame, &message);
        break;
    case LOAD_CAME:
        take_came(&message);
        break;
    case LOAD_VALUE:
        printf("bench %s %" PRIu64 "\n", message.name, message.stamp);
        break;
    case LOAD_DONE:
        done = true;
        break;
    default: /* LOAD_SINK */
        break;
    }
}

static void deliver(void *argument, void *handle)
{
    const struct net_frame_buffer *frame = handle;
    const uint8_t *data = frame->data;

    (void)argument;
    if (data[12] == 0x08 && data[13] == 0x06) {
        answer_arp(frame);
    } else if (data[12] != 0x08 || data[13] != 0x00 || memcmp(data + IP + 16, address, 4) != 0) {
        return;
    } else if (data[IP + 9] == 17 && frame->length >= MESSAGE + sizeof(struct load_message)) {
        take_message(frame);
    } else if (data[IP + 9] == 6 && frame->length >= UDP + 20 && (data[UDP + 13] & 0x3f) == 0x12 &&
               !answered) { /* SYN and ACK */
        answered = cor_monotonic_ns();
        loop_timer_stop(&again);
    }
}

/* ------------------------------------------------------------------ a connection's first segment */

static uint32_t add_words(const uint8_t *data, size_t length, uint32_t sum)
{
    for (size_t i = 0; i < length; i += 2) {
        sum += (uint32_t)(data[i] << 8 | data[i + 1]);
    }
    return sum;
}

static void put_sum(uint8_t *place, uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    place[0] = (uint8_t)(sum >> 8);
    place[1] = (uint8_t)sum;
}

static struct net_frame_buffer *make_syn(void)
{
    static const uint8_t ip[12] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0};
    struct net_frame_buffer *frame = frame_new(UDP + 20);
    uint16_t from = (uint16_t)(KNOCK_PORT + knocks++);
    uint8_t *tcp;

    if (!frame) {
        return NULL;
    }
    memset(frame->data, 0, frame->length);
    memcpy(frame->data, knock_mac, 6);
    memcpy(frame->data + 6, mac, 6);
    frame->data[12] = 0x08;
    memcpy(frame->data + IP, ip, sizeof(ip));
    memcpy(frame->data + IP + 12, address, 4);
    memcpy(frame->data + IP + 16, knock_address, 4);
    put_sum(frame->data + IP + 10, add_words(frame->data + IP, 20, 0));
    tcp = frame->data + UDP;
    tcp[0] = (uint8_t)(from >> 8);
    tcp[1] = (uint8_t)from;
    tcp[2] = (uint8_t)(knock_port >> 8);
    tcp[3] = (uint8_t)knock_port;
    tcp[7] = 1; /* sequence number */
    tcp[12] = 0x50;
    tcp[13] = 0x02; /* SYN */
    tcp[14] = 0x20; /* window */
    put_sum(tcp + 16, add_words(frame->data + IP + 12, 28, 6 + 20));
    return frame;
}

static void knock(struct loop_task *task)
{
    (void)task;
    send(make_syn());
    loop_timer_set(&again, cor_monotonic_ns() + AGAIN_NS);
}

void peer_knock(const uint8_t to_mac[6], const uint8_t to[4], uint16_t to_port)
{
    memcpy(knock_mac, to_mac, sizeof(knock_mac));
    memcpy(knock_address, to, sizeof(knock_address));
    knock_port = to_port;
    answered = 0;
    again.task.run = knock;
    loop_timer_set(&again, cor_monotonic_ns());
}

uint64_t peer_answered(void)
{
    return answered;
}

/* ------------------------------------------------------------------ life */

bool peer_join(const char *name)
{
    struct bridge_port_options options = {.has_mac = true, .deliver = deliver};
    struct bridge *bridge = netback_bridge(name);
    int error;

    memcpy(options.mac, mac, sizeof(options.mac));
    turn.run = run;
    done = false;
    port = bridge ? bridge_add(bridge, &options, &error) : NULL;
    return port != NULL;
}

void peer_leave(void)
{
    loop_timer_stop(&again);
    loop_cancel(&turn);
    while (nr_waiting) {
        frame_release(waiting[--nr_waiting]);
    }
    if (source.request) {
        frame_release(source.request);
    }
    source.request = NULL;
    bridge_remove(port);
}

void peer_watch(uint16_t guest, uint16_t server)
{
    watched[0] = guest;
    watched[1] = server;
}

bool peer_is_done(void)
{
    return done;
}
