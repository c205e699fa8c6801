/* SPDX-License-Identifier: MIT */
/* A network card as a port of a bridge. */
#ifndef TOOLSTACK_BACKEND_UPLINK_H
#define TOOLSTACK_BACKEND_UPLINK_H

#include "toolstack/backend/bridge.h"
#include "toolstack/device/netdev.h"

struct uplink;

/*
 * Opens the card and joins it to the bridge, for as long as it works: a card that fails leaves the bridge by
 * itself, with a line on the console. NULL with *error, a negative errno.
 */
struct uplink *uplink_open(struct netdev *dev, struct bridge *bridge, int *error);

#endif
