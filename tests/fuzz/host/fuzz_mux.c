/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's target for the link's multiplexer. Steps of the input: raw bytes on the line, or a frame with
 * the right number and check sum around the input's bytes, so that it reaches what lies behind them; and
 * what our own side does with its channels.
 */
#include <string.h>
#include "toolstack/link/mux.h"
#include "tests/fuzz/host/fuzz_host.h"

#define KEPT 64

static struct mux *mux;
static struct mux_channel *kept[KEPT];
static unsigned opened;
static uint8_t sequence;
static uint32_t own_nonce;
static size_t unconsumed;

static uint32_t little(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void on_send(void *user, const void *data, size_t length)
{
    const uint8_t *frame = data;

    (void)user;
    expect(length >= 12 && length <= 12 + MUX_PAYLOAD_MAX && frame[0] == 0xc0 && frame[1] == 0x7a,
           "what is sent is a whole frame");
    expect(length == 12u + frame[6] + 256u * frame[7], "of the length that it names");
    if (frame[2] == 1) {
        own_nonce = little(frame + 16);
    }
}

static bool on_opened(void *user, struct mux_channel *channel)
{
    (void)user;
    for (unsigned i = 0; i < KEPT; i++) {
        if (!kept[i]) {
            kept[i] = channel;
            mux_channel_set_user(channel, &kept[i]);
            opened++;
            return true;
        }
    }
    return false;
}

static void on_data(void *user, struct mux_channel *channel, const void *data, size_t length)
{
    unsigned sum = 0;

    (void)user;
    expect(*(struct mux_channel **)mux_channel_user(channel) == channel, "a channel that is open");
    for (size_t i = 0; i < length; i++) {
        sum += ((const uint8_t *)data)[i];
    }
    if (sum & 1) {
        mux_consumed(channel, length);
    } else {
        unconsumed += length;
        expect(unconsumed <= (size_t)MUX_WINDOW * MUX_CHANNELS * 64, "no more than the credit");
    }
}

static void on_ended(void *user, struct mux_channel *channel)
{
    (void)user;
    expect(*(struct mux_channel **)mux_channel_user(channel) == channel, "a channel that is open");
}

static void on_closed(void *user, struct mux_channel *channel)
{
    struct mux_channel **place = mux_channel_user(channel);

    (void)user;
    expect(*place == channel, "closed once");
    *place = NULL;
}

static uint32_t crc32_of(uint32_t crc, const uint8_t *bytes, size_t length)
{
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

static void frame(struct input *input, uint8_t type)
{
    uint8_t bytes[12 + 256] = {0xc0, 0x7a, type, sequence++, next(input), 0};
    uint8_t *payload = bytes + 12;
    unsigned length = next(input);
    uint32_t crc;

    bytes[5] = next(input) & 3;
    for (unsigned i = 0; i < length; i++) {
        payload[i] = next(input);
    }
    if (type == 1 && length & 1) { /* the greeting that brings the link up */
        length = 12;
        memcpy(payload, (uint8_t[]){MUX_VERSION, 0, 0, 0, 7, 0, 0, 0}, 8);
        for (unsigned i = 0; i < 4; i++) {
            payload[8 + i] = (uint8_t)(own_nonce >> 8 * i);
        }
    }
    bytes[6] = (uint8_t)length;
    crc = crc32_of(0, bytes, 8);
    crc = crc32_of(crc, payload, length);
    for (unsigned i = 0; i < 4; i++) {
        bytes[8 + i] = (uint8_t)(crc >> 8 * i);
    }
    mux_receive(mux, bytes, 12 + length);
}

static void own_step(struct input *input, unsigned what)
{
    static const uint8_t text[3000];
    struct mux_channel **place = &kept[next(input) % KEPT], *channel = *place;

    if (!channel) {
        if (what == 3 && (channel = mux_open(mux))) {
            *place = channel;
            mux_channel_set_user(channel, place);
        }
    } else if (what == 0) {
        expect(mux_send(channel, text, sizeof(text)) <= MUX_WINDOW * 2ull * sizeof(text), "sent");
    } else if (what == 1) {
        mux_end(channel);
    } else if (what == 2) {
        *place = NULL;
        mux_reset(channel);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mux_ops ops = {on_send, on_opened, on_data, on_ended, NULL, on_closed, NULL};
    static struct mux_ops all;
    struct input input = {data, data + size};

    all = ops;
    all.writable = on_ended;
    memset(kept, 0, sizeof(kept));
    opened = 0;
    unconsumed = 0;
    sequence = 0;
    mux = mux_create(&all, NULL, 5);
    expect(mux != NULL, "there is memory");
    while (left(&input)) {
        uint8_t step = next(&input);

        if (step < 200) {
            frame(&input, step % 8);
        } else if (step < 230) {
            own_step(&input, step % 4);
        } else {
            size_t length = next(&input);

            length = length < left(&input) ? length : left(&input);
            mux_receive(mux, input.at, length);
            input.at += length;
        }
    }
    mux_destroy(mux);
    for (unsigned i = 0; i < KEPT; i++) {
        expect(!kept[i], "all channels were closed");
    }
    return 0;
}
