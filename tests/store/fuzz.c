/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's target for the store. The input is a list of steps: a request of one of three clients with a
 * payload from the input, raw bytes into a ring, an index of a ring, or a domain that goes and comes.
 * Whatever happens, the sanitizers must be content, limits hold, domain 2 is served, and at the end all
 * memory comes back (LeakSanitizer).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xs_wire.h>
#include "toolstack/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at, *end;
};

static uint8_t next(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static void notify(void *context)
{
    ++*(unsigned *)context;
}

static void callback(void *context, const char *path)
{
    *(unsigned *)context += (unsigned)strlen(path);
}

static void expect(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "store: %s\n", what);
        abort();
    }
}

static struct store *store;
static struct store_client *clients[3]; /* privileged, and two transports of domain 3 */
static struct xenstore_domain_interface *ring;
static unsigned notified, called;

static void drain(struct store_client *client)
{
    char bytes[256];

    while (store_client_output(client, bytes, sizeof(bytes)) > 0) {
    }
}

/*
 * A request whose payload is the input's next bytes; short ones get a path in front, so that something
 * happens.
 */
static void request(struct input *input, struct store_client *client)
{
    static const char *const paths[] = {
        "/", "/a", "a", "/local/domain/1/x", "/a/b/c", "@releaseDomain", "/local/domain/3", ""};
    uint8_t kind = next(input), path = next(input), length = next(input);
    struct xsd_sockmsg header = {kind % (XS_TYPE_COUNT + 1), 1, next(input) % 8, 0};
    char payload[400];
    size_t used = (size_t)snprintf(payload, sizeof(payload), "%s", paths[path % 8]);

    used += path & 8 ? 0 : 1;
    for (unsigned i = 0; i < length; i++) {
        payload[used++] = (char)next(input);
    }
    if (path & 16) {
        payload[used++] = '\0';
    }
    header.len = (uint32_t)used;
    store_client_input(client, &header, sizeof(header));
    store_client_input(client, payload, used);
    if (!(path & 32)) {
        drain(client);
    }
}

static void ring_step(struct input *input)
{
    uint8_t kind = next(input), length = next(input);

    for (unsigned i = 0; i < length; i++) {
        ring->req[MASK_XENSTORE_IDX(ring->req_prod++)] = (char)next(input);
    }
    switch (kind % 8) {
    case 0:
        ring->req_prod += next(input) * 16u;
        break;
    case 1:
        ring->rsp_cons += next(input) * 16u;
        break;
    case 2:
        ring->connection = next(input) % 3;
        break;
    case 3:
        ring->rsp_prod = ring->req_cons = next(input);
        break;
    default:
        ring->rsp_cons = ring->rsp_prod;
    }
    store_event(store, 1);
}

static void domain_step(struct input *input)
{
    uint8_t kind = next(input);

    if (kind % 4 == 0) {
        store_release(store, 1, kind & 4);
        store_introduce(store, 1, ring, notify, &notified);
    } else if (kind % 4 == 1) {
        store_domain_shut_down(store, 1);
    } else if (kind % 4 == 2) {
        store_set_target(store, 1, kind & 4 ? 2 : 1);
    } else {
        store_printf(store, "/local/domain/1/x", "%u", kind);
    }
}

static void is_served(void)
{
    char bytes[256], expected[] = "value";
    struct xsd_sockmsg header = {XS_READ, 1, 0, 16};
    struct store_client *client = store_client_new(store, 2, false, NULL);

    expect(client != NULL, "no memory");
    store_client_input(client, &header, sizeof(header));
    store_client_input(client, "/local/domain/2", 16);
    expect(store_client_output(client, bytes, sizeof(bytes)) == 16 + 5 && !memcmp(bytes + 16, expected, 5),
           "domain 2 is not served");
    store_client_free(client);
}

static void within_limits(uint16_t domid)
{
    struct store_usage usage;

    if (store_get_usage(store, domid, &usage)) {
        /* The tools can make nodes for it; they have no limits. */
        expect(usage.memory < 64u << 20 && usage.watches <= 129 && usage.transactions <= 11,
               "limits do not hold");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};

    store = store_create(NULL);
    ring = calloc(1, sizeof(*ring));
    expect(store && ring, "no memory");
    store_printf(store, "/local/domain/2", "value");
    store_set_permissions(store, "/local/domain/2", (struct store_permission[]){{2, STORE_NONE}}, 1);
    store_mkdir(store, "/local/domain/1");
    store_set_permissions(store, "/local/domain/1", (struct store_permission[]){{1, STORE_NONE}}, 1);
    store_introduce(store, 1, ring, notify, &notified);
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = store_client_new(store, i ? 3 : 0, i == 0, NULL);
        expect(clients[i] != NULL, "no memory");
    }
    store_watch(store, "/", callback, &called, NULL);
    while (input.at < input.end) {
        uint8_t step = next(&input);
        if (step % 8 < 5) {
            request(&input, clients[step % 8 % 3]);
        } else if (step % 8 < 7) {
            ring_step(&input);
        } else {
            domain_step(&input);
        }
        for (unsigned i = 0; store_dispatch(store); i++) {
            expect(i < 100000, "store_dispatch does not end");
        }
    }
    within_limits(1);
    within_limits(3);
    if (store_read(store, "/local/domain/2", NULL) &&
        !strcmp(store_read(store, "/local/domain/2", NULL), "value")) {
        is_served(); /* unless the tools have taken it away */
    }
    store_destroy(store);
    free(ring);
    return 0;
}
