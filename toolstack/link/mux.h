/* SPDX-License-Identifier: MIT */
/*
 * Many connections over one line of bytes: how the API's HTTP connections reach a host over a serial line
 * or a virtio console. Both ends compile this source: the control domain accepts channels, the tool's host
 * agent opens them.
 *
 * A frame is a header of 12 bytes and the payload:
 *
 *     magic (2 bytes: 0xc0 0x7a)  type (1)  sequence (1)  channel (2)  length (2)  CRC-32 of the header so
 *     far and the payload (4)
 *
 * Numbers are little-endian; length is at most MUX_PAYLOAD_MAX; sequence counts the frames of one direction.
 *
 *     type     payload            meaning
 *     HELLO    version (4), nonce (4), echo (4)   forget all channels of another nonce than this. echo is
 *     the nonce of
 *                                 the last HELLO from the other end, 0: none yet. The link is up for who
 *                                 gets its own nonce back; until then it ignores everything but HELLO.
 *     OPEN                        a new channel; only the tool's end sends it, and chooses the number
 *     DATA     bytes              at most as many as the receiver gave credit for
 *     CREDIT   bytes (4)          so many more bytes may be sent; each side begins with MUX_WINDOW
 *     END                         no more DATA will come; the other direction goes on
 *     RESET                       the channel is gone at once; also the answer to frames of unknown channels
 *
 * What is no frame (noise, a firmware's or loader's messages) is skipped to the next magic. A frame that
 * was lost or damaged shows as a gap in the sequence; the end that notices sends HELLO with a new nonce:
 * all channels are reset, and no false or missing bytes are ever delivered.
 *
 * Pure logic: bytes in by mux_receive(), bytes out by the `send` operation. One thread.
 */
#ifndef TOOLSTACK_LINK_MUX_H
#define TOOLSTACK_LINK_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUX_VERSION     1u
#define MUX_PAYLOAD_MAX 1024u
#define MUX_WINDOW      (16u * 1024)
#define MUX_CHANNELS    1024u /* numbers 0 to 1023 */

struct mux;
struct mux_channel;

struct mux_ops {
    /* Bytes for the line, a whole frame. The other side queues what it cannot send at once. */
    void (*send)(void *user, const void *data, size_t length);
    /*
     * The other end opened a channel: set it up with mux_channel_set_user, or refuse it with false. NULL:
     * refuse.
     */
    bool (*opened)(void *user, struct mux_channel *channel);
    /* Bytes arrived; the receiver calls mux_consumed() when it has done with them (now or later). */
    void (*data)(void *user, struct mux_channel *channel, const void *data, size_t length);
    /* The other end sends no more. */
    void (*ended)(void *user, struct mux_channel *channel);
    /* More may be sent: called after mux_send took less than all. */
    void (*writable)(void *user, struct mux_channel *channel);
    /* The channel is gone: closed from both ends, or reset. The pointer is invalid afterwards. */
    void (*closed)(void *user, struct mux_channel *channel);
    /* The link is up (again): from here on channels can be opened. May be NULL. */
    void (*up)(void *user);
};

/* nonce: differs from start to start (time, random), not 0. NULL if memory is short. Sends HELLO. */
struct mux *mux_create(const struct mux_ops *ops, void *user, uint32_t nonce);
/* Resets all channels (closed() is called) and frees everything. */
void mux_destroy(struct mux *mux);

bool mux_is_up(const struct mux *mux);

/* Bytes from the line, as they come. */
void mux_receive(struct mux *mux, const void *data, size_t length);

/* A new channel; NULL if the mux is not up, all numbers are taken, or memory is short. */
struct mux_channel *mux_open(struct mux *mux);

/* Sends up to length bytes; returns how many were taken (credit), 0 if none now: writable() follows then. */
size_t mux_send(struct mux_channel *channel, const void *data, size_t length);
/* length bytes that data() delivered are done with: the other end gets as much credit. */
void mux_consumed(struct mux_channel *channel, size_t length);
/* No more will be sent. The channel is gone (closed()) when the other end has said so, too. */
void mux_end(struct mux_channel *channel);
/* Ends it in both directions at once; closed() is not called, the pointer is invalid afterwards. */
void mux_reset(struct mux_channel *channel);

void mux_channel_set_user(struct mux_channel *channel, void *user);
void *mux_channel_user(const struct mux_channel *channel);

#endif
