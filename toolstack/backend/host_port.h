/* SPDX-License-Identifier: MIT */
/* The control domain's own place on a bridge: its sockets (lwIP) send and receive there. */
#ifndef TOOLSTACK_BACKEND_HOST_PORT_H
#define TOOLSTACK_BACKEND_HOST_PORT_H

/*
 * Joins the control domain to a bridge that has a card, with the card's address, and starts the stack, whose
 * settings (ip=, gateway=, ...) are those of the domain's command line. Once, behind netback_init(). It waits
 * for nothing. tell: gets each IPv4 address, on the loop's thread. 0; -ENODEV: the bridge has no card;
 * -EADDRINUSE: a guest has its address; -ENOMEM.
 */
int host_port_open(const char *bridge, void (*tell)(const char *address));

#endif
