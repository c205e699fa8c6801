/* SPDX-License-Identifier: MIT */
/* Interfaces that a program provides (coracle/net.h), as one more driver of device.h. */
#include <errno.h>
#include <stdlib.h>

#include "coracle/net.h"
#include "libos/net/device.h"
#include "libos/net/stack.h"

#define PIECES 64 /* of a frame; lwIP's longest has a header and a few of data */

struct tap {
    struct net_device device; /* first member */
    struct cor_net_interface *interface;
};

static bool transmit(struct net_device *device, struct pbuf *frame)
{
    const struct tap *tap = (const struct tap *)device;
    struct iovec pieces[PIECES];
    struct pbuf *piece = frame;
    unsigned count = 0;

    do {
        pieces[count++] = (struct iovec){.iov_base = piece->payload, .iov_len = piece->len};
        piece = piece->next;
    } while (piece && count < PIECES);
    if (!piece)
        tap->interface->transmit(tap->interface, pieces, count, frame->tot_len);
    return true; /* a frame that is not taken is one that the wire has lost */
}

static void addressed(struct net_device *device)
{
    struct cor_net_interface *interface = ((struct tap *)device)->interface;
    char text[IP4ADDR_STRLEN_MAX];

    if (interface->addressed)
        interface->addressed(interface, ip4addr_ntoa_r(netif_ip4_addr(&device->netif), text, sizeof(text)));
}

int cor_net_add(struct cor_net_interface *interface)
{
    const struct net_addresses addresses = {0};
    struct tap *tap = calloc(1, sizeof(*tap));
    int err = tap ? net_start() : -ENOMEM;

    if (!err) {
        for (size_t i = 0; i < sizeof(tap->device.mac); i++)
            tap->device.mac[i] = interface->mac[i];
        tap->device.mtu = interface->mtu;
        tap->device.transmit = transmit;
        tap->device.addressed = addressed;
        tap->interface = interface;
        interface->private = tap;
        err = net_device_add(&tap->device, &addresses);
    }
    if (err)
        free(tap);
    return err;
}

void cor_net_receive(struct cor_net_interface *interface, const void *frame, size_t length, bool checked)
{
    struct tap *tap = interface->private;
    struct pbuf *copy = length <= UINT16_MAX ? pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_RAM) : NULL;

    if (!copy)
        return;
    pbuf_take(copy, frame, (u16_t)length);
    LOCK_TCPIP_CORE();
    net_device_receive(&tap->device, copy, checked);
    UNLOCK_TCPIP_CORE();
}
