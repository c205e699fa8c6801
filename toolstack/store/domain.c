/* SPDX-License-Identifier: MIT */
/* Domains: who is known, what they use, how they come and go; and the turns of clients. */
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

#define CLIENTS_A_CALL   16u /* of store_dispatch */
#define CALLBACKS_A_CALL 64u

static struct link *bucket_of(const struct store *store, uint16_t domid)
{
    return (struct link *)&store->domains[domid % DOMAIN_BUCKETS];
}

struct domain *domain_find(const struct store *store, uint16_t domid)
{
    struct link *bucket = bucket_of(store, domid);

    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct domain *domain = container_of(link, struct domain, link);
        if (domain->domid == domid) {
            return domain;
        }
    }
    return NULL;
}

struct domain *domain_get(struct store *store, uint16_t domid)
{
    struct domain *domain = domain_find(store, domid);

    if (!domain && (domain = calloc(1, sizeof(*domain)))) {
        domain->domid = domid;
        domain->generation = ++store->generation;
        list_init(&domain->nodes);
        list_append(bucket_of(store, domid), &domain->link);
    }
    return domain;
}

bool domain_over(const struct store_client *client, uint64_t more)
{
    return !client->privileged && client->domain->memory + more >= client->store->limits.memory;
}

int store_introduce(struct store *store, uint16_t domid, struct xenstore_domain_interface *page,
                    store_notify_function *notify, void *context)
{
    struct domain *domain = domain_get(store, domid);
    bool fresh = domain && !domain->client;

    if (!domain || (fresh && !(domain->client = client_new(store, domid, domid == 0)))) {
        return -ENOMEM;
    }
    domain->client->page = page;
    domain->client->notify = notify;
    domain->client->notify_context = context;
    ring_reset(domain->client);
    if (fresh) {
        watch_fire_special(store, "@introduceDomain");
    }
    notify(context);
    return 0;
}

void store_event(struct store *store, uint16_t domid)
{
    struct domain *domain = domain_find(store, domid);

    if (domain && domain->client) {
        client_ready(domain->client);
    }
}

static void forget_target(struct store *store, const struct domain *gone)
{
    for (struct link *link = store->clients.next; link != &store->clients; link = link->next) {
        struct domain *domain = container_of(link, struct store_client, link)->domain;
        if (domain->target == gone) {
            domain->target = NULL;
        }
    }
}

/* Gives a node to domain 0. False: no memory. */
static bool give_away(struct store *store, struct node *node)
{
    struct permissions *old = node->permissions;
    struct permissions *fresh = permissions_new(store, old->list, old->count);

    if (!fresh) {
        return false;
    }
    fresh->list[0].domid = 0;
    fresh->generation = old->generation;
    node_leave(store, node);
    node->permissions = fresh;
    node_enter(store, node);
    permissions_put(old);
    return true;
}

/* The highest node above path (or itself) that the domain owns. */
static struct path top_owned(struct store *store, const struct domain *domain, struct path path)
{
    struct path top = path;

    while (!path_is_root(&path)) {
        const struct node *node;
        path = path_parent(store, &path);
        node = (struct node *)table_find(&store->nodes, path.text, path.length, path.hash, &store->steps);
        if (node && node->permissions->list[0].domid == domain->domid && !path_is_root(&path)) {
            top = path;
        }
    }
    return top;
}

/* Nodes of a domain that is gone are removed with all below them, or given to domain 0. */
static int clear_nodes(struct store *store, struct domain *domain, bool keep)
{
    struct view view = {store, NULL, NULL};

    while (!list_empty(&domain->nodes)) {
        struct node *node = container_of(domain->nodes.next, struct node, owned);
        struct path path = path_of(&node->entry);
        char text[PATH_MAX_LENGTH + 1];
        if (keep || path_is_root(&path)) {
            if (!give_away(store, node)) {
                return -ENOMEM;
            }
            continue;
        }
        path = top_owned(store, domain, path);
        memcpy(text, path.text, path.length); /* the node's own goes with it */
        path.text = text;
        tree_remove(&view, &path);
    }
    return 0;
}

int store_release(struct store *store, uint16_t domid, bool keep_nodes)
{
    struct domain *domain = domain_find(store, domid);
    bool introduced;
    int error;

    if (!domain || domid == 0) {
        return domid == 0 ? -EINVAL : -ENOENT;
    }
    introduced = domain->client != NULL;
    if (introduced) {
        client_free(domain->client);
        domain->client = NULL;
    }
    error = clear_nodes(store, domain, keep_nodes);
    if (error) {
        return error;
    }
    forget_target(store, domain);
    if (introduced) {
        watch_fire_special(store, "@releaseDomain");
    }
    if (domain->clients) {
        domain->generation = ++store->generation; /* a transport goes on acting for it */
    } else {
        list_remove(&domain->link);
        free(domain);
    }
    return 0;
}

void store_domain_shut_down(struct store *store, uint16_t domid)
{
    struct domain *domain = domain_find(store, domid);

    if (domain && domain->client) {
        watch_fire_special(store, "@releaseDomain");
    }
}

int store_set_target(struct store *store, uint16_t domid, uint16_t target)
{
    struct domain *domain = domain_find(store, domid), *other = domain_find(store, target);

    if (!domain || !domain->client || !other || !other->client) {
        return -ENOENT;
    }
    domain->target = other;
    return 0;
}

bool store_get_usage(struct store *store, uint16_t domid, struct store_usage *usage)
{
    const struct domain *domain = domain_find(store, domid);
    const struct store_client *client = domain ? domain->client : NULL;

    if (!domain) {
        return false;
    }
    *usage = (struct store_usage){
        .nodes = domain->node_count, .memory = domain->memory, .introduced = client != NULL};
    if (client) {
        usage->watches = client->watch_count;
        usage->transactions = client->transaction_count;
        usage->outstanding = client->outstanding;
        usage->events = client->events;
        usage->broken = client->broken;
    }
    return true;
}

/* ------------------------------------------------------------------ turns */

/* Calls the owner's oldest waiting watch. */
static void call_back(struct store *store)
{
    struct message *message = container_of(store->own_events.next, struct message, link);
    struct store_watch *watch =
        message->watch; /* NOLINT(clang-analyzer-unix.Malloc): it is in no list when freed */

    /*
     * The message is out of the queue and the tables, so that the function may do anything, with this
     * watch too.
     */
    list_remove(&message->link);
    if (message->hashed) {
        table_remove(&store->events, &message->entry);
    }
    watch->function(watch->context, message->payload);
    free(message);
}

bool store_dispatch(struct store *store)
{
    struct link again;

    list_init(&again);
    for (unsigned i = 0; i < CLIENTS_A_CALL && !list_empty(&store->ready); i++) {
        struct store_client *client = container_of(store->ready.next, struct store_client, ready);
        bool more = ring_work(client);
        list_remove(&client->ready); /* where its own replies may have put it */
        if (more) {
            list_append(&again, &client->ready);
        }
    }
    /* Who has more waits behind those who had no turn yet. */
    while (!list_empty(&again)) {
        struct link *link = again.next;
        list_remove(link);
        list_append(&store->ready, link);
    }
    for (unsigned i = 0; i < CALLBACKS_A_CALL && !list_empty(&store->own_events); i++) {
        call_back(store);
    }
    return !list_empty(&store->ready) || !list_empty(&store->own_events);
}
