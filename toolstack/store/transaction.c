/* SPDX-License-Identifier: MIT */
/*
 * Transactions. A node is copied when the transaction first looks at it, and changes are made to the
 * copy. A commit succeeds if none of these nodes has changed in the store since; then the changed copies
 * take their places. So a transaction costs what it touches, and only conflicting ones fail.
 */
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

struct transaction *transaction_find(struct store_client *client, uint32_t id)
{
    for (struct link *link = client->transactions.next; link != &client->transactions; link = link->next) {
        struct transaction *transaction = container_of(link, struct transaction, link);
        if (transaction->id == id) {
            return transaction;
        }
    }
    return NULL;
}

int transaction_start(struct store_client *client, uint32_t *id)
{
    struct transaction *transaction;

    if (!client->privileged && client->transaction_count > client->store->limits.transactions) {
        return -ENOSPC;
    }
    transaction = calloc(1, sizeof(*transaction));
    if (!transaction || !table_init(&transaction->seen)) {
        free(transaction);
        return -ENOMEM;
    }
    list_init(&transaction->order);
    transaction->client = client;
    do {
        *id = client->next_transaction++;
    } while (*id == 0 || transaction_find(client, *id));
    transaction->id = *id;
    list_append(&client->transactions, &transaction->link);
    client->transaction_count++;
    return 0;
}

static void charge(struct transaction *transaction, uint64_t bytes)
{
    transaction->memory += bytes;
    transaction->client->domain->memory += bytes;
}

void transaction_free(struct transaction *transaction)
{
    struct link *link, *next;

    for (link = transaction->order.next; link != &transaction->order; link = next) {
        struct access *access = container_of(link, struct access, order);
        next = link->next;
        if (access->node) {
            node_free(access->node);
        }
        permissions_put(access->first);
        free(access);
    }
    table_free(&transaction->seen);
    transaction->client->domain->memory -= transaction->memory;
    transaction->client->transaction_count--;
    list_remove(&transaction->link);
    free(transaction);
}

int transaction_look(struct transaction *transaction, const struct path *path, struct access **result)
{
    struct store_client *client = transaction->client;
    struct store *store = client->store;
    struct access *access;
    struct node *node;
    uint32_t memory;

    *result = access =
        (struct access *)table_find(&transaction->seen, path->text, path->length, path->hash, &store->steps);
    if (access) {
        return 0;
    }
    if (!client->privileged && transaction->seen.count >= store->limits.transaction_nodes) {
        transaction->failed = true;
        return -ENOSPC;
    }
    node = (struct node *)table_find(&store->nodes, path->text, path->length, path->hash, &store->steps);
    memory = (uint32_t)sizeof(*access) + path->length + (node ? node_memory(node) : 0);
    access = domain_over(client, memory) ? NULL : calloc(1, sizeof(*access) + path->length + 1);
    if (!access || (node && !(access->node = node_copy(node)))) {
        free(access);
        transaction->failed = true;
        return -ENOMEM;
    }
    memcpy(access->path, path->text, path->length);
    access->entry = (struct entry){NULL, access->path, path->length, path->hash};
    access->generation = node ? node->generation : NO_GENERATION;
    access->first = node ? permissions_get(node->permissions) : NULL;
    table_insert(&transaction->seen, &access->entry);
    list_append(&transaction->order, &access->order);
    charge(transaction, memory);
    *result = access;
    return 0;
}

static struct node *in_store(struct store *store, const struct access *access)
{
    return (struct node *)table_find(&store->nodes, access->entry.key, access->entry.length,
                                     access->entry.hash, &store->steps);
}

#define each_access(transaction, link, access)                                                               \
    struct link *link = (transaction)->order.next;                                                           \
    link != &(transaction)->order && ((access) = container_of(link, struct access, order), true);            \
    link = link->next

/* Has anything changed under the transaction? */
static int check(struct store *store, struct transaction *transaction)
{
    struct access *access;

    for (each_access(transaction, link, access)) {
        const struct node *node = in_store(store, access);
        if ((node ? node->generation : NO_GENERATION) != access->generation) {
            return -EAGAIN;
        }
        if (access->modified && access->node &&
            !domain_find(store, access->node->permissions->list[0].domid)) {
            return -EAGAIN; /* the owner was released meanwhile */
        }
    }
    return 0;
}

/* Would the commit leave a domain with too many nodes? */
static int check_nodes(struct store *store, struct transaction *transaction)
{
    struct access *access;
    int error = 0;

    for (each_access(transaction, link, access)) {
        const struct node *node = in_store(store, access);
        if (access->modified && node) {
            domain_find(store, node->permissions->list[0].domid)->change--;
        }
        if (access->modified && access->node) {
            domain_find(store, access->node->permissions->list[0].domid)->change++;
        }
    }
    for (each_access(transaction, link, access)) {
        const struct node *nodes[] = {in_store(store, access), access->node};
        for (unsigned i = 0; i < 2; i++) {
            struct domain *domain =
                nodes[i] ? domain_find(store, nodes[i]->permissions->list[0].domid) : NULL;
            if (domain && domain->domid && domain->change > 0 &&
                domain->node_count + (uint64_t)domain->change >= store->limits.nodes) {
                error = -ENOSPC;
            }
            if (domain) {
                domain->change = 0;
            }
        }
    }
    return error;
}

static void apply(struct store *store, struct transaction *transaction)
{
    struct view view = {store, transaction->client, NULL};
    struct access *access;

    for (each_access(transaction, link, access)) {
        struct node *old = in_store(store, access);
        if (!access->modified) {
            continue;
        }
        if (old) {
            node_leave(store, old);
            node_free(old);
        }
        if (access->node) {
            access->node->generation = ++store->generation;
            node_enter(store, access->node);
            access->node = NULL; /* the store's now */
        }
        if (access->fire) {
            struct path path = path_of(&access->entry);
            watch_fire(&view, &path, in_store(store, access), access->exact, access->first);
        }
    }
}

int transaction_end(struct transaction *transaction, bool commit)
{
    struct store_client *client = transaction->client;
    int error = 0;

    if (commit) {
        error = transaction->failed ? -ENOMEM : check(client->store, transaction);
        if (!error && transaction->created && !client->privileged) {
            error = check_nodes(client->store, transaction);
        }
        if (!error) {
            apply(client->store, transaction);
        }
    }
    transaction_free(transaction);
    return error;
}
