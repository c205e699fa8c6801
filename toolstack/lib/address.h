/* SPDX-License-Identifier: MIT */
/*
 * How a host is named (--host): NAME of a local one, unix:PATH of a socket, serial:DEVICE of a line,
 * tcp:ADDRESS or tcp:ADDRESS:PORT on a network, where an IPv6 address stands in brackets.
 */
#ifndef TOOLSTACK_LIB_ADDRESS_H
#define TOOLSTACK_LIB_ADDRESS_H

#include <stdint.h>

#define API_PORT         7420 /* of a host on a network, if nothing else is said */
#define ADDRESS_HOST_MAX 256

enum address_kind { ADDRESS_LOCAL, ADDRESS_UNIX, ADDRESS_SERIAL, ADDRESS_TCP };

struct address {
    enum address_kind kind;
    const char *value; /* the name or path: a part of the text */
    /* of ADDRESS_TCP: a name, or a number without brackets */
    char host[ADDRESS_HOST_MAX];
    uint16_t port;
};

/* NULL and *address set, or what is wrong with the text as a phrase. */
const char *parse_address(const char *text, struct address *address);

/* A port, 1 to 65535, that is all of the text; 0: it is none. */
uint16_t parse_port(const char *text);

#endif
