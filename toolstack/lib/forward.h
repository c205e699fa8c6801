/* SPDX-License-Identifier: MIT */
/* The machine's network card, and ports of this host that lead to the guest behind it. */
#ifndef TOOLSTACK_LIB_FORWARD_H
#define TOOLSTACK_LIB_FORWARD_H

#include "toolstack/lib/qemu_args.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define FORWARDS_MAX 32

struct forward {
    char address[INET_ADDRSTRLEN]; /* of this host */
    uint16_t host, guest;          /* ports */
    bool udp;
    const char *to; /* the guest's address; NULL: that of the first guest that asks QEMU for one */
};

struct network_request {
    const char *model; /* QEMU's name of a card; NULL: the machine has none */
    struct forward forwards[FORWARDS_MAX];
    unsigned nr_forwards;
};

/*
 * Reads [ADDRESS:]HOST:GUEST[/tcp|/udp]; the address is 127.0.0.1 when none is given. False: it is none of
 * that.
 */
bool forward_parse(const char *text, struct forward *forward);

/* Whether QEMU could listen there now. 0, or -1 after saying what is in the way. */
int forward_check(const struct forward *forward);

/* Adds the card and its network; nothing without a card. */
void forward_add(struct qemu_args *arguments, const struct network_request *network);

#endif
