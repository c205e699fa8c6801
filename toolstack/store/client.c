/* SPDX-License-Identifier: MIT */
/* Clients: requests in, one at a time, and the queue of replies and events out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

struct store_client *client_new(struct store *store, uint16_t domid, bool privileged)
{
    struct domain *domain = domain_get(store, domid);
    struct store_client *client = domain ? calloc(1, sizeof(*client)) : NULL;

    if (!client) {
        return NULL;
    }
    client->store = store;
    client->domain = domain;
    client->domid = domid;
    client->privileged = privileged;
    client->next_transaction = 1;
    client->home_length = (uint32_t)snprintf(client->home, sizeof(client->home), "/local/domain/%u", domid);
    list_init(&client->ready);
    list_init(&client->output);
    list_init(&client->watches);
    list_init(&client->transactions);
    list_append(&store->clients, &client->link);
    domain->clients++;
    return client;
}

static void drop_request(struct store_client *client)
{
    free(client->payload);
    client->payload = NULL;
    client->taken = 0;
}

void client_reset(struct store_client *client)
{
    while (!list_empty(&client->watches)) {
        watch_remove(client->store, container_of(client->watches.next, struct store_watch, link));
    }
    while (!list_empty(&client->transactions)) {
        transaction_free(container_of(client->transactions.next, struct transaction, link));
    }
    while (!list_empty(&client->output)) {
        message_free(client->store, container_of(client->output.next, struct message, link));
    }
    drop_request(client);
}

void client_free(struct store_client *client)
{
    client_reset(client);
    list_remove(&client->link);
    list_remove(&client->ready);
    client->domain->clients--;
    free(client);
}

void client_ready(struct store_client *client)
{
    if (!client->page) {
        if (client->transport.notify) {
            client->transport.notify(client->transport.context);
        }
    } else if (list_empty(&client->ready)) {
        list_append(&client->store->ready, &client->ready);
    }
}

/* ------------------------------------------------------------------ in */

bool client_may_send(const struct store_client *client)
{
    const struct store_limits *limits = &client->store->limits;

    return !client->broken && (client->privileged || (client->outstanding < limits->outstanding &&
                                                      client->domain->memory < limits->memory));
}

long client_take(struct store_client *client, const char *data, size_t length)
{
    const uint32_t header = sizeof(client->header);
    size_t want, taken = 0;

    if (client->taken < header) {
        taken = length < header - client->taken ? length : header - client->taken;
        memcpy((char *)&client->header + client->taken, data, taken);
        client->taken += (uint32_t)taken;
        if (client->taken < header) {
            return (long)taken;
        }
    }
    if (client->header.len > XENSTORE_PAYLOAD_MAX) {
        return -EPROTO;
    }
    if (!client->payload && !(client->payload = malloc(client->header.len + 1))) {
        return (long)taken; /* tried again when the client is next looked at */
    }
    want = header + client->header.len - client->taken;
    want = want < length - taken ? want : length - taken;
    memcpy(client->payload + (client->taken - header), data + taken, want);
    client->taken += (uint32_t)want;
    if (client->taken == header + client->header.len) {
        client->payload[client->header.len] = '\0';
        wire_handle(client);
        drop_request(client);
    }
    return (long)(taken + want);
}

/* ------------------------------------------------------------------ out */

static uint32_t memory_of(const struct message *message)
{
    return message->header.len + (uint32_t)sizeof(message->header);
}

static struct message *message_new(struct store_client *client, uint32_t type, uint32_t length)
{
    struct message *message = malloc(sizeof(*message) + length + 1);

    if (message) {
        memset(message, 0, sizeof(*message));
        message->client = client;
        message->header.type = type;
        message->header.len = length;
    }
    return message;
}

static void message_queue(struct store *store, struct message *message)
{
    struct store_client *client = message->client;

    if (!client) {
        list_append(&store->own_events, &message->link);
        return;
    }
    client->domain->memory += memory_of(message);
    if (message->event) {
        client->events++;
    } else {
        client->outstanding++;
    }
    list_append(&client->output, &message->link);
    client_ready(client);
}

void message_free(struct store *store, struct message *message)
{
    struct store_client *client =
        message->client; /* NOLINT(clang-analyzer-unix.Malloc): it is in no list when freed */

    if (message->hashed) {
        table_remove(&store->events, &message->entry);
    }
    if (client) {
        client->domain->memory -= memory_of(message);
        if (message->event) {
            client->events--;
        } else {
            client->outstanding--;
        }
    }
    list_remove(&message->link);
    free(message);
}

void client_reply(struct store_client *client, uint32_t type, const void *payload, uint32_t length)
{
    struct message *message = message_new(client, type, length);

    if (!message) {
        /*
         * A request without a reply would hang the client for ever; so it learns that this connection is
         * over.
         */
        client->broken = true;
        client_ready(client);
        return;
    }
    message->header.req_id = client->header.req_id;
    message->header.tx_id = client->header.tx_id;
    if (length) {
        memcpy(message->payload, payload, length);
    }
    message_queue(client->store, message);
}

void client_event(struct store *store, struct store_watch *watch, const char *path, uint32_t path_length)
{
    struct store_client *client = watch->client;
    uint32_t token_size = (uint32_t)strlen(watch->token) + 1, length;
    struct message *message;
    struct entry *same;

    if (path_length && *path == '/' && watch->relative) {
        path++; /* what was left out ends before the slash */
        path_length--;
    }
    length = path_length + 1 + token_size;
    if (length > XENSTORE_PAYLOAD_MAX ||
        (client && (client->broken || domain_over(client, length + sizeof(message->header))))) {
        return;
    }
    message = message_new(client, XS_WATCH_EVENT, length);
    if (!message) {
        return;
    }
    memcpy(message->payload, path, path_length);
    message->payload[path_length] = '\0';
    memcpy(message->payload + path_length + 1, watch->token, token_size);
    message->event = true;
    message->watch = client ? NULL : watch;
    if (*path != '@') {
        uint64_t state = store->limits.seed + (client ? (uintptr_t)client : (uintptr_t)watch);
        message->entry = (struct entry){NULL, message->payload, length,
                                        hash_finish(hash_bytes(state, message->payload, length))};
        same = table_find(&store->events, message->payload, length, message->entry.hash, &store->steps);
        if (same && ((struct message *)same)->client == client &&
            ((struct message *)same)->watch == message->watch) {
            free(message);
            return;
        }
        table_insert(&store->events, &message->entry);
        message->hashed = true;
    }
    message_queue(store, message);
}

size_t client_give(struct store_client *client, char *data, size_t length)
{
    const uint32_t header = sizeof(struct xsd_sockmsg);
    size_t given = 0;

    while (given < length && !list_empty(&client->output)) {
        struct message *message = container_of(client->output.next, struct message, link);
        bool in_header =
            message->done < header; /* NOLINT(clang-analyzer-unix.Malloc): it is in no list when freed */
        const char *from = in_header ? (const char *)&message->header + message->done
                                     : message->payload + (message->done - header);
        size_t left = (in_header ? header : header + message->header.len) - message->done;
        size_t part = left < length - given ? left : length - given;
        memcpy(data + given, from, part);
        given += part;
        message->done += (uint32_t)part;
        if (message->done == header + message->header.len) {
            message_free(client->store, message);
        }
    }
    return given;
}

/* ------------------------------------------------------------------ transports */

struct store_client *store_client_new(struct store *store, uint16_t domid, bool privileged,
                                      const struct store_transport *transport)
{
    struct store_client *client = client_new(store, domid, privileged);

    if (client && transport) {
        client->transport = *transport;
    }
    return client;
}

void store_client_free(struct store_client *client)
{
    client_free(client);
}

long store_client_input(struct store_client *client, const void *data, size_t length)
{
    size_t done = 0;

    while (done < length && client_may_send(client)) {
        long taken = client_take(client, (const char *)data + done, length - done);
        if (taken < 0) {
            client->broken = true;
        }
        if (taken <= 0) {
            break;
        }
        done += (size_t)taken;
    }
    return client->broken ? -EPROTO : (long)done;
}

size_t store_client_output(struct store_client *client, void *data, size_t length)
{
    return client_give(client, data, length);
}
