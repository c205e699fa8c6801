/* SPDX-License-Identifier: MIT */
/* netevil HOW: a network frontend of its own (no netfront) that breaks the protocol in one way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pvboot/abi.h"
#include <xen/io/netif.h>
#include <xen/io/xenbus.h>
#include "coracle/event.h"
#include "coracle/grant.h"
#include "coracle/mem.h"
#include "coracle/store.h"
#include "coracle/sync.h"
#include "coracle/xenbus.h"

static struct cor_xenbus_device device;
static netif_tx_sring_t *tx;
static netif_rx_sring_t *rx;
static volatile uint8_t *page;
static uint32_t gref, port;

static void on_event(uint32_t number, void *argument)
{
    (void)number, (void)argument;
}

static void put(const char *name, uint32_t value)
{
    char path[COR_XENBUS_PATH + 32];

    snprintf(path, sizeof(path), "%s/%s", device.frontend, name);
    cor_store_printf(0, path, "%u", value);
}

/* Up to the connection; rings: with grants that there are. */
static int state_after_connecting(int rings)
{
    const unsigned done = COR_XENBUS_STATE(XenbusStateConnected) | COR_XENBUS_STATE(XenbusStateClosing);

    tx = cor_map(COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
    rx = cor_map(COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
    page = cor_map(COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
    SHARED_RING_INIT(tx);
    SHARED_RING_INIT(rx);
    cor_xenbus_wait(&device, COR_XENBUS_STATE(XenbusStateInitWait), COR_FOREVER);
    put("tx-ring-ref", rings ? (uint32_t)cor_grant_access(0, tx, false) : 4000);
    put("rx-ring-ref", rings ? (uint32_t)cor_grant_access(0, rx, false) : 4001);
    gref = (uint32_t)cor_grant_access(0, (const void *)(uintptr_t)page, false);
    port = (uint32_t)cor_event_alloc_unbound(0, on_event, NULL);
    put("event-channel", port);
    put("request-rx-copy", 1);
    cor_xenbus_set_state(&device, XenbusStateConnected);
    return cor_xenbus_wait(&device, done, COR_FOREVER);
}

static void request(unsigned index, unsigned flags, unsigned size, uint32_t which)
{
    tx->ring[index % 256].req = (netif_tx_request_t){
        .gref = which, .flags = (uint16_t)flags, .id = (uint16_t)index, .size = (uint16_t)size};
}

static void push(unsigned index)
{
    __atomic_store_n(&tx->req_prod, index, __ATOMIC_SEQ_CST);
    cor_event_send(port);
}

static void wait_answers(unsigned count)
{
    while (__atomic_load_n(&tx->rsp_prod, __ATOMIC_ACQUIRE) != count) {
        usleep(1000);
    }
}

/* A good frame to nobody, whose request is written anew all the time while it is looked at. */
static void change(void)
{
    for (unsigned i = 0; i < 2000; i++) {
        volatile netif_tx_request_t *entry = &tx->ring[i % 256].req;

        request(i, 0, 60, gref);
        push(i + 1);
        for (unsigned k = 0; k < 2000 && __atomic_load_n(&tx->rsp_prod, __ATOMIC_ACQUIRE) != i + 1; k++) {
            entry->size = (uint16_t)(k & 1 ? 60 : 65535);
            entry->offset = (uint16_t)(k & 1 ? 0 : 4095);
            entry->gref = k & 1 ? gref : 5000;
        }
        if (cor_xenbus_backend_state(&device) != XenbusStateConnected) {
            return; /* what it wrote was no frame, and it was read at a bad moment */
        }
    }
}

static void misbehave(const char *how)
{
    if (!strcmp(how, "index")) {
        push(1000);
    } else if (!strcmp(how, "back")) {
        request(0, 0, 60, gref);
        push(1);
        wait_answers(1);
        push(0);
    } else if (!strcmp(how, "buffers")) {
        __atomic_store_n(&rx->req_prod, 70000, __ATOMIC_SEQ_CST);
        cor_event_send(port);
    } else if (!strcmp(how, "endless")) {
        for (unsigned i = 0; i < 100; i++) {
            request(i, NETTXF_more_data, 10, gref);
        }
        push(100);
    } else if (!strcmp(how, "gone")) {
        request(0, 0, 60, 5000);
        push(1);
        wait_answers(1);
        printf("answered %d\n", tx->ring[0].rsp.status);
        cor_grant_revoke(gref); /* was good until now */
        request(1, 0, 60, gref);
        push(2);
        wait_answers(2);
        printf("answered again %d\n", tx->ring[1].rsp.status);
    } else if (!strcmp(how, "change")) {
        change();
    } else if (!strcmp(how, "storm")) {
        printf("storm begins\n");
        for (;;) {
            cor_event_send(port);
        }
    }
}

int main(int argc, char **argv)
{
    const char *how = argc == 2 ? argv[1] : "";
    int state;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (cor_xenbus_open(&device, "device/vif/0")) {
        return 1;
    }
    state = state_after_connecting(strcmp(how, "rings") != 0);
    printf("backend %s\n", state == XenbusStateConnected ? "connected" : "closing");
    if (state == XenbusStateConnected) {
        misbehave(how);
    }
    printf("done\n");
    for (;;) {
        pause();
    }
}
