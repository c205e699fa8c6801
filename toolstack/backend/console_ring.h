/* SPDX-License-Identifier: MIT */
/*
 * The backend's side of a PV console ring (xen/io/console.h): two byte rings in a page that the guest may
 * scribble on at any moment. Each index is read once and checked; a pair that cannot be is an empty ring on
 * output and a full one on input, until the guest sets it right. Pure.
 */
#ifndef TOOLSTACK_BACKEND_CONSOLE_RING_H
#define TOOLSTACK_BACKEND_CONSOLE_RING_H

#include <stddef.h>
#include <stdint.h>
#include <xen/io/console.h>

/* Moves up to size bytes of the guest's output to data; how many. */
size_t console_ring_take(struct xencons_interface *ring, char *data, size_t size);

/* Moves up to length bytes to the guest's input; how many fitted. */
size_t console_ring_put(struct xencons_interface *ring, const char *data, size_t length);

#endif
