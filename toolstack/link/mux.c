/* SPDX-License-Identifier: MIT */
/*
 * The multiplexer; see mux.h. Frames are put together in one buffer; a frame is acted on only when its CRC
 * and its sequence number fit. A gap in the numbers, or a DATA frame beyond the credit, means that
 * everything begins anew.
 */
#include "toolstack/link/mux.h"
#include <stdlib.h>
#include <string.h>

#define MAGIC0 0xc0
#define MAGIC1 0x7a
#define HEADER 12u
#define CRC_AT 8u
#define CREDIT_STEP                                                                                          \
    (MUX_WINDOW /                                                                                            \
     2) /* credit is given back in lumps of this: who has none left waits for bytes that are on the way */
#define HELLO_PAYLOAD 12u

enum type { HELLO = 1, OPEN, DATA, CREDIT, END, RESET };

struct mux_channel {
    struct mux *mux;
    uint16_t number;
    bool local_end, remote_end; /* END was sent, received */
    bool blocked;               /* mux_send took less than all */
    uint32_t may_send;          /* credit from the other end */
    uint32_t may_receive;       /* credit that the other end has */
    uint32_t consumed;          /* done with, not yet given back */
    void *user;
};

struct mux {
    const struct mux_ops *ops;
    void *user;
    uint32_t nonce;      /* of our last HELLO */
    uint32_t peer_nonce; /* of the other end's; 0: none came */
    bool up;             /* the other end has echoed our nonce */
    uint8_t sequence;    /* of the next frame that we send */
    uint8_t expected;    /* of the next that comes */
    struct mux_channel *channels[MUX_CHANNELS];
    unsigned next;                           /* where the search for a free number goes on */
    size_t filled;                           /* bytes of frame */
    uint8_t frame[HEADER + MUX_PAYLOAD_MAX]; /* being received */
};

/* ------------------------------------------------------------------ frames */

/* CRC-32 (IEEE 802.3, reflected), continued from crc; 0 at the start. */
static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t length)
{
    static uint32_t table[16];

    if (table[1] == 0) {
        for (uint32_t i = 0; i < 16; i++) {
            uint32_t value = i;

            for (unsigned bit = 0; bit < 4; bit++) {
                value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
            }
            table[i] = value;
        }
    }
    crc = ~crc;
    while (length--) {
        crc ^= *data++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static void put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value);
    put16(to + 2, value >> 16);
}

static uint32_t get16(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8;
}

static uint32_t get32(const uint8_t *from)
{
    return get16(from) | get16(from + 2) << 16;
}

static uint32_t frame_crc(const uint8_t *frame, size_t length)
{
    return crc32(crc32(0, frame, CRC_AT), frame + HEADER, length);
}

static void send_frame(struct mux *mux, enum type type, unsigned channel, const void *payload, size_t length)
{
    uint8_t frame[HEADER + MUX_PAYLOAD_MAX] = {MAGIC0, MAGIC1, (uint8_t)type, mux->sequence++};

    put16(frame + 4, channel);
    put16(frame + 6, (uint32_t)length);
    if (length) {
        memcpy(frame + HEADER, payload, length);
    }
    put32(frame + CRC_AT, frame_crc(frame, length));
    mux->ops->send(mux->user, frame, HEADER + length);
}

static void send_number(struct mux *mux, enum type type, unsigned channel, uint32_t number)
{
    uint8_t payload[4];

    put32(payload, number);
    send_frame(mux, type, channel, payload, sizeof(payload));
}

static void send_hello(struct mux *mux)
{
    uint8_t payload[HELLO_PAYLOAD];

    put32(payload, MUX_VERSION);
    put32(payload + 4, mux->nonce);
    put32(payload + 8, mux->peer_nonce);
    send_frame(mux, HELLO, 0, payload, sizeof(payload));
}

/* ------------------------------------------------------------------ channels */

static struct mux_channel *channel_new(struct mux *mux, unsigned number)
{
    struct mux_channel *channel = calloc(1, sizeof(*channel));

    if (channel) {
        channel->mux = mux;
        channel->number = (uint16_t)number;
        channel->may_send = channel->may_receive = MUX_WINDOW;
        mux->channels[number] = channel;
    }
    return channel;
}

static void channel_free(struct mux_channel *channel)
{
    channel->mux->channels[channel->number] = NULL;
    free(channel);
}

/* Ends a channel that the user still knows. */
static void channel_close(struct mux_channel *channel)
{
    struct mux *mux = channel->mux;

    mux->channels[channel->number] = NULL;
    mux->ops->closed(mux->user, channel);
    free(channel);
}

static void close_all(struct mux *mux)
{
    for (unsigned i = 0; i < MUX_CHANNELS; i++) {
        if (mux->channels[i]) {
            channel_close(mux->channels[i]);
        }
    }
}

/* A frame was lost: both ends begin anew. */
static void start_over(struct mux *mux)
{
    mux->nonce = mux->nonce == UINT32_MAX ? 1 : mux->nonce + 1;
    mux->up = false;
    close_all(mux);
    send_hello(mux);
}

/* ------------------------------------------------------------------ frames that arrive */

static void got_hello(struct mux *mux, const uint8_t *payload, size_t length)
{
    uint32_t nonce, echo;
    bool fresh;

    if (length != HELLO_PAYLOAD || get32(payload) != MUX_VERSION) {
        return;
    }
    nonce = get32(payload + 4);
    echo = get32(payload + 8);
    fresh = nonce != mux->peer_nonce;
    if (fresh) {
        mux->peer_nonce = nonce;
        mux->up = false;
        close_all(mux);
    }
    mux->expected = (uint8_t)(mux->frame[3] + 1);
    if (fresh || echo != mux->nonce) {
        send_hello(mux);
    }
    if (echo == mux->nonce && !mux->up) {
        mux->up = true;
        if (mux->ops->up) {
            mux->ops->up(mux->user);
        }
    }
}

static void got_open(struct mux *mux, unsigned number)
{
    struct mux_channel *channel;

    if (mux->channels[number]) {
        start_over(mux);
        return;
    }
    channel = mux->ops->opened ? channel_new(mux, number) : NULL;
    if (channel && !mux->ops->opened(mux->user, channel)) {
        channel_free(channel);
        channel = NULL;
    }
    if (!channel) {
        send_frame(mux, RESET, number, NULL, 0);
    }
}

static void got_data(struct mux *mux, struct mux_channel *channel, const uint8_t *data, size_t length)
{
    if (length > channel->may_receive || channel->remote_end) {
        start_over(mux);
        return;
    }
    channel->may_receive -= (uint32_t)length;
    mux->ops->data(mux->user, channel, data, length);
}

static void got_credit(struct mux *mux, struct mux_channel *channel, const uint8_t *payload, size_t length)
{
    uint32_t credit = length == 4 ? get32(payload) : 0;

    if (credit == 0 || credit > MUX_WINDOW - channel->may_send) {
        start_over(mux);
        return;
    }
    channel->may_send += credit;
    if (channel->blocked) {
        channel->blocked = false;
        mux->ops->writable(mux->user, channel);
    }
}

static void got_end(struct mux *mux, struct mux_channel *channel)
{
    channel->remote_end = true;
    if (channel->local_end) {
        channel_close(channel);
    } else {
        mux->ops->ended(mux->user, channel);
    }
}

/* A frame of a channel that exists, or may not. */
static void got_channel_frame(struct mux *mux, enum type type, unsigned number, const uint8_t *payload,
                              size_t length)
{
    struct mux_channel *channel = mux->channels[number];

    if (!channel) {
        if (type != RESET && type != CREDIT) { /* credit may cross with the end of its channel */
            send_frame(mux, RESET, number, NULL, 0);
        }
        return;
    }
    switch (type) {
    case DATA:
        got_data(mux, channel, payload, length);
        return;
    case CREDIT:
        got_credit(mux, channel, payload, length);
        return;
    case END:
        got_end(mux, channel);
        return;
    default:
        channel_close(channel);
        return;
    }
}

/* The frame in the buffer is whole and its CRC fits. */
static void got_frame(struct mux *mux)
{
    unsigned type = mux->frame[2], number = get16(mux->frame + 4);
    size_t length = get16(mux->frame + 6);
    const uint8_t *payload = mux->frame + HEADER;

    if (type == HELLO) {
        got_hello(mux, payload, length);
    } else if (!mux->up) {
        return; /* of a time before */
    } else if (mux->frame[3] != mux->expected || type < OPEN || type > RESET || number >= MUX_CHANNELS) {
        start_over(mux);
    } else {
        mux->expected++;
        if (type == OPEN) {
            got_open(mux, number);
        } else {
            got_channel_frame(mux, (enum type)type, number, payload, length);
        }
    }
}

/* Drops the first byte and all before the next that can begin a frame. */
static void resynchronize(struct mux *mux)
{
    size_t skip = 1;

    while (skip < mux->filled &&
           !(mux->frame[skip] == MAGIC0 && (skip + 1 == mux->filled || mux->frame[skip + 1] == MAGIC1))) {
        skip++;
    }
    mux->filled -= skip;
    memmove(mux->frame, mux->frame + skip, mux->filled);
}

/*
 * How many bytes the frame that the buffer begins with has, as far as its first bytes tell; 0: it is none.
 * A frame of which too little is there to tell wants more.
 */
static size_t frame_size(const struct mux *mux)
{
    const uint8_t *f = mux->frame;

    if ((mux->filled >= 1 && f[0] != MAGIC0) || (mux->filled >= 2 && f[1] != MAGIC1)) {
        return 0;
    }
    if (mux->filled < HEADER) {
        return HEADER;
    }
    return get16(f + 6) <= MUX_PAYLOAD_MAX ? HEADER + get16(f + 6) : 0;
}

/* Acts on what is whole in the buffer. True: a frame or noise was taken out, and there may be more. */
static bool take_frame(struct mux *mux)
{
    size_t size = frame_size(mux);

    if (size == 0) {
        resynchronize(mux);
        return mux->filled > 0;
    }
    if (mux->filled < size) {
        return false;
    }
    if (frame_crc(mux->frame, size - HEADER) != get32(mux->frame + CRC_AT)) {
        resynchronize(mux);
        return mux->filled > 0;
    }
    got_frame(mux);
    mux->filled -= size;
    memmove(mux->frame, mux->frame + size, mux->filled);
    return mux->filled > 0;
}

void mux_receive(struct mux *mux, const void *data, size_t length)
{
    const uint8_t *bytes = data;

    while (length) {
        size_t size = frame_size(mux);
        size_t want = size > mux->filled ? size - mux->filled : 0, step = length < want ? length : want;

        memcpy(mux->frame + mux->filled, bytes, step);
        mux->filled += step;
        bytes += step;
        length -= step;
        while (take_frame(mux)) {
        }
    }
}

/* ------------------------------------------------------------------ what the user does */

struct mux *mux_create(const struct mux_ops *ops, void *user, uint32_t nonce)
{
    struct mux *mux = calloc(1, sizeof(*mux));

    if (mux) {
        mux->ops = ops; /* set first: HELLO goes out here */
        mux->user = user;
        mux->nonce = nonce;
        send_hello(mux);
    }
    return mux;
}

void mux_destroy(struct mux *mux)
{
    if (mux) {
        close_all(mux);
        free(mux);
    }
}

bool mux_is_up(const struct mux *mux)
{
    return mux->up;
}

struct mux_channel *mux_open(struct mux *mux)
{
    struct mux_channel *channel;

    for (unsigned tries = 0; mux->up && tries < MUX_CHANNELS; tries++) {
        unsigned number = mux->next++ % MUX_CHANNELS;

        if (!mux->channels[number]) {
            channel = channel_new(mux, number);
            if (channel) {
                send_frame(mux, OPEN, number, NULL, 0);
            }
            return channel;
        }
    }
    return NULL;
}

size_t mux_send(struct mux_channel *channel, const void *data, size_t length)
{
    size_t sent = 0;

    while (sent < length && channel->may_send && !channel->local_end) {
        size_t step = length - sent;

        step = step < MUX_PAYLOAD_MAX ? step : MUX_PAYLOAD_MAX;
        step = step < channel->may_send ? step : channel->may_send;
        channel->may_send -= (uint32_t)step;
        send_frame(channel->mux, DATA, channel->number, (const uint8_t *)data + sent, step);
        sent += step;
    }
    channel->blocked = sent < length;
    return sent;
}

void mux_consumed(struct mux_channel *channel, size_t length)
{
    channel->consumed += (uint32_t)length;
    if (channel->consumed >= CREDIT_STEP && !channel->remote_end) {
        send_number(channel->mux, CREDIT, channel->number, channel->consumed);
        channel->may_receive += channel->consumed;
        channel->consumed = 0;
    }
}

void mux_end(struct mux_channel *channel)
{
    if (channel->local_end) {
        return;
    }
    channel->local_end = true;
    send_frame(channel->mux, END, channel->number, NULL, 0);
    if (channel->remote_end) {
        channel_close(channel);
    }
}

void mux_reset(struct mux_channel *channel)
{
    send_frame(channel->mux, RESET, channel->number, NULL, 0);
    channel_free(channel);
}

void mux_channel_set_user(struct mux_channel *channel, void *user)
{
    channel->user = user;
}

void *mux_channel_user(const struct mux_channel *channel)
{
    return channel->user;
}
