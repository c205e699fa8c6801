/* SPDX-License-Identifier: MIT */
/*
 * The store (xenstore: xen/io/xs_wire.h), where the control domain and the domains leave settings for each
 * other. Paths that do not begin with / are those below the domain's own, /local/domain/DOMID.
 *
 * Nothing happens before the first use, and in a domain without a store (the initial one) every request
 * fails with -ENXIO. Functions return 0 or a length, or a negative errno value: what the store says (-ENOENT,
 * -EACCES, -EINVAL, -ENOSPC, -EAGAIN ...), or -EIO if its ring is broken. Unless said otherwise they are for
 * threads, block until the store has answered, and may be used by many threads at once.
 *
 * transaction: 0, or what cor_store_begin gave.
 */
#ifndef CORACLE_STORE_H
#define CORACLE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Has this domain a store? Any context. */
bool cor_store_present(void);

/* Reads a value: its length, and as much of it and a zero byte behind it as fit into size bytes. */
long cor_store_read(uint32_t transaction, const char *path, char *value, size_t size);

/* Reads a number (decimal, or 0x...); fallback if there is no such node or no number in it. */
long cor_store_read_number(uint32_t transaction, const char *path, long fallback);

/*
 * Writes a value; missing nodes are made. cor_store_printf: format as in cor_vformat (coracle/shutdown.h), at
 * most 256 bytes.
 */
int cor_store_write(uint32_t transaction, const char *path, const void *value, size_t length);
int cor_store_printf(uint32_t transaction, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int cor_store_mkdir(uint32_t transaction, const char *path);
int cor_store_remove(uint32_t transaction, const char *path);

/* Names of a node's children, each with its zero byte: their length in all, and as much as fits. */
long cor_store_directory(uint32_t transaction, const char *path, char *names, size_t size);

/* The list of permissions as text, such as "n0" and "r5": each entry with its zero byte. */
long cor_store_get_permissions(uint32_t transaction, const char *path, char *list, size_t size);
int cor_store_set_permissions(uint32_t transaction, const char *path, const char *list, size_t length);

/*
 * A transaction: what is done in it happens at once with a successful end, or not at all. -EAGAIN from
 * cor_store_end(..., true): somebody else was faster; begin again.
 */
int cor_store_begin(uint32_t *transaction);
int cor_store_end(uint32_t transaction, bool commit);

/*
 * A watch. The structure and path belong to the caller and stay valid until cor_store_unwatch returned. Each
 * change at path or below, and the setting up itself, raises count and calls changed (may be NULL) with the
 * path that changed, in interrupt context: it must be short and must not block. To wait for a change: read
 * count, look at the store, cor_wait for count to change.
 */
struct cor_store_watch {
    const char *path;
    void (*changed)(struct cor_store_watch *watch, const char *path);
    volatile uint32_t count;
    /* private */
    struct cor_store_watch *next;
    char token[20];
};
int cor_store_watch(struct cor_store_watch *watch);
int cor_store_unwatch(struct cor_store_watch *watch);

/*
 * A request that nobody waits for. The caller fills the first part in; structure and data stay valid until
 * done was called, in interrupt context (or by cor_store_submit itself, if there is no store). done may
 * submit again.
 */
#define COR_STORE_PARTS 3
struct cor_store_request {
    uint32_t type; /* XS_* */
    uint32_t transaction;
    struct {
        const void *data;
        uint32_t length;
    } part[COR_STORE_PARTS]; /* the payload, in pieces */
    char *reply;             /* where the reply's payload goes, as much as fits; NULL: nowhere */
    size_t reply_size;
    void (*done)(struct cor_store_request *request);
    void *context; /* the caller's */
    long result;   /* the payload's length, or the error */
    /* private */
    volatile uint32_t finished;
    uint32_t id, length, sent;
    struct cor_store_request *next;
};
/* Any context. */
void cor_store_submit(struct cor_store_request *request);

/*
 * cor_store_watch without waiting: request, which stays valid as above, carries it. done may be NULL. Any
 * context.
 */
void cor_store_watch_submit(struct cor_store_watch *watch, struct cor_store_request *request,
                            void (*done)(struct cor_store_request *request));

#endif
