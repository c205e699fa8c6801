/* SPDX-License-Identifier: MIT */
/* Checksums and segmentation (toolstack/backend/net_frame.h), against sums that are reckoned here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "coracle/mem.h"
#include "toolstack/backend/net_frame.h"

static long mapped;

void *cor_map(size_t length, unsigned prot)
{
    (void)prot;
    mapped++;
    return aligned_alloc(4096, length);
}

int cor_unmap(void *address, size_t length)
{
    (void)length;
    mapped--;
    free(address);
    return 0;
}

/* RFC 1071, the plain way. 0 over data with its checksum in it: it is right. */
static uint16_t rfc1071(const uint8_t *data, size_t length, uint32_t sum)
{
    for (size_t i = 0; i < length; i++) {
        sum += (uint32_t)data[i] << (i & 1 ? 0 : 8);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static bool transport_good(const uint8_t *data, bool ipv6)
{
    const uint8_t *ip = data + 14;
    unsigned header = ipv6 ? 40 : 20;
    unsigned length = ipv6 ? (unsigned)(ip[4] << 8 | ip[5]) : (unsigned)(ip[2] << 8 | ip[3]) - header;
    uint32_t pseudo = (ipv6 ? ip[6] : ip[9]) + length;
    uint16_t part = (uint16_t)~rfc1071(ipv6 ? ip + 8 : ip + 12, ipv6 ? 32 : 8, pseudo);

    return rfc1071(ip + header, length, part) == 0;
}

/* A TCP or UDP frame with the pseudo header's sum where the checksum belongs, as a frontend sends it. */
static struct net_frame_buffer *make(bool ipv6, unsigned protocol, unsigned payload)
{
    unsigned header = ipv6 ? 40 : 20, own = protocol == 6 ? 20 : 8, total = own + payload;
    struct net_frame_buffer *frame = frame_new(14 + header + total);
    uint8_t *ip = frame->data + 14, *transport = ip + header;
    uint16_t part;

    memset(frame->data, 0, 14 + header + own);
    frame->data[12] = ipv6 ? 0x86 : 0x08;
    frame->data[13] = ipv6 ? 0xdd : 0x00;
    ip[0] = ipv6 ? 0x60 : 0x45;
    ip[ipv6 ? 4 : 2] = (uint8_t)((ipv6 ? total : total + 20) >> 8);
    ip[ipv6 ? 5 : 3] = (uint8_t)(ipv6 ? total : total + 20);
    ip[ipv6 ? 6 : 9] = (uint8_t)protocol;
    for (unsigned i = 0; i < (ipv6 ? 32u : 8u); i++) {
        ip[(ipv6 ? 8 : 12) + i] = (uint8_t)(i * 37 + 1);
    }
    if (protocol == 6) {
        transport[7] = 100; /* the sequence number */
        transport[12] = 5 << 4;
        transport[13] = 0x19; /* FIN, PSH, ACK */
    }
    for (unsigned i = 0; i < payload; i++) {
        transport[own + i] = (uint8_t)(i * 11);
    }
    part = (uint16_t)~rfc1071(ipv6 ? ip + 8 : ip + 12, ipv6 ? 32 : 8, protocol + total);
    transport[protocol == 6 ? 16 : 6] = (uint8_t)(part >> 8);
    transport[protocol == 6 ? 17 : 7] = (uint8_t)part;
    frame->checksum_blank = true;
    return frame;
}

static void checksums_are_finished(void **state)
{
    static const unsigned sizes[] = {0, 1, 2, 99, 1400};

    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct net_frame_buffer *frame = make(kind & 1, kind & 2 ? 6 : 17, sizes[i]);

            assert_true(frame_finish_checksum(frame));
            assert_false(frame->checksum_blank);
            assert_true(transport_good(frame->data, kind & 1));
            assert_true(frame_finish_checksum(frame)); /* a second time changes nothing */
            assert_true(transport_good(frame->data, kind & 1));
            frame_release(frame);
        }
    }
}

/* Padding behind a short datagram does not count. */
static void padding_is_not_summed(void **state)
{
    struct net_frame_buffer *small = make(false, 6, 1), *frame = frame_new(60);

    (void)state;
    memset(frame->data, 0xee, 60);
    memcpy(frame->data, small->data, small->length);
    frame->checksum_blank = true;
    assert_true(frame_finish_checksum(frame));
    assert_true(transport_good(frame->data, false));
    frame_release(frame);
    frame_release(small);
}

static void what_is_not_tcp_or_udp_is_refused(void **state)
{
    struct net_frame_buffer *frame = make(false, 6, 100);

    (void)state;
    frame->data[14 + 9] = 1;
    assert_false(frame_finish_checksum(frame));
    frame->data[14 + 9] = 6;
    frame->data[14 + 6] = 0x20; /* the first of several fragments */
    assert_false(frame_finish_checksum(frame));
    frame->data[14 + 6] = 0;
    frame->data[14] = 0x44; /* a header of 16 bytes */
    assert_false(frame_finish_checksum(frame));
    frame->data[14] = 0x4f; /* one of 60: what is there of TCP is short then */
    frame->length = 14 + 60 + 19;
    assert_false(frame_finish_checksum(frame));
    frame->data[14] = 0x45;
    frame->data[14 + 20 + 12] = 0xf0; /* TCP's own header ends behind the frame */
    frame->length = 14 + 20 + 59;
    assert_false(frame_finish_checksum(frame));
    for (uint32_t length = 0; length < 14 + 20 + 20; length++) {
        frame->length = length;
        assert_false(frame_finish_checksum(frame));
    }
    frame_release(frame);
}

struct pieces {
    unsigned count, bytes;
    uint32_t next; /* sequence number that is expected */
    bool ipv6, finished;
};

static void check_segment(void *argument, struct net_frame_buffer *segment)
{
    struct pieces *pieces = argument;
    const uint8_t *ip = segment->data + 14, *tcp = ip + (pieces->ipv6 ? 40 : 20);
    unsigned payload = segment->length - (unsigned)(tcp + 20 - segment->data);

    assert_true(segment->checksum_blank);
    assert_true(frame_finish_checksum(segment));
    assert_true(transport_good(segment->data, pieces->ipv6));
    if (!pieces->ipv6) {
        assert_int_equal(rfc1071(ip, 20, 0), 0);
        assert_int_equal(ip[4] << 8 | ip[5], pieces->count); /* each has an identification of its own */
    }
    assert_int_equal((uint32_t)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7], pieces->next);
    for (unsigned i = 0; i < payload; i++) {
        assert_int_equal(tcp[20 + i], (uint8_t)((pieces->bytes + i) * 11));
    }
    assert_false(pieces->finished);
    pieces->finished = tcp[13] & 1; /* FIN: the last one alone */
    assert_int_equal(tcp[13] & 0x10, 0x10);
    pieces->next += payload;
    pieces->bytes += payload;
    pieces->count++;
    frame_release(segment);
}

static void segments(void **state)
{
    (void)state;
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        static const unsigned sizes[] = {1, 1399, 1400, 1401, 4200, 60000};

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct net_frame_buffer *frame = make(ipv6, 6, sizes[i]);
            struct pieces pieces = {.next = 100, .ipv6 = ipv6};

            frame->gso = ipv6 ? FRAME_GSO_TCPV6 : FRAME_GSO_TCPV4;
            frame->gso_size = 1400;
            assert_int_equal(frame_segment(frame, check_segment, &pieces), 0);
            assert_int_equal(pieces.bytes, sizes[i]);
            assert_int_equal(pieces.count, (sizes[i] + 1399) / 1400);
            assert_true(pieces.finished);
            frame->gso = ipv6 ? FRAME_GSO_TCPV4 : FRAME_GSO_TCPV6; /* not what it is */
            assert_int_equal(frame_segment(frame, check_segment, &pieces), -EINVAL);
            frame_release(frame);
        }
    }
}

static int all_is_freed(void **state)
{
    (void)state;
    frame_trim();
    assert_int_equal(mapped, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(checksums_are_finished, all_is_freed),
        cmocka_unit_test_teardown(padding_is_not_summed, all_is_freed),
        cmocka_unit_test_teardown(what_is_not_tcp_or_udp_is_refused, all_is_freed),
        cmocka_unit_test_teardown(segments, all_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
