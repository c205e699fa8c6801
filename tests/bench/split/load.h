/* SPDX-License-Identifier: MIT */
/*
 * What the guest that makes the load (guests/load.c) and the peer at its bridge (peer.c) say to each other:
 * datagrams to LOAD_PORT that begin with struct load_message. The peer has the clocks of all domains.
 */
#ifndef TESTS_BENCH_SPLIT_LOAD_H
#define TESTS_BENCH_SPLIT_LOAD_H

#include <stdint.h>

#define LOAD_PORT    9u
#define LOAD_PEER    "10.9.0.254"
#define LOAD_SERVER  "10.9.0.1"
#define LOAD_NETWORK "/24"
#define LOAD_WINDOW  32u /* datagrams that the peer sends before it waits to hear that they have come */

enum load_kind {
    LOAD_BEGIN,  /* what is to be counted begins here */
    LOAD_END,    /* it has been done `count` times: the peer prints what once took */
    LOAD_ECHO,   /* sent back at once. stamp: the moment when it was sent, each way */
    LOAD_SINK,   /* goes no further */
    LOAD_SOURCE, /* asks for `count` datagrams of the size of this one, counted like LOAD_BEGIN to LOAD_END */
    LOAD_CAME,   /* LOAD_WINDOW of these have come */
    LOAD_VALUE,  /* a figure that the guest has found out: stamp */
    LOAD_DONE,   /* all has been done */
};

struct load_message {
    uint32_t kind, count;
    uint64_t stamp;
    char name[24];
};

#endif
