/* SPDX-License-Identifier: MIT */
#include "toolstack/backend/net_frame.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/mem.h"

/* ------------------------------------------------------------------ memory */

#define LARGE_SIZE (16 * COR_PAGE_SIZE)
#define SMALL_KEPT 512u
#define LARGE_KEPT 16u

_Static_assert(FRAME_MAX <= LARGE_SIZE, "the longest frame fits into a large buffer");

/* Free buffers, with their memory. */
static struct {
    struct net_frame_buffer *first;
    unsigned count;
} pools[2];

struct net_frame_buffer *frame_new(uint32_t length)
{
    bool large = length > COR_PAGE_SIZE;
    struct net_frame_buffer *frame = pools[large].first;
    uint8_t *data;

    if (length > FRAME_MAX) {
        return NULL;
    }
    if (frame) {
        pools[large].first = frame->next;
        pools[large].count--;
        data = frame->data;
    } else {
        frame = malloc(sizeof(*frame));
        data = frame ? cor_map(large ? LARGE_SIZE : COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE) : NULL;
        if (!data) {
            free(frame);
            return NULL;
        }
    }
    *frame = (struct net_frame_buffer){.data = data, .length = length, .references = 1, .large = large};
    return frame;
}

void frame_hold(struct net_frame_buffer *frame)
{
    frame->references++;
}

static void frame_free(struct net_frame_buffer *frame)
{
    cor_unmap(frame->data, frame->large ? LARGE_SIZE : COR_PAGE_SIZE);
    free(frame);
}

void frame_release(struct net_frame_buffer *frame)
{
    if (--frame->references) {
        return;
    }
    if (pools[frame->large].count >= (frame->large ? LARGE_KEPT : SMALL_KEPT)) {
        frame_free(frame);
        return;
    }
    frame->next = pools[frame->large].first;
    pools[frame->large].first = frame;
    pools[frame->large].count++;
}

void frame_trim(void)
{
    for (unsigned i = 0; i < 2; i++) {
        while (pools[i].first) {
            struct net_frame_buffer *frame = pools[i].first;

            pools[i].first = frame->next;
            frame_free(frame);
        }
        pools[i].count = 0;
    }
}

/* ------------------------------------------------------------------ headers */

#define TCP 6u
#define UDP 17u

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/*
 * The ones' complement sum of 16-bit words in network order, not folded; an odd last byte is a high one.
 * Most is summed as it lies: the sum of swapped words is the swapped sum (RFC 1071, 2).
 */
static uint64_t add_words(const uint8_t *p, size_t length, uint64_t sum)
{
    uint64_t swapped = 0, words;

    for (; length >= sizeof(words); length -= sizeof(words), p += sizeof(words)) {
        memcpy(&words, p, sizeof(words));
        swapped += (words & 0xffffffff) + (words >> 32);
    }
    sum += __builtin_bswap16(fold(swapped));
    for (; length > 1; length -= 2, p += 2) {
        sum += get16(p);
    }
    return length ? sum + (uint32_t)(p[0] << 8) : sum;
}

static bool parse_ip(const struct net_frame_buffer *frame, struct frame_layout *layout)
{
    const uint8_t *data = frame->data;
    unsigned ip = FRAME_ETHERNET, header;

    if (frame->length < ip + 20) {
        return false;
    }
    layout->ip = (uint16_t)ip;
    if (get16(data + 12) == 0x0800) {
        header = (data[ip] & 15u) * 4u;
        layout->ipv6 = false;
        layout->protocol = data[ip + 9];
        layout->transport = (uint16_t)(ip + header);
        /* a fragment's transport header is in the first one alone, and its checksum covers them all */
        return data[ip] >> 4 == 4 && header >= 20 && !(get16(data + ip + 6) & 0x3fff);
    }
    layout->ipv6 = true;
    layout->protocol = data[ip + 6];
    layout->transport = (uint16_t)(ip + 40);
    return get16(data + 12) == 0x86dd && frame->length >= ip + 40 && data[ip] >> 4 == 6;
}

bool frame_parse(const struct net_frame_buffer *frame, struct frame_layout *layout)
{
    unsigned header;

    memset(layout, 0, sizeof(*layout));
    if (!parse_ip(frame, layout)) {
        return false;
    }
    if (layout->protocol == UDP) {
        layout->checksum_offset = 6;
        return frame->length >= layout->transport + 8u;
    }
    if (layout->protocol != TCP || frame->length < layout->transport + 20u) {
        return false;
    }
    header = (frame->data[layout->transport + 12] >> 4) * 4u;
    layout->checksum_offset = 16;
    layout->payload = (uint16_t)(layout->transport + header);
    return header >= 20 && frame->length >= layout->payload;
}

/* Where the datagram ends; Ethernet may have padding behind it. */
static uint32_t datagram_end(const struct net_frame_buffer *frame, const struct frame_layout *layout)
{
    const uint8_t *ip = frame->data + layout->ip;
    uint32_t end = layout->ip + (layout->ipv6 ? 40u + get16(ip + 4) : get16(ip + 2));

    return end < layout->transport || end > frame->length ? frame->length : end;
}

bool frame_finish_checksum(struct net_frame_buffer *frame)
{
    struct frame_layout layout;
    uint8_t *place;
    uint16_t sum;

    if (!frame->checksum_blank) {
        return true;
    }
    if (!frame_parse(frame, &layout)) {
        return false;
    }
    place = frame->data + layout.transport + layout.checksum_offset;
    sum = fold(add_words(frame->data + layout.transport, datagram_end(frame, &layout) - layout.transport, 0));
    sum = (uint16_t)~sum;
    put16(place, layout.protocol == UDP && sum == 0 ? 0xffff : sum); /* UDP: 0 means that there is none */
    frame->checksum_blank = false;
    frame->validated = true;
    return true;
}

/* ------------------------------------------------------------------ segmentation */

#define FIN_PSH 0x09
#define CWR     0x80

/* Makes the headers of a segment right: its payload is the frame's [at, at + size). */
static void fit_headers(struct net_frame_buffer *segment, const struct frame_layout *layout, uint32_t at,
                        unsigned number, bool last)
{
    uint8_t *ip = segment->data + layout->ip, *tcp = segment->data + layout->transport;
    uint32_t length = segment->length - layout->transport; /* TCP's header and payload */
    uint64_t sum;

    if (layout->ipv6) {
        put16(ip + 4, length);
        sum = add_words(ip + 8, 32, TCP + length);
    } else {
        put16(ip + 2, segment->length - layout->ip);
        put16(ip + 4, get16(ip + 4) + number);
        put16(ip + 10, 0);
        put16(ip + 10, (uint16_t)~fold(add_words(ip, (size_t)(layout->transport - layout->ip), 0)));
        sum = add_words(ip + 12, 8, TCP + length);
    }
    put32(tcp + 4, get32(tcp + 4) + at);
    if (!last) {
        tcp[13] &= (uint8_t)~FIN_PSH;
    }
    if (number) {
        tcp[13] &= (uint8_t)~CWR; /* said once */
    }
    put16(tcp + 16, fold(sum));
    segment->checksum_blank = true;
}

int frame_segment(const struct net_frame_buffer *frame,
                  void (*emit)(void *argument, struct net_frame_buffer *segment), void *argument)
{
    struct frame_layout layout;
    uint32_t payload, end;

    if (!frame_parse(frame, &layout) || layout.protocol != TCP || !frame->gso_size ||
        layout.ipv6 != (frame->gso == FRAME_GSO_TCPV6)) {
        return -EINVAL;
    }
    end = frame->length;
    payload = end - layout.payload;
    for (uint32_t at = 0, number = 0; at < payload || number == 0; at += frame->gso_size, number++) {
        uint32_t size = payload - at < frame->gso_size ? payload - at : frame->gso_size;
        struct net_frame_buffer *segment = frame_new(layout.payload + size);

        if (!segment) {
            return -ENOMEM;
        }
        memcpy(segment->data, frame->data, layout.payload);
        memcpy(segment->data + layout.payload, frame->data + layout.payload + at, size);
        fit_headers(segment, &layout, at, number, at + size == payload);
        emit(argument, segment);
    }
    return 0;
}
