/* SPDX-License-Identifier: MIT */
#include "toolstack/device/netdev.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct netdev *first;
static void (*listener)(struct netdev *dev);

struct netdev *netdev_first(void)
{
    return first;
}

void netdev_add(struct netdev *dev)
{
    struct netdev **link = &first;

    dev->number = 0;
    for (; *link && (*link)->number == dev->number; link = &(*link)->next) {
        dev->number++;
    }
    snprintf(dev->name, sizeof(dev->name), "eth%u", dev->number);
    dev->next = *link;
    *link = dev;
    if (listener) {
        listener(dev);
    }
}

void netdev_listen(void (*added)(struct netdev *dev))
{
    listener = added;
}

int netdev_open(struct netdev *dev, const struct netdev_client *client, void *argument)
{
    int error;

    if (dev->is_open) {
        return -EBUSY;
    }
    dev->client = client;
    dev->argument = argument;
    dev->is_open = true;
    dev->has_failed = dev->promiscuous = false;
    error = dev->ops->open(dev);
    if (error) {
        dev->is_open = false;
        dev->client = NULL;
    }
    return error;
}

/* What is under way is done. */
static void stop(struct netdev *dev)
{
    loop_timer_stop(&dev->watchdog);
    dev->stalled = false;
    dev->ops->close(dev);
}

static void remove_card(struct netdev *dev)
{
    if (dev->ops->remove) {
        dev->ops->remove(dev);
    } else {
        free(dev);
    }
}

void netdev_close(struct netdev *dev)
{
    if (dev->is_open) {
        if (!dev->has_failed) {
            stop(dev);
        }
        dev->is_open = false;
        dev->client = NULL;
        dev->link_up = false;
        if (dev->is_gone) {
            remove_card(dev);
        }
    }
}

void netdev_gone(struct netdev *dev)
{
    struct netdev **link = &first;

    while (*link != dev) {
        link = &(*link)->next;
    }
    *link = dev->next;
    if (!dev->is_open) {
        remove_card(dev);
        return;
    }
    dev->is_gone = true;
    if (!dev->has_failed) {
        netdev_fail(dev, -ENODEV); /* the client may close it, and dev is no more */
    } else if (dev->error != -ENODEV && dev->client->failed) {
        dev->client->failed(dev->argument, -ENODEV);
    }
}

void netdev_device_gone(struct device *device)
{
    netdev_gone((struct netdev *)((char *)device - offsetof(struct netdev, device)));
}

int netdev_reopen(struct netdev *dev)
{
    bool all = dev->promiscuous;
    int error;

    if (!dev->is_open || !dev->has_failed || dev->is_gone) {
        return -ENODEV;
    }
    dev->has_failed = dev->promiscuous = false;
    error = dev->ops->open(dev);
    if (error) {
        dev->has_failed = true;
        dev->promiscuous = all;
    } else {
        netdev_set_promiscuous(dev, all);
    }
    return error;
}

static int check(const struct netdev *dev, const struct net_packet *p)
{
    uint32_t length = 0;

    if (!dev->is_open || dev->has_failed) {
        return -ENODEV;
    }
    if (p->nr_segments == 0) {
        return -EINVAL;
    }
    if (p->nr_segments > NETDEV_SEGMENTS_MAX || (!p->segment_size && p->length > dev->mtu + 18u)) {
        return -EMSGSIZE;
    }
    for (unsigned i = 0; i < p->nr_segments; i++) {
        length += p->segments[i].length;
    }
    if (length != p->length || (p->checksum && !(dev->offloads & NETDEV_TX_CHECKSUM)) ||
        (p->checksum && (uint32_t)p->checksum_start + p->checksum_offset + 2 > length)) {
        return -EINVAL;
    }
    if (p->segment_size) {
        unsigned needed = p->ipv6 ? NETDEV_TX_TSO6 : NETDEV_TX_TSO4;

        if (!p->checksum || !(dev->offloads & needed) || p->header_length >= length) {
            return -EINVAL;
        }
        return p->header_length + p->segment_size > dev->mtu + 14u ? -EMSGSIZE : 0;
    }
    return 0;
}

/* It has had no room for too long. */
static void watch(struct loop_task *task)
{
    netdev_fail((struct netdev *)((char *)task - offsetof(struct netdev, watchdog.task)), -EIO);
}

int netdev_send(struct netdev *dev, struct net_packet *packet)
{
    int error = check(dev, packet);

    error = error ? error : dev->ops->send(dev, packet);
    if (error == -EAGAIN && !dev->stalled) {
        dev->stalled = true;
        dev->watchdog.task.run = watch;
        loop_timer_set(&dev->watchdog, cor_monotonic_ns() + NETDEV_TIMEOUT);
    }
    return error;
}

void netdev_set_promiscuous(struct netdev *dev, bool on)
{
    if (dev->is_open && dev->promiscuous != on) {
        dev->promiscuous = on;
        if (dev->ops->set_promiscuous && !dev->has_failed) {
            dev->ops->set_promiscuous(dev, on);
        }
    }
}

const struct netdev_counters *netdev_counters(struct netdev *dev)
{
    if (dev->ops->update_counters && dev->is_open && !dev->has_failed) {
        dev->ops->update_counters(dev);
    }
    return &dev->counters;
}

void netdev_receive(struct netdev *dev, const struct net_frame *frame)
{
    const uint8_t *to = frame->data;

    if (!dev->promiscuous && !(to[0] & 1) && memcmp(to, dev->mac, sizeof(dev->mac)) != 0) {
        return;
    }
    dev->counters.rx_frames++;
    dev->counters.rx_bytes += frame->length;
    for (unsigned i = 0; i < frame->nr_more; i++) {
        dev->counters.rx_bytes += frame->more[i].length;
    }
    if (dev->client) {
        dev->client->receive(dev->argument, frame);
    }
}

void netdev_link(struct netdev *dev, bool up)
{
    if (dev->link_up != up) {
        dev->link_up = up;
        if (dev->is_open && dev->client->link_changed) {
            dev->client->link_changed(dev->argument, up);
        }
    }
}

void netdev_fail(struct netdev *dev, int error)
{
    if (dev->is_open && !dev->has_failed) {
        dev->has_failed = true;
        dev->error = error;
        stop(dev);
        printf("%s (%s): failed: error %d\n", dev->name, dev->driver, error);
        netdev_link(dev, false);
        if (dev->client->failed) {
            dev->client->failed(dev->argument, error);
        }
    }
}

void netdev_writable(struct netdev *dev)
{
    if (dev->stalled) {
        dev->stalled = false;
        loop_timer_stop(&dev->watchdog);
    }
    if (dev->is_open && dev->client->writable) {
        dev->client->writable(dev->argument);
    }
}
