/* SPDX-License-Identifier: MIT */
/*
 * The other end of the guests' traffic: a port of their bridge that answers ARP, sends datagrams back, sends
 * some of its own, and reads all domains' clocks when a guest says that something begins or ends (load.h).
 * So what is counted is netfront, netback and what the guest does with its frames, and no network card.
 */
#ifndef TESTS_BENCH_SPLIT_PEER_H
#define TESTS_BENCH_SPLIT_PEER_H

#include <stdbool.h>
#include <stdint.h>

/* Joins the bridge, which some interface must have named by now. False: there is none, or no memory. */
bool peer_join(const char *bridge);
void peer_leave(void);

/* Whose clocks are read beside our own; the same number twice where there is one only. */
void peer_watch(uint16_t guest, uint16_t server);

/*
 * The processor time that a domain has had, in nanoseconds: with counted instructions, instructions. 0:
 * there is none.
 */
uint64_t peer_used(uint16_t domid);

/* Whether a guest has said so since peer_join (LOAD_DONE). */
bool peer_is_done(void);

/* Sends a SYN to the port of an IPv4 address, and again until it is answered with SYN and ACK. */
void peer_knock(const uint8_t mac[6], const uint8_t address[4], uint16_t port);
/* When that came (monotonic); 0: it has not. */
uint64_t peer_answered(void);

#endif
