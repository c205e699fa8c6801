/* SPDX-License-Identifier: MIT */
/* The multiplexer: two ends of one line, with the line in between doing what lines do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "toolstack/link/mux.h"

#define QUEUE 400000

/* What one end knows of a channel. */
struct peer {
    struct mux_channel *channel;
    uint8_t *got;
    size_t got_length, unconsumed;
    bool ended, closed, writable;
};

struct end {
    struct mux *mux;
    uint8_t line[QUEUE]; /* bytes on their way to the other end */
    size_t length;
    bool refuse, hold; /* refuse new channels; do not consume at once */
    unsigned ups, opened;
    struct peer accepted[64];
};

static void on_send(void *user, const void *data, size_t length)
{
    struct end *end = user;

    assert_true(end->length + length <= QUEUE);
    memcpy(end->line + end->length, data, length);
    end->length += length;
}

static bool on_opened(void *user, struct mux_channel *channel)
{
    struct end *end = user;

    if (end->refuse) {
        return false;
    }
    end->accepted[end->opened].channel = channel;
    mux_channel_set_user(channel, &end->accepted[end->opened++]);
    return true;
}

static void on_data(void *user, struct mux_channel *channel, const void *data, size_t length)
{
    struct end *end = user;
    struct peer *peer = mux_channel_user(channel);

    peer->got = realloc(peer->got, peer->got_length + length);
    assert_non_null(peer->got);
    memcpy(peer->got + peer->got_length, data, length);
    peer->got_length += length;
    if (end->hold) {
        peer->unconsumed += length;
    } else {
        mux_consumed(channel, length);
    }
}

static void on_ended(void *user, struct mux_channel *channel)
{
    (void)user;
    ((struct peer *)mux_channel_user(channel))->ended = true;
}

static void on_writable(void *user, struct mux_channel *channel)
{
    (void)user;
    ((struct peer *)mux_channel_user(channel))->writable = true;
}

static void on_closed(void *user, struct mux_channel *channel)
{
    struct peer *peer = mux_channel_user(channel);

    (void)user;
    peer->closed = true;
    peer->channel = NULL;
}

static void on_up(void *user)
{
    ((struct end *)user)->ups++;
}

static const struct mux_ops ops = {on_send, on_opened, on_data, on_ended, on_writable, on_closed, on_up};

static struct end ends[2];

/* Delivers what is on the line, `step` bytes at a time, until nothing moves. */
static void settle(size_t step)
{
    while (ends[0].length || ends[1].length) {
        for (unsigned i = 0; i < 2; i++) {
            size_t n = ends[i].length < step ? ends[i].length : step;
            uint8_t bytes[QUEUE / 100];

            assert_true(n <= sizeof(bytes));
            memcpy(bytes, ends[i].line, n);
            ends[i].length -= n;
            memmove(ends[i].line, ends[i].line + n, ends[i].length);
            mux_receive(ends[!i].mux, bytes, n);
        }
    }
}

static int setup(void **state)
{
    (void)state;
    memset(ends, 0, sizeof(ends));
    ends[0].mux = mux_create(&ops, &ends[0], 100);
    ends[1].mux = mux_create(&ops, &ends[1], 200);
    settle(7);
    return ends[0].mux && ends[1].mux ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        mux_destroy(ends[i].mux);
        for (unsigned j = 0; j < 64; j++) {
            free(ends[i].accepted[j].got);
        }
    }
    return 0;
}

static struct mux_channel *open_channel(struct peer *peer)
{
    struct mux_channel *channel = mux_open(ends[0].mux);

    assert_non_null(channel);
    *peer = (struct peer){.channel = channel};
    mux_channel_set_user(channel, peer);
    settle(1000);
    return channel;
}

static void both_come_up(void **state)
{
    (void)state;
    assert_true(mux_is_up(ends[0].mux) && mux_is_up(ends[1].mux));
    assert_int_equal(ends[0].ups, 1);
    assert_int_equal(ends[1].ups, 1);
}

static void bytes_arrive_in_order_both_ways(void **state)
{
    static struct peer peer;
    struct mux_channel *channel = open_channel(&peer);
    uint8_t data[5000];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    assert_int_equal(mux_send(channel, data, sizeof(data)), sizeof(data));
    assert_int_equal(mux_send(ends[1].accepted[0].channel, data, 3), 3);
    settle(1);
    assert_int_equal(ends[1].accepted[0].got_length, sizeof(data));
    assert_memory_equal(ends[1].accepted[0].got, data, sizeof(data));
    assert_int_equal(peer.got_length, 3);
    free(peer.got);
}

static void a_receiver_that_does_not_consume_stops_the_sender_alone(void **state)
{
    static struct peer slow, quick;
    struct mux_channel *channel = open_channel(&slow), *other = open_channel(&quick);
    struct peer *receiver = &ends[1].accepted[0];
    static uint8_t data[MUX_WINDOW * 2];

    (void)state;
    ends[1].hold = true;
    assert_int_equal(mux_send(channel, data, sizeof(data)), MUX_WINDOW);
    assert_int_equal(mux_send(channel, data, 1), 0);
    settle(500);
    assert_int_equal(receiver->got_length, MUX_WINDOW);
    assert_false(slow.writable);
    assert_int_equal(mux_send(other, data, 100), 100);
    settle(500);
    assert_int_equal(ends[1].accepted[1].got_length, 100);
    mux_consumed(receiver->channel, MUX_WINDOW);
    settle(500);
    assert_true(slow.writable);
    assert_int_equal(mux_send(channel, data, sizeof(data)), MUX_WINDOW);
    settle(500);
}

static void ends_when_both_have_ended(void **state)
{
    static struct peer peer;
    struct mux_channel *channel = open_channel(&peer);
    struct peer *other = &ends[1].accepted[0];

    (void)state;
    mux_end(channel);
    settle(5);
    assert_true(other->ended);
    assert_false(other->closed || peer.closed);
    assert_int_equal(mux_send(other->channel, "late", 4), 4);
    mux_end(other->channel);
    assert_true(other->closed);
    settle(5);
    assert_true(peer.closed);
    assert_memory_equal(peer.got, "late", 4);
    free(peer.got);
}

static void reset_and_refusal_close(void **state)
{
    static struct peer peer, refused;
    struct mux_channel *channel = open_channel(&peer);

    (void)state;
    mux_reset(channel);
    settle(5);
    assert_true(ends[1].accepted[0].closed);
    assert_false(peer.closed);
    ends[1].refuse = true;
    open_channel(&refused);
    assert_true(refused.closed);
}

static void numbers_come_round(void **state)
{
    static struct peer peer;

    (void)state;
    for (unsigned i = 0; i < 3 * MUX_CHANNELS; i++) {
        ends[1].opened = 0;
        mux_reset(open_channel(&peer));
        settle(100);
    }
}

static void all_channels_at_once_and_no_more(void **state)
{
    static struct peer peers[MUX_CHANNELS];

    (void)state;
    for (unsigned i = 0; i < MUX_CHANNELS; i++) {
        ends[1].opened = 0;
        open_channel(&peers[i]);
    }
    assert_null(mux_open(ends[0].mux));
    mux_reset(peers[77].channel);
    ends[1].opened = 0;
    open_channel(&peers[77]);
    assert_false(peers[77].closed);
}

static void noise_between_frames_is_skipped(void **state)
{
    static struct peer peer;
    struct mux_channel *channel = open_channel(&peer);
    static const uint8_t noise[] = "boot \xc0\xc0\x7a hello \xc0";

    (void)state;
    /* Before the first HELLO there may be anything. */
    mux_destroy(ends[0].mux);
    ends[0].mux = NULL;
    ends[0].length = 0;
    peer.channel = channel;
    memcpy(ends[0].line, noise, sizeof(noise));
    ends[0].length = sizeof(noise);
    ends[0].mux = mux_create(&ops, &ends[0], 101);
    settle(3);
    assert_true(mux_is_up(ends[0].mux));
    assert_true(ends[1].accepted[0].closed); /* the other end began anew, too */
    ends[1].opened = 0;
    free(ends[1].accepted[0].got);
    memset(ends[1].accepted, 0, sizeof(ends[1].accepted));
    channel = open_channel(&peer);
    assert_int_equal(mux_send(channel, "x", 1), 1);
    settle(3);
    assert_int_equal(ends[1].accepted[0].got_length, 1);
}

/* A byte lost or changed anywhere resets the channels, and nothing false is ever delivered. */
static void damage_resets_and_never_delivers_false_bytes(void **state)
{
    static uint8_t data[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i % 251);
    }
    for (unsigned round = 0; round < 400; round++) {
        static struct peer peer;
        struct mux_channel *channel;
        size_t at;

        ends[1].opened = 0;
        free(ends[1].accepted[0].got);
        ends[1].accepted[0] = (struct peer){0};
        channel = open_channel(&peer);
        assert_int_equal(mux_send(channel, data, sizeof(data)), sizeof(data));
        at = (size_t)rand() % ends[0].length;
        if (round % 2) {
            ends[0].line[at] ^= (uint8_t)(1 + rand() % 255);
        } else {
            memmove(ends[0].line + at, ends[0].line + at + 1, ends[0].length - at - 1);
            ends[0].length--;
        }
        settle(1 + (size_t)rand() % 300);
        assert_true(ends[1].accepted[0].got_length <= sizeof(data));
        if (ends[1].accepted[0].got_length) {
            assert_memory_equal(ends[1].accepted[0].got, data, ends[1].accepted[0].got_length);
        }
        /* What is stuck in the middle comes out with the next bytes; then a new channel works. */
        if (!peer.closed) {
            mux_reset(channel);
        }
        for (unsigned i = 0; i < 3; i++) {
            struct peer flush;

            ends[1].opened = 0;
            free(ends[1].accepted[0].got);
            ends[1].accepted[0] = (struct peer){0};
            channel = open_channel(&flush);
            if (!flush.closed) {
                mux_send(channel, data, sizeof(data));
                settle(100);
            }
            if (!flush.closed) {
                mux_reset(channel);
                settle(100);
            }
        }
        assert_int_equal(ends[1].accepted[0].got_length, sizeof(data));
    }
}

static void credit_beyond_the_window_starts_over(void **state)
{
    static struct peer peer;
    struct mux_channel *channel = open_channel(&peer);
    unsigned ups = ends[0].ups;

    (void)state;
    /* The receiver gives credit for what it never got. */
    mux_consumed(ends[1].accepted[0].channel, MUX_WINDOW);
    settle(10);
    assert_true(peer.closed && ends[1].accepted[0].closed);
    assert_true(ends[0].ups >= ups);
    (void)channel;
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t bytes[40];
        size_t n = (size_t)rand() % sizeof(bytes);

        for (size_t j = 0; j < n; j++) {
            bytes[j] = rand() % 4 ? (uint8_t)rand() : rand() % 2 ? 0xc0 : 0x7a;
        }
        mux_receive(ends[1].mux, bytes, n);
        ends[1].length = 0;
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(both_come_up),
        CASE(bytes_arrive_in_order_both_ways),
        CASE(a_receiver_that_does_not_consume_stops_the_sender_alone),
        CASE(ends_when_both_have_ended),
        CASE(reset_and_refusal_close),
        CASE(numbers_come_round),
        CASE(all_channels_at_once_and_no_more),
        CASE(noise_between_frames_is_skipped),
        CASE(damage_resets_and_never_delivers_false_bytes),
        CASE(credit_beyond_the_window_starts_over),
        CASE(random_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
