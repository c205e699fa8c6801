/* SPDX-License-Identifier: MIT */
/* How a host is named (--host): NAME of a local one, unix:PATH of a socket, serial:DEVICE of a line. */
#ifndef TOOLSTACK_LIB_ADDRESS_H
#define TOOLSTACK_LIB_ADDRESS_H

enum address_kind { ADDRESS_LOCAL, ADDRESS_UNIX, ADDRESS_SERIAL };

struct address {
    enum address_kind kind;
    const char *value; /* the name or path: a part of the text */
};

/* NULL and *address set, or what is wrong with the text as a phrase. */
const char *parse_address(const char *text, struct address *address);

#endif
