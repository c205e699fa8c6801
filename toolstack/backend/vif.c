/* SPDX-License-Identifier: MIT */
/* Frames of one interface: rings on one side, the bridge on the other. */
#include "toolstack/backend/vif.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "coracle/event.h"

#define IDLE_TURNS 64u       /* events in a row for nothing, after which there is a rest */
#define REST_NS    10000000u /* of 10 ms */
#define NS_PER_US  1000u
#define WAIT_LEAST 1000000u /* ns until there is credit again, at least */

/* Of the turn that runs: empty between turns. */
static struct net_ring_batch batch;

static struct vif_queue *queue_of_rest(struct loop_task *task)
{
    return (struct vif_queue *)((char *)task - offsetof(struct vif_queue, rest.task));
}

/* ------------------------------------------------------------------ to the frontend */

/* Ends a frame's wait at the head of the queue. */
static void drop_first(struct vif_queue *queue)
{
    struct net_frame_buffer *frame = queue->waiting[queue->first];

    queue->first = (queue->first + 1) % VIF_WAITING;
    queue->count--;
    queue->bytes -= frame->length;
    frame_release(frame);
}

/* Gives what waits, as far as there is room. True: something was given. */
static bool give(struct vif_queue *queue, bool *notify)
{
    bool given = false, room = net_ring_check(&queue->ring);

    while (queue->count && room) {
        switch (net_ring_give(&queue->ring, &batch, queue->waiting[queue->first], notify)) {
        case NET_RING_GIVEN:
            given = true;
            drop_first(queue);
            break;
        case NET_RING_NEVER:
            queue->vif->dropped++;
            drop_first(queue);
            break;
        default:
            room = false;
        }
    }
    net_ring_flush(&queue->ring, &batch, notify);
    return given;
}

/* Takes a reference, or drops the frame. */
static void wait_in(struct vif_queue *queue, struct net_frame_buffer *frame)
{
    if (queue->count == VIF_WAITING || queue->bytes + frame->length > VIF_WAITING_BYTES) {
        queue->vif->dropped++;
        return;
    }
    frame_hold(frame);
    queue->waiting[(queue->first + queue->count) % VIF_WAITING] = frame;
    queue->count++;
    queue->bytes += frame->length;
    loop_post(&queue->port.task);
}

/* A connection's frames stay in one queue, and so in order. */
static struct vif_queue *choose(struct vif *vif, const struct net_frame_buffer *frame)
{
    unsigned sum = 0;

    if (vif->nr_queues > 1) {
        for (uint32_t at = 26; at < 38 && at < frame->length; at++) {
            sum = sum * 31 + frame->data[at];
        }
        sum %= vif->nr_queues;
    }
    return &vif->queues[sum];
}

/* A segment of a longer frame; the reference is ours. */
static void deliver_segment(void *argument, struct net_frame_buffer *segment)
{
    vif_deliver(argument, segment);
    frame_release(segment);
}

void vif_deliver(void *argument, void *handle)
{
    struct net_frame_buffer *frame = handle;
    struct vif *vif = argument;

    if (vif->state != XenbusStateConnected) {
        vif->dropped++;
        return;
    }
    switch (net_ring_wish(&vif->queues[0].ring, frame)) {
    case NET_RING_SEGMENT:
        if (frame_segment(frame, deliver_segment, vif)) {
            vif->dropped++;
        }
        return;
    case NET_RING_CHECKSUM:
        if (!frame_finish_checksum(frame)) {
            vif->dropped++;
            return;
        }
        break;
    case NET_RING_AS_IS:
        break;
    }
    wait_in(choose(vif, frame), frame);
}

/* ------------------------------------------------------------------ from the frontend */

static void take_frame(void *argument, struct net_frame_buffer *frame)
{
    struct vif *vif = argument;

    bridge_input(vif->port, frame->data, frame->length, cor_monotonic_ns(), frame);
    frame_release(frame);
}

/* What rate= has earned meanwhile. */
static void earn(struct vif *vif)
{
    uint64_t now = cor_monotonic_ns(), us = (now - vif->credit_when) / NS_PER_US;
    const struct vif_config *config = &vif->config;
    uint64_t earned;

    us = us < UINT32_MAX ? us : UINT32_MAX;
    earned = us * config->rate_bytes / config->rate_us; /* all are below 2^32 */
    if (earned) {
        vif->credit += (int64_t)earned;
        vif->credit = vif->credit < (int64_t)config->rate_bytes ? vif->credit : (int64_t)config->rate_bytes;
        vif->credit_when = now;
    }
}

/* Until there is credit for something. */
static void wait_for_credit(struct vif *vif)
{
    uint64_t wait = (uint64_t)(1 - vif->credit) * vif->config.rate_us / vif->config.rate_bytes * NS_PER_US;

    wait = wait > WAIT_LEAST ? wait : WAIT_LEAST;
    loop_timer_set(&vif->credit_timer, cor_monotonic_ns() + wait);
}

static void credit_is_back(struct loop_task *task)
{
    struct vif *vif = (struct vif *)((char *)task - offsetof(struct vif, credit_timer.task));

    for (unsigned i = 0; i < vif->nr_queues; i++) {
        loop_post(&vif->queues[i].port.task);
    }
}

/* Takes what there is. True: there is more that can be taken now. */
static bool take(struct vif_queue *queue, bool *notify)
{
    struct vif *vif = queue->vif;
    int64_t unlimited = INT64_MAX, *credit = vif->config.rate_bytes ? &vif->credit : &unlimited;
    bool more;

    if (vif->config.rate_bytes) {
        earn(vif);
    }
    more = net_ring_take(&queue->ring, VIF_TURN, credit, take_frame, vif, notify);
    if (more && *credit <= 0) {
        wait_for_credit(vif);
        return false;
    }
    return more;
}

/* ------------------------------------------------------------------ turns */

static void rest_is_over(struct loop_task *task)
{
    struct vif_queue *queue = queue_of_rest(task);

    queue->event_due = false;
    queue->idle = 0;
    cor_event_unmask(queue->port.port);
    loop_post(&queue->port.task);
}

/* Events that come for nothing cost us more than their sender: after many there are none for a while. */
static void consider_rest(struct vif_queue *queue, bool worked)
{
    queue->idle = worked ? 0 : queue->idle + 1;
    if (queue->idle >= IDLE_TURNS && !queue->event_due) {
        queue->event_due = true;
        cor_event_mask(queue->port.port);
        loop_timer_set(&queue->rest, cor_monotonic_ns() + REST_NS);
    }
}

static void turn(struct loop_task *task)
{
    struct vif_queue *queue = (struct vif_queue *)task;
    uint64_t before = queue->ring.counters.tx_frames + queue->ring.counters.tx_errors;
    bool notify = false, more, worked;

    worked = give(queue, &notify);
    more = take(queue, &notify);
    if (notify) {
        cor_event_send(queue->port.port);
    }
    if (queue->ring.broken) {
        vif_fail(queue->vif, -EPROTO, queue->ring.broken);
        return;
    }
    worked |= queue->ring.counters.tx_frames + queue->ring.counters.tx_errors != before;
    consider_rest(queue, worked);
    if (more) {
        loop_post(task);
    }
}

/* ------------------------------------------------------------------ life */

int vif_make_queues(struct vif *vif, unsigned nr)
{
    vif->queues = calloc(nr, sizeof(*vif->queues));
    if (!vif->queues) {
        return -ENOMEM;
    }
    vif->nr_queues = nr;
    for (unsigned i = 0; i < nr; i++) {
        vif->queues[i].vif = vif;
        vif->queues[i].port.task.run = turn;
        vif->queues[i].rest.task.run = rest_is_over;
    }
    vif->credit = (int64_t)vif->config.rate_bytes;
    vif->credit_when = cor_monotonic_ns();
    vif->credit_timer.task.run = credit_is_back;
    return 0;
}

int vif_connect_queue(struct vif *vif, unsigned number, uint32_t tx_gref, uint32_t rx_gref, uint32_t port)
{
    struct vif_queue *queue = &vif->queues[number];
    int error = cor_grant_map(vif->domid, tx_gref, false, &queue->tx_page);

    if (!error) {
        error = cor_grant_map(vif->domid, rx_gref, false, &queue->rx_page);
    }
    if (!error) {
        net_ring_init(&queue->ring, vif->domid, queue->tx_page.address, queue->rx_page.address);
        error = loop_port_bind(&queue->port, vif->domid, port);
    }
    return error;
}

void vif_start(struct vif *vif)
{
    for (unsigned i = 0; i < vif->nr_queues; i++) {
        loop_post(&vif->queues[i].port.task);
    }
}

static void add_counters(struct net_ring_counters *sum, const struct net_ring_counters *more)
{
    sum->tx_frames += more->tx_frames;
    sum->tx_bytes += more->tx_bytes;
    sum->tx_errors += more->tx_errors;
    sum->rx_frames += more->rx_frames;
    sum->rx_bytes += more->rx_bytes;
    sum->rx_errors += more->rx_errors;
}

void vif_count(const struct vif *vif, struct net_ring_counters *sum)
{
    *sum = vif->past;
    for (unsigned i = 0; i < vif->nr_queues; i++) {
        add_counters(sum, &vif->queues[i].ring.counters);
    }
}

void vif_disconnect(struct vif *vif)
{
    struct net_ring_counters sum;

    vif_count(vif, &sum);
    vif->past = sum;
    for (unsigned i = 0; i < vif->nr_queues; i++) {
        struct vif_queue *queue = &vif->queues[i];

        loop_timer_stop(&queue->rest);
        loop_port_close(&queue->port);
        while (queue->count) {
            drop_first(queue);
        }
        cor_grant_unmap(&queue->tx_page);
        cor_grant_unmap(&queue->rx_page);
    }
    loop_timer_stop(&vif->credit_timer);
    free(vif->queues);
    vif->queues = NULL;
    vif->nr_queues = 0;
    bridge_forget(vif->port);
}

_Static_assert(offsetof(struct vif_queue, port.task) == 0, "turn() finds its queue by the task");
