/* SPDX-License-Identifier: MIT */
/*
 * See host_port.h. What the stack sends comes on any of its threads, so it waits in a bounded list for the
 * loop's thread, which alone calls the bridge. What the bridge delivers goes to the stack at once.
 */
#include "toolstack/backend/host_port.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "coracle/net.h"
#include "toolstack/backend/net.h"
#include "toolstack/backend/net_frame.h"
#include "toolstack/backend/uplink.h"
#include "toolstack/control/loop.h"

#define WAITING_MOST 512u /* frames: two windows of TCP; more are lost, as on a wire */
#define ADDRESS_MAX  16u

struct waiting {
    struct waiting *next;
    size_t length;
    uint8_t data[];
};

static struct {
    struct cor_net_interface interface; /* first member */
    struct bridge_port *port;
    void (*addressed)(const char *address);
    struct loop_task task;
    pthread_mutex_t lock; /* guards what follows */
    struct waiting *first, **end;
    unsigned count;
    char address[ADDRESS_MAX]; /* not passed on yet; empty: none */
} self = {.lock = PTHREAD_MUTEX_INITIALIZER, .end = &self.first};

/* ------------------------------------------------------------------ from the stack */

static void transmit(struct cor_net_interface *interface, const struct iovec *pieces, unsigned count,
                     size_t length)
{
    struct waiting *frame = malloc(sizeof(*frame) + length);

    (void)interface;
    if (!frame) {
        return;
    }
    frame->next = NULL;
    frame->length = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy(frame->data + frame->length, pieces[i].iov_base, pieces[i].iov_len);
        frame->length += pieces[i].iov_len;
    }
    pthread_mutex_lock(&self.lock);
    if (self.count < WAITING_MOST) {
        *self.end = frame;
        self.end = &frame->next;
        self.count++;
        frame = NULL;
    }
    pthread_mutex_unlock(&self.lock);
    free(frame);
    loop_post(&self.task);
}

static void addressed(struct cor_net_interface *interface, const char *address)
{
    (void)interface;
    pthread_mutex_lock(&self.lock);
    strncpy(self.address, address, ADDRESS_MAX - 1);
    pthread_mutex_unlock(&self.lock);
    loop_post(&self.task);
}

static void send_frame(const struct waiting *waiting)
{
    struct net_frame_buffer *frame = frame_new((uint32_t)waiting->length);

    if (frame) {
        memcpy(frame->data, waiting->data, waiting->length);
        bridge_input(self.port, frame->data, frame->length, cor_monotonic_ns(), frame);
        frame_release(frame);
    }
}

static void run(struct loop_task *task)
{
    struct waiting *frame, *next;
    char address[ADDRESS_MAX];

    (void)task;
    pthread_mutex_lock(&self.lock);
    frame = self.first;
    self.first = NULL;
    self.end = &self.first;
    self.count = 0;
    memcpy(address, self.address, sizeof(address));
    self.address[0] = '\0';
    pthread_mutex_unlock(&self.lock);
    if (address[0]) {
        self.addressed(address);
    }
    for (; frame; frame = next) {
        next = frame->next;
        send_frame(frame);
        free(frame);
    }
}

/* ------------------------------------------------------------------ to the stack */

static void deliver(void *argument, void *handle)
{
    struct net_frame_buffer *frame = handle;

    (void)argument;
    cor_net_receive(&self.interface, frame->data, frame->length, frame->checksum_blank || frame->validated);
}

int host_port_open(const char *bridge, void (*tell)(const char *address))
{
    struct bridge_port_options options = {.learn = 0, .deliver = deliver};
    const struct netdev *card;
    int error;

    self.task.run = run;
    self.addressed = tell;
    card = netback_join(bridge, &options, &self.port, &error);
    if (!card) {
        return error;
    }
    memcpy(self.interface.mac, options.mac, sizeof(self.interface.mac));
    self.interface.mtu = card->mtu;
    self.interface.transmit = transmit;
    self.interface.addressed = addressed;
    return cor_net_add(&self.interface);
}
