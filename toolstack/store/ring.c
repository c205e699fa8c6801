/* SPDX-License-Identifier: MIT */
/*
 * A domain's ring (xen/io/xs_wire.h; Xen's docs/misc/xenstore-ring.txt). The page is the domain's too,
 * so: its indices are read once, ours are kept here and only written there, and a distance that cannot be
 * ends the service for that domain. What we copy out of req is ours before we look at it.
 */
#include <string.h>
#include "toolstack/store/internal.h"

#define ROUNDS 8u /* chunks in each direction before others have their turn */

#define page_read(field)         __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define page_write(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

static void break_off(struct store_client *client, uint32_t error)
{
    client_reset(client);
    client->broken = client->stopped = true;
    page_write(client->page->error, error);
}

void ring_reset(struct store_client *client)
{
    struct xenstore_domain_interface *page = client->page;

    client_reset(client);
    client->broken = client->stopped = false;
    client->request_at = client->reply_at = 0;
    page_write(page->req_cons, 0);
    page_write(page->req_prod, 0);
    page_write(page->rsp_cons, 0);
    page_write(page->rsp_prod, 0);
    page_write(page->server_features, XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR);
    page_write(page->error, XENSTORE_ERROR_NONE);
    page_write(page->connection, XENSTORE_CONNECTED);
}

/* Bytes from index at on, up to the end of the buffer. */
static uint32_t chunk(uint32_t at, uint32_t length)
{
    uint32_t to_end = XENSTORE_RING_SIZE - MASK_XENSTORE_IDX(at);

    return length < to_end ? length : to_end;
}

/* Moves a chunk of output; bytes moved, or -EPROTO. */
static long put(struct store_client *client)
{
    struct xenstore_domain_interface *page = client->page;
    uint32_t used = client->reply_at - page_read(page->rsp_cons);
    size_t given;

    if (used > XENSTORE_RING_SIZE) {
        return -EPROTO;
    }
    given = client_give(client, page->rsp + MASK_XENSTORE_IDX(client->reply_at),
                        chunk(client->reply_at, XENSTORE_RING_SIZE - used));
    client->reply_at += (uint32_t)given;
    page_write(page->rsp_prod, client->reply_at);
    return (long)given;
}

/* Takes a chunk of input, up to the end of a request; bytes taken, or -EPROTO with *error. */
static long take(struct store_client *client, uint32_t *error)
{
    struct xenstore_domain_interface *page = client->page;
    uint32_t used = page_read(page->req_prod) - client->request_at;
    char bytes[XENSTORE_RING_SIZE];
    uint32_t length;
    long taken;

    *error = XENSTORE_ERROR_RINGIDX;
    if (used > XENSTORE_RING_SIZE) {
        return -EPROTO;
    }
    if (!used || !client_may_send(client)) {
        return 0;
    }
    length = chunk(client->request_at, used);
    memcpy(bytes, page->req + MASK_XENSTORE_IDX(client->request_at), length);
    *error = XENSTORE_ERROR_PROTO;
    taken = client_take(client, bytes, length);
    if (taken > 0) {
        client->request_at += (uint32_t)taken;
        page_write(page->req_cons, client->request_at);
    }
    return taken;
}

bool ring_work(struct store_client *client)
{
    uint32_t error = XENSTORE_ERROR_COMM;
    long given = 1, taken = 1;
    bool moved = false;

    if (page_read(client->page->connection) == XENSTORE_RECONNECT) {
        ring_reset(client);
        client->notify(client->notify_context);
        return false;
    }
    if (client->stopped) {
        return false;
    }
    for (unsigned i = 0; i < ROUNDS && given + taken > 0 && !client->broken; i++) {
        error = XENSTORE_ERROR_RINGIDX;
        given = put(client);
        taken = given < 0 ? given : take(client, &error);
        if (taken < 0) {
            break;
        }
        moved = moved || given + taken > 0;
    }
    if (taken < 0 || client->broken) {
        break_off(client, taken < 0 ? error : XENSTORE_ERROR_COMM);
        moved = true;
    }
    if (moved) {
        client->notify(client->notify_context);
    }
    return !client->stopped && given + taken > 0;
}
