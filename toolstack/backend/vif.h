/* SPDX-License-Identifier: MIT */
/*
 * One interface of a guest. vif.c moves frames, vif_bus.c follows the frontend through the store, net.c makes
 * and ends interfaces, uplink.c joins a card.
 */
#ifndef TOOLSTACK_BACKEND_VIF_H
#define TOOLSTACK_BACKEND_VIF_H

#include "pvboot/abi.h"
#include <xen/io/xenbus.h>
#include "coracle/grant.h"
#include "toolstack/backend/bridge.h"
#include "toolstack/backend/net_ring.h"
#include "toolstack/backend/vif_config.h"
#include "toolstack/control/loop.h"

#define VIF_QUEUES_MAX    4u
#define VIF_WAITING       256u       /* frames that wait for room in a queue */
#define VIF_WAITING_BYTES (1u << 20) /* ... and their bytes */
#define VIF_TURN          64u        /* frames of a turn */
#define VIF_PATH          80u
#define VIF_LOGS_MAX      8u /* lines on the console about one interface: its guest must not flood it */

struct vif;

struct vif_queue {
    struct loop_port port; /* the frontend's events; first: a task is its queue */
    struct vif *vif;
    struct cor_granted tx_page, rx_page;
    struct net_ring ring;
    struct net_frame_buffer *waiting[VIF_WAITING];
    unsigned first, count;
    uint32_t bytes;
    bool event_due; /* events are masked: too many came for nothing */
    unsigned idle;  /* turns in a row for which there was nothing to do */
    struct loop_timer rest;
};

struct network;

struct vif {
    struct vif *next;
    uint16_t domid;
    unsigned devid;
    struct vif_config config; /* with a MAC */
    struct network *network;
    struct bridge_port *port;
    char frontend[VIF_PATH], backend[VIF_PATH];
    int state;  /* enum xenbus_state: ours */
    bool going; /* taken away: it ends when the frontend has let go */
    struct store_watch *watch;
    struct loop_timer end;
    unsigned logs;
    struct vif_queue *queues;
    unsigned nr_queues;
    uint64_t dropped;
    struct net_ring_counters past; /* of rings that are gone */
    /* rate=: bytes that may be taken; a frame may go over */
    int64_t credit;
    uint64_t credit_when;
    struct loop_timer credit_timer;
};

/* ------------------------------------------------------------------ vif.c */

/* Makes nr queues; 0 or -ENOMEM. Each is then connected; what fails leaves the rest to vif_disconnect. */
int vif_make_queues(struct vif *vif, unsigned nr);
/* 0; -EACCES, -ENOMEM: a ring cannot be mapped; or the error of the event channel. */
int vif_connect_queue(struct vif *vif, unsigned number, uint32_t tx_gref, uint32_t rx_gref, uint32_t port);
/* All is ready: frames move. */
void vif_start(struct vif *vif);
/* Lets go of rings, events and frames; nothing if it is not connected. */
void vif_disconnect(struct vif *vif);
/* Of the bridge's port (bridge_port_options): argument is the vif, handle the frame. */
void vif_deliver(void *argument, void *handle);
void vif_count(const struct vif *vif, struct net_ring_counters *sum);

/* ------------------------------------------------------------------ vif_bus.c */

/* Writes the nodes of both ends and follows the frontend. 0 or a negative errno. */
int vif_announce(struct vif *vif);
/* Asks the frontend to let go. */
void vif_ask_to_end(struct vif *vif);
/* The frontend broke the protocol, or cannot be connected: the error node, and the end of the connection. */
void vif_fail(struct vif *vif, int error, const char *what);
/* Removes the nodes and follows no more. */
void vif_forget(struct vif *vif);

/* ------------------------------------------------------------------ net.c */

/* Ends and frees it. */
void vif_destroy(struct vif *vif);

#endif
