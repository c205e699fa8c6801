/* SPDX-License-Identifier: MIT */
/*
 * The store: a server of the xenstore protocol (xen/io/xs_wire.h; semantics of Xen's
 * docs/misc/xenstore.txt and, where it is silent, of the C xenstored of 4.17), as a library without
 * threads, clocks or operating system: it needs malloc alone. All functions are called from one thread.
 * They never block, and none is re-entered: what has to call back does so from store_dispatch, where
 * callbacks may call anything here.
 *
 * Three kinds of clients:
 *   rings       domains, through the page of their start info: store_introduce, store_event, store_dispatch
 *   transports  byte streams with the same messages, such as a socket: store_client_*
 *   the owner   whoever holds the struct store: plain functions, privileged, atomic, with watches by callback
 *
 * Unless said otherwise functions return 0 or a negative errno value: -EINVAL (bad path or argument),
 * -ENOENT, -EACCES, -ENOMEM, and what the protocol has for quotas: -ENOSPC, -E2BIG.
 *
 *     struct store *store = store_create(NULL);
 *     store_printf(store, "/local/domain/5/name", "web");
 *     store_set_permissions(store, "/local/domain/5",
 *                           (struct store_permission[]){{0, STORE_NONE}, {5, STORE_READ}}, 2);
 *     store_introduce(store, 5, page, notify, context);
 *     ...
 *     for (;;) {
 *         wait for events; store_event(store, 5) for those from domain 5's ring
 *         while (store_dispatch(store)) look whether other events have come
 *     }
 */
#ifndef TOOLSTACK_STORE_STORE_H
#define TOOLSTACK_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct store_client;
struct store_watch;
struct xenstore_domain_interface;

/*
 * What one unprivileged domain may use; the defaults are those of xenstored 4.17. Requests beyond them
 * get the protocol's error, events beyond `memory` are lost (to that domain), and a domain with
 * `outstanding` unread replies is not read from.
 */
struct store_limits {
    uint32_t nodes; /* nodes that it owns: 1,000 */
    uint32_t
        node_size;    /* bytes of a node: value, names of children, 8 for each permission, 24: below 2,048 */
    uint32_t watches; /* 128 */
    uint32_t transactions;      /* at a time: 10 */
    uint32_t transaction_nodes; /* that one transaction looks at: 1,024 */
    uint32_t outstanding;       /* replies that it has not taken out of the queue: 20 */
    uint32_t permissions;       /* entries of a node's list: 5 */
    uint32_t path_length;       /* characters behind /local/domain/N/: 2,048 */
    uint32_t memory;            /* bytes for all of this: 2.5 MiB */
    uint64_t seed;              /* of the hash function; pass something that guests cannot know */
};

void store_limits_default(struct store_limits *limits);

/* An empty store (only / exists, owned by domain 0). limits NULL: the defaults. NULL if memory is short. */
struct store *store_create(const struct store_limits *limits);

/* Ends it with all clients; rings' pages are not touched. */
void store_destroy(struct store *store);

/* ------------------------------------------------------------------ the owner's own access */

/*
 * Bits of a permission; the first entry of a list names the node's owner and the rights of all who are
 * not listed.
 */
#define STORE_NONE  0u
#define STORE_READ  1u
#define STORE_WRITE 2u

struct store_permission {
    uint16_t domid;
    uint16_t rights; /* STORE_* */
};

/*
 * The value, NULL if there is no such node. It is followed by a zero byte that is not part of it. Valid
 * until the next call that changes the store. length may be NULL.
 */
const char *store_read(struct store *store, const char *path, size_t *length);

/*
 * Writes a value, making the node and what is missing above it (these with the permissions of the node
 * above).
 */
int store_write(struct store *store, const char *path, const void *value, size_t length);
int store_printf(struct store *store, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int store_mkdir(struct store *store, const char *path);

/* Removes a node and all below it. No error if it is missing but its parent exists. */
int store_remove(struct store *store, const char *path);

/*
 * Names of the node's children, each followed by a zero byte, in the order in which they came; *length
 * bytes in all. NULL if there is no such node. Valid until the next call that changes the store.
 */
const char *store_list(struct store *store, const char *path, size_t *length);

/* Sets the list (count at least 1). Nodes that are made below it later inherit it. */
int store_set_permissions(struct store *store, const char *path, const struct store_permission *list,
                          unsigned count);
/* Copies up to count entries to list and returns how many there are, or an error. */
int store_get_permissions(struct store *store, const char *path, struct store_permission *list,
                          unsigned count);

/*
 * Calls function(context, path) from store_dispatch for every change at path or below, with the path that
 * changed, and once at the beginning. Equal events that wait are one. path may be "@introduceDomain" or
 * "@releaseDomain". NULL: bad path or no memory (*error, if given, says which).
 */
typedef void store_watch_function(void *context, const char *path);
struct store_watch *store_watch(struct store *store, const char *path, store_watch_function *function,
                                void *context, int *error);
/* After it returns the function is not called any more. */
void store_unwatch(struct store *store, struct store_watch *watch);

/* ------------------------------------------------------------------ domains */

/*
 * Called when the domain has something to read (or room): send the event. From any function here; calls
 * nothing here.
 */
typedef void store_notify_function(void *context);

/*
 * Begins (or, for a domain that is introduced, begins anew) to serve the ring in page, which stays mapped
 * and writable until store_release. Requests and replies that are in the ring are dropped, as the
 * protocol says. Fires @introduceDomain. The domain's path is /local/domain/DOMID; nothing is written
 * there. domid 0 is privileged.
 */
int store_introduce(struct store *store, uint16_t domid, struct xenstore_domain_interface *page,
                    store_notify_function *notify, void *context);

/*
 * An event came from the domain: its ring is looked at by the next store_dispatch. Cheap; unknown domains
 * are ignored.
 */
void store_event(struct store *store, uint16_t domid);

/*
 * The domain is gone: its watches, transactions and queues go, its page is not touched again, its rights
 * at other's nodes end (a later domain with its number does not get them). Nodes that it owns are
 * removed, or with keep_nodes given to domain 0. Fires @releaseDomain if it was introduced. -ENOENT if
 * the store never heard of it.
 */
int store_release(struct store *store, uint16_t domid, bool keep_nodes);

/* The domain has shut down but still exists: fires @releaseDomain. */
void store_domain_shut_down(struct store *store, uint16_t domid);

/* guest is served for target: it has target's rights (XS_SET_TARGET). Both are introduced. */
int store_set_target(struct store *store, uint16_t domid, uint16_t target);

/*
 * Work that has come up: requests of rings, replies and events into rings, callbacks of watches. Each
 * call does a bounded amount and takes turns between clients; true: there is more, call again. False:
 * nothing to do until the next store_event or other call.
 */
bool store_dispatch(struct store *store);

/* What a domain uses now. False if the store does not know it. */
struct store_usage {
    uint32_t nodes, watches, transactions, outstanding, events;
    uint64_t memory;         /* bytes */
    bool introduced, broken; /* broken: it broke the protocol and is not served any more */
};
bool store_get_usage(struct store *store, uint16_t domid, struct store_usage *usage);

/* Nodes in the store; and hash table entries looked at since store_create, for tests of cost. */
uint64_t store_node_count(const struct store *store);
uint64_t store_steps(const struct store *store);

/* ------------------------------------------------------------------ transports */

struct store_transport {
    /* There is output to take. Called from any function here; must call nothing here. */
    void (*notify)(void *context);
    void *context;
    /*
     * For requests INTRODUCE and RELEASE of a privileged client; NULL: they get ENOSYS. They may call
     * store_introduce and store_release.
     */
    int (*introduce)(void *context, uint16_t domid, uint64_t gfn, uint32_t port);
    int (*release)(void *context, uint16_t domid);
};

/*
 * A client that acts for domid (relative paths, ownership); privileged: all permissions, no limits. NULL:
 * no memory.
 */
struct store_client *store_client_new(struct store *store, uint16_t domid, bool privileged,
                                      const struct store_transport *transport);
void store_client_free(struct store_client *client);

/*
 * Takes bytes of requests; how many, fewer than length when the client has to take output first (0: all
 * is full), or -EPROTO: the stream is broken, close it.
 */
long store_client_input(struct store_client *client, const void *data, size_t length);

/* Gives up to length bytes of replies and events; how many, 0 if there are none. */
size_t store_client_output(struct store_client *client, void *data, size_t length);

#endif
