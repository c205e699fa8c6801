/* SPDX-License-Identifier: MIT */
/*
 * Frames between a bridge and a card. What the card cannot do (checksums, segmentation) is done here, before
 * the frame goes out; frames that it has no room for wait in a bounded queue.
 */
#include "toolstack/backend/uplink.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "toolstack/backend/net_frame.h"

#define PACKETS 256u /* under way in the card */
#define BACKLOG 512u /* frames that wait for it */

#define RETRY_FIRST 1000000000ull /* ns from a failure to the first reset; then twice as long each time */
#define RETRY_LAST  60000000000ull

/* A frame that the card has. */
struct outgoing {
    struct net_packet packet; /* first member */
    struct dma_segment segments[NETDEV_SEGMENTS_MAX];
    struct net_frame_buffer *frame;
    struct uplink *uplink;
    struct outgoing *next; /* in the list of free ones */
};

struct uplink {
    struct netdev *dev;
    struct bridge_port *port;
    struct outgoing packets[PACKETS];
    struct outgoing *free;
    struct net_frame_buffer *backlog[BACKLOG];
    unsigned first, count;
    uint64_t dropped;
    void (*ended)(void *argument);
    void *argument;
    struct loop_timer retry;
    uint64_t pause; /* ns until the next */
    uint64_t since; /* monotonic ns: works since then */
};

/* ------------------------------------------------------------------ to the card */

static void sent(struct net_packet *packet, int error)
{
    struct outgoing *out = (struct outgoing *)packet;
    struct uplink *uplink = out->uplink;

    (void)error; /* the card counts them; who sent it sends again, or not */
    frame_release(out->frame);
    out->frame = NULL;
    out->next = uplink->free;
    uplink->free = out;
}

/* What the card shall do. False: the frame is not what it says. */
static bool ask_offloads(struct net_packet *packet, const struct net_frame_buffer *frame)
{
    struct frame_layout layout;

    if (!frame->checksum_blank) {
        return true;
    }
    if (!frame_parse(frame, &layout)) {
        return false;
    }
    packet->checksum = true;
    packet->checksum_start = layout.transport;
    packet->checksum_offset = layout.checksum_offset;
    if (frame->gso != FRAME_GSO_NONE) {
        packet->segment_size = frame->gso_size;
        packet->header_length = layout.payload;
        packet->ipv6 = layout.ipv6;
        return layout.protocol == 6 && layout.ipv6 == (frame->gso == FRAME_GSO_TCPV6);
    }
    return true;
}

/* Hands a frame to the card, with a reference. 0, -EAGAIN: no room, or an error for which it is dropped. */
static int send_frame(struct uplink *uplink, struct net_frame_buffer *frame)
{
    struct outgoing *out = uplink->free;
    int count, error;

    if (!out) {
        return -EAGAIN;
    }
    memset(&out->packet, 0, sizeof(out->packet));
    count = dma_map(frame->data, frame->length, out->segments, NETDEV_SEGMENTS_MAX);
    if (count < 0 || !ask_offloads(&out->packet, frame)) {
        return -EINVAL;
    }
    out->packet.segments = out->segments;
    out->packet.data = frame->data;
    out->packet.nr_segments = (unsigned)count;
    out->packet.length = frame->length;
    out->packet.done = sent;
    out->frame = frame;
    uplink->free = out->next;
    frame_hold(frame);
    error = netdev_send(uplink->dev, &out->packet);
    if (error) {
        sent(&out->packet, error);
    }
    return error;
}

/* As far as there is room. */
static void send_backlog(struct uplink *uplink)
{
    while (uplink->count) {
        struct net_frame_buffer *frame = uplink->backlog[uplink->first];
        int error = send_frame(uplink, frame);

        if (error == -EAGAIN) {
            return;
        }
        uplink->dropped += error != 0;
        uplink->first = (uplink->first + 1) % BACKLOG;
        uplink->count--;
        frame_release(frame);
    }
}

/* In its turn. */
static void queue_frame(struct uplink *uplink, struct net_frame_buffer *frame)
{
    int error = uplink->count ? -EAGAIN : send_frame(uplink, frame);

    if (error == -EAGAIN && uplink->count < BACKLOG) {
        frame_hold(frame);
        uplink->backlog[(uplink->first + uplink->count++) % BACKLOG] = frame;
    } else if (error) {
        uplink->dropped++;
    }
}

static void deliver_segment(void *argument, struct net_frame_buffer *segment)
{
    struct uplink *uplink = argument;

    if ((uplink->dev->offloads & NETDEV_TX_CHECKSUM) || frame_finish_checksum(segment)) {
        queue_frame(uplink, segment);
    }
    frame_release(segment);
}

static void deliver(void *argument, void *handle)
{
    struct uplink *uplink = argument;
    struct net_frame_buffer *frame = handle;
    unsigned tso = frame->gso == FRAME_GSO_TCPV6 ? NETDEV_TX_TSO6 : NETDEV_TX_TSO4;
    bool checks = uplink->dev->offloads & NETDEV_TX_CHECKSUM;

    if (!uplink->dev->link_up) {
        uplink->dropped++;
        return;
    }
    if (frame->gso != FRAME_GSO_NONE && !(checks && (uplink->dev->offloads & tso))) {
        uplink->dropped += frame_segment(frame, deliver_segment, uplink) != 0;
        return;
    }
    if (!checks && !frame_finish_checksum(frame)) {
        uplink->dropped++;
        return;
    }
    queue_frame(uplink, frame);
}

static void writable(void *argument)
{
    send_backlog(argument);
}

/* ------------------------------------------------------------------ from the card */

static void receive(void *argument, const struct net_frame *arrived)
{
    struct uplink *uplink = argument;
    struct net_frame_buffer *frame;
    uint32_t at = arrived->length, length = at;

    for (unsigned i = 0; i < arrived->nr_more; i++) {
        length += arrived->more[i].length;
    }
    frame = frame_new(length);
    if (!frame) {
        uplink->dropped++;
        return;
    }
    memcpy(frame->data, arrived->data, arrived->length);
    for (unsigned i = 0; i < arrived->nr_more; i++) {
        memcpy(frame->data + at, arrived->more[i].data, arrived->more[i].length);
        at += arrived->more[i].length;
    }
    frame->checksum_blank = arrived->checksum_blank;
    frame->validated = arrived->checksum_good || arrived->checksum_blank;
    if (arrived->segment_size) {
        frame->gso = arrived->ipv6 ? FRAME_GSO_TCPV6 : FRAME_GSO_TCPV4;
        frame->gso_size = arrived->segment_size;
    }
    bridge_input(uplink->port, frame->data, frame->length, cor_monotonic_ns(), frame);
    frame_release(frame);
}

/* Frames that wait are not for later. */
static void drop_backlog(struct uplink *uplink)
{
    while (uplink->count) {
        frame_release(uplink->backlog[uplink->first]);
        uplink->first = (uplink->first + 1) % BACKLOG;
        uplink->count--;
        uplink->dropped++;
    }
}

static void link_changed(void *argument, bool up)
{
    struct uplink *uplink = argument;

    printf("%s: link %s\n", uplink->dev->name, up ? "up" : "down; its bridge joins the guests only");
    if (!up) {
        bridge_forget(uplink->port);
        drop_backlog(uplink);
    }
}

static void retry_later(struct uplink *uplink)
{
    loop_timer_set(&uplink->retry, cor_monotonic_ns() + uplink->pause);
    uplink->pause = uplink->pause < RETRY_LAST / 2 ? uplink->pause * 2 : RETRY_LAST;
}

static void try_again(struct loop_task *task)
{
    struct uplink *uplink = (struct uplink *)((char *)task - offsetof(struct uplink, retry.task));

    if (netdev_reopen(uplink->dev)) {
        retry_later(uplink);
        return;
    }
    uplink->since = cor_monotonic_ns();
    printf("%s: works again after a reset\n", uplink->dev->name);
}

/* The driver has said what happened, and that the link is down. */
static void failed(void *argument, int error)
{
    struct uplink *uplink = argument;

    if (error != -ENODEV) {
        if (cor_monotonic_ns() - uplink->since > RETRY_LAST) {
            uplink->pause = RETRY_FIRST;
        }
        retry_later(uplink);
        return;
    }
    loop_timer_stop(&uplink->retry);
    bridge_remove(uplink->port);
    uplink->port = NULL;
    drop_backlog(uplink);
    netdev_close(uplink->dev);
    uplink->ended(uplink->argument);
    free(uplink);
}

static const struct netdev_client client = {.offloads = true,
                                            .receive = receive,
                                            .writable = writable,
                                            .link_changed = link_changed,
                                            .failed = failed};

struct uplink *uplink_open(struct netdev *dev, struct bridge *bridge, void (*ended)(void *argument),
                           void *argument, int *error)
{
    struct uplink *uplink = calloc(1, sizeof(*uplink));
    struct bridge_port_options options = {
        .learn = BRIDGE_LEARN_UPLINK, .deliver = deliver, .argument = uplink};

    *error = -ENOMEM;
    if (!uplink) {
        return NULL;
    }
    uplink->dev = dev;
    uplink->ended = ended;
    uplink->argument = argument;
    uplink->retry.task.run = try_again;
    uplink->pause = RETRY_FIRST;
    for (unsigned i = 0; i < PACKETS; i++) {
        uplink->packets[i].uplink = uplink;
        uplink->packets[i].next = uplink->free;
        uplink->free = &uplink->packets[i];
    }
    uplink->port = bridge_add(bridge, &options, error);
    if (uplink->port) {
        *error = netdev_open(dev, &client, uplink);
    }
    if (*error) {
        if (uplink->port) {
            bridge_remove(uplink->port);
        }
        free(uplink);
        return NULL;
    }
    netdev_set_promiscuous(dev, true);
    if (!dev->link_up) {
        link_changed(uplink, false);
    }
    return uplink;
}

const char *uplink_state(const struct uplink *uplink)
{
    return uplink->dev->has_failed ? "failed" : uplink->dev->link_up ? "up" : "down";
}

struct netdev *uplink_card(const struct uplink *uplink)
{
    return uplink->dev;
}

uint64_t uplink_dropped(const struct uplink *uplink)
{
    return uplink->dropped;
}
