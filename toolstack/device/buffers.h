/* SPDX-License-Identifier: MIT */
/* Buffers that frames come into: two to a page, so that none crosses one. For drivers of network cards. */
#ifndef TOOLSTACK_DEVICE_BUFFERS_H
#define TOOLSTACK_DEVICE_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

#define NET_BUFFER_SIZE 2048u
/* Where a frame begins in its buffer: what a device puts in front fits, and the IP header is aligned. */
#define NET_BUFFER_FRAME 66u
#define NET_BUFFER_ROOM  (NET_BUFFER_SIZE - NET_BUFFER_FRAME)

struct net_buffer {
    char *memory;
    uint64_t address; /* for the device */
};

/* Fills buffers[count] (count is even), below 2^bits. False: memory is short, and none is held. */
bool net_buffers_make(struct net_buffer *buffers, unsigned count, unsigned bits);
void net_buffers_free(struct net_buffer *buffers, unsigned count);

#endif
