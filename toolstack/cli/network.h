/* SPDX-License-Identifier: MIT */
/* Options of a machine's network, for every verb that starts a machine with a control domain. */
#ifndef TOOLSTACK_CLI_NETWORK_H
#define TOOLSTACK_CLI_NETWORK_H

#include "toolstack/lib/forward.h"

#include <argp.h>

#define DEFAULT_NIC "virtio-net-pci"

/* argp's child for --publish and --nic; the input is a struct network_request. */
extern const struct argp network_argp;

/* Whether all its ports are free. 0, or -1 with a message for each that is not. */
int network_check(const struct network_request *network);

#endif
