/* SPDX-License-Identifier: MIT */
/* The backend's side of a console ring; see console_ring.h. */
#include "toolstack/backend/console_ring.h"
#include <string.h>

/* Copies between a ring, from index on, and plain memory: at most two pieces. */
static void from_ring(char *to, const char *ring, size_t ring_size, uint32_t index, size_t count)
{
    size_t at = index & (ring_size - 1), first = ring_size - at < count ? ring_size - at : count;

    memcpy(to, ring + at, first);
    memcpy(to + first, ring, count - first);
}

static void to_ring(char *ring, size_t ring_size, uint32_t index, const char *from, size_t count)
{
    size_t at = index & (ring_size - 1), first = ring_size - at < count ? ring_size - at : count;

    memcpy(ring + at, from, first);
    memcpy(ring, from + first, count - first);
}

size_t console_ring_take(struct xencons_interface *ring, char *data, size_t size)
{
    uint32_t cons = __atomic_load_n(&ring->out_cons, __ATOMIC_RELAXED);
    uint32_t prod = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE);
    size_t count = prod - cons;

    if (count > sizeof(ring->out)) {
        return 0;
    }
    count = count < size ? count : size;
    if (count) {
        from_ring(data, ring->out, sizeof(ring->out), cons, count);
        __atomic_store_n(&ring->out_cons, cons + (uint32_t)count, __ATOMIC_RELEASE);
    }
    return count;
}

size_t console_ring_put(struct xencons_interface *ring, const char *data, size_t length)
{
    uint32_t cons = __atomic_load_n(&ring->in_cons, __ATOMIC_ACQUIRE);
    uint32_t prod = __atomic_load_n(&ring->in_prod, __ATOMIC_RELAXED);
    size_t used = prod - cons, room;

    if (used >= sizeof(ring->in)) {
        return 0;
    }
    room = sizeof(ring->in) - used;
    room = room < length ? room : length;
    if (room) {
        to_ring(ring->in, sizeof(ring->in), prod, data, room);
        __atomic_store_n(&ring->in_prod, prod + (uint32_t)room, __ATOMIC_RELEASE);
    }
    return room;
}
