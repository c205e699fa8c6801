/* SPDX-License-Identifier: MIT */
/*
 * The link: the API's connections over one line of bytes (toolstack/link/mux.h). Each channel that the
 * other end opens is a stream (stream.h).
 */
#ifndef TOOLSTACK_CONTROL_LINK_H
#define TOOLSTACK_CONTROL_LINK_H

#include <stdbool.h>
#include "toolstack/control/stream.h"

/*
 * Starts the link on the line that there is (device/line.h): a virtio console before the serial line.
 * accept() is called for each new stream and sets its handler; false refuses it. 0, or a negative errno: no
 * line, or no memory.
 */
int link_start(bool (*accept)(struct stream *stream));

#endif
