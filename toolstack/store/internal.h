/* SPDX-License-Identifier: MIT */
/*
 * The store's inside. How the files lie on each other:
 *
 *   api.c     the owner's functions        wire.c   requests of clients
 *   ring.c    a domain's page              client.c queues of messages in and out
 *   domain.c  who exists, and what it uses
 *   tree.c    operations on nodes, through a view: the store itself or a transaction
 *   transaction.c, watch.c, permissions.c
 *   table.c   hash table    path.c  paths
 *
 * Nodes are found by a hash of their whole path, so that neither depth nor number of domains counts. A
 * node has its children's names as one packed list, which is what the protocol answers with.
 */
#ifndef TOOLSTACK_STORE_INTERNAL_H
#define TOOLSTACK_STORE_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pvboot/abi.h"
#include <xen/io/xs_wire.h>
#include "toolstack/store/store.h"
#include "toolstack/lib/list.h"

/* ------------------------------------------------------------------ table.c */

/* Base of what a table holds; the owner allocates it. */
struct entry {
    struct entry *next;
    const char *key; /* in the same allocation */
    uint32_t length;
    uint32_t hash;
};

/*
 * Linear hashing: the table grows by one bucket for each new entry, so that no insertion is ever
 * expensive. Buckets are in segments. All zero is an empty table.
 */
struct table {
    struct entry ***segments;
    uint32_t segment_count, segment_room;
    uint32_t mask;  /* buckets that the current round began with, minus one */
    uint32_t split; /* the next bucket to split in this round */
    uint32_t count; /* entries */
};

bool table_init(struct table *table); /* false: no memory */
void table_free(struct table *table); /* the buckets; entries are the caller's */
struct entry *table_find(const struct table *table, const char *key, uint32_t length, uint32_t hash,
                         uint64_t *steps);
void table_insert(struct table *table, struct entry *entry);
void table_remove(struct table *table, struct entry *entry);
/* Calls function for each entry, which it may free. */
void table_each(struct table *table, void (*function)(void *context, struct entry *entry), void *context);

/* ------------------------------------------------------------------ path.c */

#define PATH_MAX_LENGTH XENSTORE_ABS_PATH_MAX

/* An absolute path that has been checked, or the beginning of one: text need not end at length. */
struct path {
    const char *text;
    uint32_t length;
    uint32_t hash;
    uint32_t parent_length, parent_hash; /* 0: not known yet */
};

/* Checks an absolute path. False: it is none (-EINVAL). */
bool path_parse(const struct store *store, struct path *path, const char *text, size_t length);
/* The path above; that of / is / itself. */
struct path path_parent(const struct store *store, const struct path *path);
/* The last component. */
const char *path_leaf(const struct path *path, uint32_t *length);
/* A path known to be good, such as a special one (@...). */
struct path path_known(const struct store *store, const char *text, size_t length);
/* The path by which an entry is found. */
static inline struct path path_of(const struct entry *entry)
{
    return (struct path){entry->key, entry->length, entry->hash, 0, 0};
}
static inline bool path_is_root(const struct path *path)
{
    return path->length == 1;
}

/* The hash function in steps: over the bytes of a path, to be finished. */
uint64_t hash_bytes(uint64_t state, const char *bytes, size_t length);
static inline uint64_t hash_byte(uint64_t state, char byte)
{
    return (state ^ (unsigned char)byte) * 0x9e3779b97f4a7c15ull;
}
static inline uint32_t hash_finish(uint64_t state)
{
    return (uint32_t)((state ^ state >> 29) * 0xbf58476d1ce4e5b9ull >> 32);
}

struct transaction;

/*
 * Through whose eyes nodes are seen: client NULL is the owner of the store; transaction NULL is the store
 * itself.
 */
struct view {
    struct store *store;
    struct store_client *client;
    struct transaction *transaction;
};

/* Do permissions and limits hold for it? */
bool view_limited(const struct view *view);

/* ------------------------------------------------------------------ permissions.c */

#define RIGHT_OWNER   4u
#define RIGHT_IGNORED 8u /* of a domain that did not exist when the list was set */

/* A list, shared by nodes and never changed. */
struct permissions {
    uint32_t references;
    uint32_t count;
    uint64_t generation; /* entries count for domains that are older than this */
    struct store_permission list[];
};

struct permissions *permissions_new(struct store *store, const struct store_permission *list, uint32_t count);
/*
 * The list that a new node below one with parent's gets from an unprivileged creator; a reference. NULL:
 * no memory.
 */
struct permissions *permissions_inherit(const struct store_client *client, struct permissions *parent);
static inline struct permissions *permissions_get(struct permissions *permissions)
{
    permissions->references++;
    return permissions;
}
void permissions_put(struct permissions *permissions);
/*
 * Finds the domains of a list that is to be set: the privileged may name domains that are yet to come,
 * for others such an entry is marked RIGHT_IGNORED. -ENOENT if that is the owner.
 */
int permissions_resolve(const struct view *view, struct store_permission *list, uint32_t count);
/* What a client may do: STORE_READ, STORE_WRITE, RIGHT_OWNER. client NULL: everything. */
unsigned permissions_for(const struct store_client *client, const struct permissions *permissions);
/* Text of the protocol, such as "n0" "r5", each with its zero byte. -EINVAL; count entries are written. */
int permissions_parse(const char *text, size_t length, struct store_permission *list, uint32_t count);
/* An entry as text; its length with the zero byte. text has room for 8 bytes. */
uint32_t permissions_format(const struct store_permission *entry, char *text);

/* ------------------------------------------------------------------ nodes */

struct node {
    struct entry entry; /* key: the path, zero-terminated */
    struct permissions *permissions;
    uint64_t generation; /* changes with the node; never twice the same */
    char *value; /* value_length bytes and a zero byte; inline behind the path, or allocated; NULL if empty */
    char *children; /* names, each zero-terminated; NULL if none */
    uint32_t value_length, value_room;
    uint32_t children_length, children_room;
    uint32_t inline_room; /* bytes for a value behind the path */
    uint32_t cursor;      /* children that a removal has dealt with */
    struct link owned;    /* in the owner's list; nodes of the store itself */
};

#define NO_GENERATION UINT64_MAX

/* tree.c. Errors are negative errno values. Nodes are valid until the next change. */
int tree_init(struct store *store);
/* The node without any check: 0, -ENOENT, or -ENOMEM and -ENOSPC from a transaction. */
int tree_look(const struct view *view, const struct path *path, struct node **node);
/* The node if the client has all rights in need; -EACCES hides whether it exists. */
int tree_get(const struct view *view, const struct path *path, unsigned need, struct node **node);
int tree_write(const struct view *view, const struct path *path, const void *value, uint32_t length);
int tree_mkdir(const struct view *view, const struct path *path);
int tree_remove(const struct view *view, const struct path *path);
/* list: after permissions_resolve. */
int tree_set_permissions(const struct view *view, const struct path *path,
                         const struct store_permission *list, uint32_t count);

/* node.c: memory of nodes, and their place in the store itself. */
struct node *node_new(const struct path *path, struct permissions *permissions, uint32_t value_length);
struct node *node_copy(const struct node *node); /* not in any table or list */
void node_free(struct node *node);
bool node_set_value(struct node *node, const void *value, uint32_t length);
bool node_add_child(struct node *node, const char *name, uint32_t length);
void node_remove_child(struct node *node, const char *name, uint32_t length);
uint32_t node_size(const struct node *node);   /* as the limit node_size counts */
uint32_t node_memory(const struct node *node); /* as the limit memory counts */
/* Puts a node into the store, or takes it out (not freed); counts it for its owner. False: no memory. */
bool node_enter(struct store *store, struct node *node);
void node_leave(struct store *store, struct node *node);

/* ------------------------------------------------------------------ transaction.c */

struct transaction {
    struct link link; /* in the client's list */
    uint32_t id;
    struct store_client *client;
    struct table seen; /* struct access by path */
    struct link order; /* the same, oldest first */
    bool created, failed;
    uint64_t memory; /* charged to the client's domain */
};

/* A node as a transaction sees it, from the first look on. */
struct access {
    struct entry entry;
    struct link order;
    uint64_t generation;       /* in the store at the first look; NO_GENERATION: did not exist */
    struct node *node;         /* the transaction's own copy; NULL: does not exist */
    struct permissions *first; /* the node's at the first look, or NULL */
    bool modified, fire, exact;
    char path[];
};

struct transaction *transaction_find(struct store_client *client, uint32_t id);
int transaction_start(struct store_client *client, uint32_t *id);
int transaction_end(struct transaction *transaction, bool commit);
void transaction_free(struct transaction *transaction);
/* The access for path, made at the first look. */
int transaction_look(struct transaction *transaction, const struct path *path, struct access **result);

/* ------------------------------------------------------------------ watch.c */

/* A path that somebody watches. */
struct watched {
    struct entry entry;
    struct link watches; /* in order of their sequence */
    struct link *cursor; /* while an event is matched */
    char path[];
};

struct store_watch {
    struct link link; /* in the client's or the owner's list */
    struct link at;   /* in watched */
    struct watched *watched;
    struct store_client *client; /* NULL: the owner's */
    uint64_t sequence;
    uint32_t relative; /* bytes of the path that events leave out */
    store_watch_function *function;
    void *context;
    char token[];
};

int watch_add(struct store *store, struct store_client *client, const struct path *path, uint32_t relative,
              const char *token, struct store_watch **result);
struct store_watch *watch_find(const struct store_client *client, const struct path *path, const char *token);
void watch_remove(struct store *store, struct store_watch *watch);
/* The event with which a watch begins. */
void watch_first(struct store *store, struct store_watch *watch);
/*
 * node (NULL: gone) at path changed; exact: watches above do not hear of it. before: permissions that it
 * had, or NULL.
 */
void watch_fire(const struct view *view, const struct path *path, const struct node *node, bool exact,
                const struct permissions *before);
void watch_fire_special(struct store *store, const char *name);

/* ------------------------------------------------------------------ client.c */

/* A message on its way out: a reply, or an event (then also in store->events, unless special). */
struct message {
    struct entry entry; /* events: key is the payload */
    struct link link;
    struct store_client *client;
    struct store_watch *watch; /* events for the owner */
    bool event, hashed;
    uint32_t done; /* bytes given out */
    struct xsd_sockmsg header;
    char payload[]; /* one spare byte at the end */
};

struct store_client {
    struct link link;  /* store->clients */
    struct link ready; /* store->ready while there is work */
    struct store *store;
    struct domain *domain; /* the record of its domid */
    uint16_t domid;
    bool privileged, broken;
    struct store_transport transport;
    char home[24]; /* where relative paths begin */
    uint32_t home_length;

    struct xsd_sockmsg header; /* of the request that is coming in */
    uint32_t taken;            /* its bytes so far, header included */
    char *payload;             /* allocated when the header is there; one zero byte behind it */

    struct link output; /* struct message */
    uint32_t outstanding, events;
    struct link watches, transactions;
    uint32_t watch_count, transaction_count, next_transaction;

    /* Rings. */
    struct xenstore_domain_interface *page;
    uint32_t request_at, reply_at; /* our indices: req_cons and rsp_prod are copies of them */
    bool stopped;                  /* broken, and the domain knows */
    store_notify_function *notify;
    void *notify_context;
};

struct store_client *client_new(struct store *store, uint16_t domid, bool privileged);
void client_free(struct store_client *client);
/* Drops watches, transactions, requests and output. */
void client_reset(struct store_client *client);
/* Is the next request to be read? */
bool client_may_send(const struct store_client *client);
/* Takes bytes of one request at most and handles it when complete; how many, or -EPROTO. */
long client_take(struct store_client *client, const char *data, size_t length);
size_t client_give(struct store_client *client, char *data, size_t length);
void client_reply(struct store_client *client, uint32_t type, const void *payload, uint32_t length);
/* An event; lost if the client's memory is used up. */
void client_event(struct store *store, struct store_watch *watch, const char *path, uint32_t path_length);
void message_free(struct store *store, struct message *message);
/* There is work for the client in store_dispatch. */
void client_ready(struct store_client *client);

/* wire.c: the request in client->header and client->payload; replies. */
void wire_handle(struct store_client *client);

/* ring.c: moves bytes; true if there is more to do. */
bool ring_work(struct store_client *client);
void ring_reset(struct store_client *client);

/* ------------------------------------------------------------------ domain.c */

struct domain {
    struct link link;  /* in its bucket */
    struct link nodes; /* that it owns */
    uint16_t domid;
    uint64_t generation; /* the store's when it came up */
    uint32_t node_count;
    int64_t change; /* in a commit: nodes that come and go */
    uint64_t memory;
    struct store_client *client; /* its ring */
    uint32_t clients;            /* that act for it, the ring's included */
    struct domain *target;
};

#define DOMAIN_BUCKETS 256u

/* The record of a domain; NULL if it is unknown. */
struct domain *domain_find(const struct store *store, uint16_t domid);
struct domain *domain_get(struct store *store, uint16_t domid); /* made if unknown; NULL: no memory */
/* Would more bytes break the client's limit? */
bool domain_over(const struct store_client *client, uint64_t more);

/* ------------------------------------------------------------------ the store */

struct store {
    struct store_limits limits;
    struct table nodes;
    struct table watched;
    struct table events; /* those that wait, to find equal ones */
    uint64_t generation;
    uint64_t watch_sequence;
    uint64_t steps;
    struct link domains[DOMAIN_BUCKETS];
    struct link clients;
    struct link ready;
    struct link own_watches, own_events;
    struct permissions *introduce_permissions, *release_permissions;
    struct watched *matches[PATH_MAX_LENGTH / 2 + 2]; /* scratch of an event: one for each level of a path */
};

#endif
