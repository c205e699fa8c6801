/* SPDX-License-Identifier: MIT */
/* A network card as a port of a bridge. */
#ifndef TOOLSTACK_BACKEND_UPLINK_H
#define TOOLSTACK_BACKEND_UPLINK_H

#include "toolstack/backend/bridge.h"
#include "toolstack/device/netdev.h"

struct uplink;

/*
 * Opens the card and joins it to the bridge. Without a link, and while the card has failed, the guests go
 * on among themselves, with a line on the console; a card that has failed is reset and tried again, every
 * minute at the latest. A card that vanishes has left the bridge when ended(argument) is called; the uplink
 * is no more then. NULL with *error, a negative errno.
 */
struct uplink *uplink_open(struct netdev *dev, struct bridge *bridge, void (*ended)(void *argument),
                           void *argument, int *error);

/* How it is: "up", "down" (no link) or "failed" (it is reset and tried again). */
const char *uplink_state(const struct uplink *uplink);
/* Its card. */
struct netdev *uplink_card(const struct uplink *uplink);
/* Frames for the wire that it had to drop. */
uint64_t uplink_dropped(const struct uplink *uplink);

#endif
