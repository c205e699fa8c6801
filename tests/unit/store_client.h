/* SPDX-License-Identifier: MIT */
/*
 * For unit tests of the store: a store with three clients that speak the protocol. Include it once, after
 * cmocka.h.
 */
#ifndef TESTS_UNIT_STORE_CLIENT_H
#define TESTS_UNIT_STORE_CLIENT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>
#include "toolstack/store/store.h"

struct answer {
    struct xsd_sockmsg header;
    char payload[XENSTORE_PAYLOAD_MAX + 1];
};

/* Sends a request; the payload may hold zero bytes. */
static inline void send_raw(struct store_client *client, uint32_t type, uint32_t id, const void *payload,
                            uint32_t length)
{
    struct xsd_sockmsg header = {type, 7, id, length};

    assert_int_equal(store_client_input(client, &header, sizeof(header)), sizeof(header));
    assert_int_equal(store_client_input(client, payload, length), length);
}

/* Takes the next message. False: none. */
static inline bool receive(struct store_client *client, struct answer *answer)
{
    size_t got = store_client_output(client, &answer->header, sizeof(answer->header));

    if (!got) {
        return false;
    }
    assert_int_equal(got, sizeof(answer->header));
    assert_true(answer->header.len <= XENSTORE_PAYLOAD_MAX);
    assert_int_equal(store_client_output(client, answer->payload, answer->header.len), answer->header.len);
    answer->payload[answer->header.len] = '\0';
    return true;
}

/* Events that came before a reply. */
static struct {
    struct store_client *client;
    char text[65536];
} early_events;

static inline void add_event(char *text, size_t size, const struct answer *answer)
{
    assert_int_equal(answer->header.type, XS_WATCH_EVENT);
    assert_int_equal(answer->header.req_id, 0);
    assert_int_equal(answer->header.tx_id, 0);
    snprintf(text + strlen(text), size - strlen(text), "%s %s;", answer->payload,
             answer->payload + strlen(answer->payload) + 1);
}

/* A request and its reply. Zero bytes of the reply become |. */
static inline const char *ask_raw(struct store_client *client, uint32_t type, uint32_t id,
                                  const void *payload, uint32_t length)
{
    static struct answer answer;

    if (early_events.client != client) {
        early_events.client = client;
        early_events.text[0] = '\0';
    }
    send_raw(client, type, id, payload, length);
    assert_true(receive(client, &answer));
    while (answer.header.type == XS_WATCH_EVENT) {
        add_event(early_events.text, sizeof(early_events.text), &answer);
        assert_true(receive(client, &answer));
    }
    assert_int_equal(answer.header.req_id, 7);
    assert_int_equal(answer.header.tx_id, id);
    assert_true(answer.header.type == type || answer.header.type == XS_ERROR);
    for (uint32_t i = 0; i < answer.header.len; i++) {
        if (!answer.payload[i]) {
            answer.payload[i] = '|';
        }
    }
    return answer.payload;
}

/* The same with | for zero bytes in the request, too. */
static inline const char *ask_in(struct store_client *client, uint32_t id, uint32_t type, const char *request)
{
    char payload[XENSTORE_PAYLOAD_MAX + 1];
    uint32_t length = (uint32_t)strlen(request);

    for (uint32_t i = 0; i <= length; i++) {
        payload[i] = (char)(request[i] == '|' ? '\0' : request[i]);
    }
    return ask_raw(client, type, id, payload, length);
}

#define ask(client, type, request) ask_in(client, 0, XS_##type, request)

/*
 * All events since the last call (but those that another client's requests made us forget) as "path
 * token;path token;".
 */
static inline const char *events(struct store_client *client)
{
    static char text[65536];
    struct answer answer;

    text[0] = '\0';
    if (early_events.client == client) {
        strcpy(text, early_events.text);
        early_events.text[0] = '\0';
    }
    while (receive(client, &answer)) {
        add_event(text, sizeof(text), &answer);
    }
    return text;
}

#define assert_ask(client, type, request, reply) assert_string_equal(ask(client, type, request), reply)

static struct store *store;
static struct store_client *tools, *one, *two; /* domain 0, and domains 1 and 2 with a home each */

static inline int set_up(void **state)
{
    (void)state;
    early_events.client = NULL;
    store = store_create(NULL);
    tools = store_client_new(store, 0, true, NULL);
    one = store_client_new(store, 1, false, NULL);
    two = store_client_new(store, 2, false, NULL);
    for (uint16_t i = 1; i <= 2; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/local/domain/%u", i);
        assert_int_equal(store_mkdir(store, path), 0);
        assert_int_equal(store_set_permissions(store, path, (struct store_permission[]){{i, STORE_NONE}}, 1),
                         0);
    }
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    store_destroy(store);
    return 0;
}

#endif
