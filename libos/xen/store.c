/* SPDX-License-Identifier: MIT */
/*
 * The client's end of the store's ring. Requests wait in one list, oldest first, until they are answered;
 * sending is the part of it that has not gone into the ring wholly. The event handler does all the receiving:
 * it copies a reply straight to where its request wants it, and calls watches. So no thread is needed, and
 * none is woken but the one whose reply came.
 */
#include "libos/xen/store.h"
#include <errno.h>
#include <string.h>
#include <xen/io/xs_wire.h>
#include "coracle/event.h"
#include "coracle/sync.h"
#include "libos/core/cpu.h"
#include "libos/core/frames.h"

#define PATH_ROOM 256u /* of an event: a longer one is told as the watched path itself */
#define WORD_ROOM 24u  /* for an error's name, a watch's token */

static struct {
    const start_info_t *si;
    struct cor_spinlock lock;               /* guards all below */
    struct xenstore_domain_interface *ring; /* NULL: not used yet */
    bool broken;
    uint32_t next_id;
    struct cor_store_request *first, *last; /* not answered */
    struct cor_store_request *sending;      /* the first that is not sent wholly */
    struct cor_store_watch *watches;

    /* The message that is coming in. */
    struct xsd_sockmsg header;
    uint32_t taken;                     /* its bytes so far, header included */
    struct cor_store_request *answered; /* whose reply it is */
    bool in_token;                      /* of an event: the path has ended */
    uint32_t path_length, word_length;
    char path[PATH_ROOM], word[WORD_ROOM];
} store;

static void event(uint32_t port, void *unused);

void cor_store_init(const start_info_t *si)
{
    store.si = si;
}

bool cor_store_present(void)
{
    return store.si->store_mfn != 0;
}

/* First use. The lock is held. */
static void open_ring(void)
{
    uint64_t pfn = cor_mfn_to_pfn(store.si->store_mfn);

    store.ring = (struct xenstore_domain_interface *)cor_linear_address(pfn);
}

/* ------------------------------------------------------------------ sending */

/* The request's byte at offset, header included, and how many follow it in one piece. */
static const char *piece(const struct cor_store_request *request, const struct xsd_sockmsg *header,
                         uint32_t offset, uint32_t *length)
{
    if (offset < sizeof(*header)) {
        *length = (uint32_t)sizeof(*header) - offset;
        return (const char *)header + offset;
    }
    offset -= (uint32_t)sizeof(*header);
    for (unsigned i = 0;; i++) {
        if (offset < request->part[i].length) {
            *length = request->part[i].length - offset;
            return (const char *)request->part[i].data + offset;
        }
        offset -= request->part[i].length;
    }
}

/* Moves what fits of one request into the ring; bytes. */
static uint32_t put(struct cor_store_request *request)
{
    struct xsd_sockmsg header = {request->type, request->id, request->transaction, request->length};
    uint32_t total = (uint32_t)sizeof(header) + request->length, moved = 0;
    struct xenstore_domain_interface *ring = store.ring;
    uint32_t prod = ring->req_prod, used = prod - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE);

    if (used > XENSTORE_RING_SIZE) {
        store.broken = true;
        return 0;
    }
    while (request->sent < total && used + moved < XENSTORE_RING_SIZE) {
        uint32_t at = MASK_XENSTORE_IDX(prod + moved), room = XENSTORE_RING_SIZE - used - moved, length;
        const char *from = piece(request, &header, request->sent, &length);
        room = room < XENSTORE_RING_SIZE - at ? room : XENSTORE_RING_SIZE - at;
        length = length < room ? length : room;
        memcpy(ring->req + at, from, length);
        moved += length;
        request->sent += length;
    }
    __atomic_store_n(&ring->req_prod, prod + moved, __ATOMIC_RELEASE);
    return moved;
}

/* Sends as much as the ring takes. The lock is held. */
static uint32_t send_waiting(void)
{
    uint32_t moved = 0;

    while (store.sending && !store.broken) {
        struct cor_store_request *request = store.sending;
        moved += put(request);
        if (request->sent < sizeof(struct xsd_sockmsg) + request->length) {
            break;
        }
        store.sending = request->next;
    }
    return moved;
}

static void finish(struct cor_store_request *request, long result)
{
    request->result = result;
    if (request->done) {
        request->done(request);
    } else {
        __atomic_store_n(&request->finished, 1, __ATOMIC_RELEASE);
        cor_wake(&request->finished, 1);
    }
}

/* Nothing will be answered any more: all that wait are told. The lock is not held. */
static void fail_all(void)
{
    for (;;) {
        bool enabled = cor_spin_lock(&store.lock);
        struct cor_store_request *request = store.first;
        store.first = request ? request->next : NULL;
        store.last = store.first ? store.last : NULL;
        store.sending = NULL;
        cor_spin_unlock(&store.lock, enabled);
        if (!request) {
            return;
        }
        finish(request, -EIO);
    }
}

void cor_store_submit(struct cor_store_request *request)
{
    bool enabled, attach = false, broken;
    uint32_t moved;

    request->length = 0;
    for (unsigned i = 0; i < COR_STORE_PARTS; i++) {
        request->length += request->part[i].length;
    }
    request->sent = 0;
    request->finished = 0;
    request->next = NULL;
    if (!cor_store_present() || request->length > XENSTORE_PAYLOAD_MAX) {
        finish(request, cor_store_present() ? -E2BIG : -ENXIO);
        return;
    }
    enabled = cor_spin_lock(&store.lock);
    if (!store.ring) {
        open_ring();
        attach = true;
    }
    request->id = store.next_id++;
    if (store.last) {
        store.last->next = request;
    } else {
        store.first = request;
    }
    store.last = request;
    store.sending = store.sending ? store.sending : request;
    moved = send_waiting();
    broken = store.broken;
    cor_spin_unlock(&store.lock, enabled);
    if (attach) {
        cor_event_attach(store.si->store_evtchn, event, NULL);
    }
    if (moved) {
        cor_event_send(store.si->store_evtchn);
    }
    if (broken) {
        fail_all();
    }
}

/* ------------------------------------------------------------------ receiving */

/* Takes the request with this number out of the list; NULL: nobody asked. */
static struct cor_store_request *take_request(uint32_t id)
{
    struct cor_store_request *before = NULL, *request = store.first;

    while (request && request->id != id) {
        before = request;
        request = request->next;
    }
    if (!request || request == store.sending) {
        return NULL; /* not even sent */
    }
    if (before) {
        before->next = request->next;
    } else {
        store.first = request->next;
    }
    store.last = store.last == request ? before : store.last;
    return request;
}

static void put_word(char byte)
{
    if (store.word_length < WORD_ROOM - 1) {
        store.word[store.word_length++] = byte;
    }
}

/* One byte of an event: the path, a zero byte, the token, a zero byte. */
static void take_event_byte(char byte)
{
    if (store.in_token) {
        put_word(byte);
    } else if (byte == '\0') {
        store.in_token = true;
    } else if (store.path_length < PATH_ROOM) {
        store.path[store.path_length++] = byte;
    }
}

/* Bytes of a payload, offset bytes behind its beginning. */
static void take_payload(const char *bytes, uint32_t offset, uint32_t length)
{
    struct cor_store_request *request = store.answered;

    if (store.header.type == XS_WATCH_EVENT || store.header.type == XS_ERROR) {
        for (uint32_t i = 0; i < length; i++) {
            if (store.header.type == XS_ERROR) {
                put_word(bytes[i]);
            } else {
                take_event_byte(bytes[i]);
            }
        }
    } else if (request && request->reply && offset < request->reply_size) {
        size_t fits = request->reply_size - offset;
        memcpy(request->reply + offset, bytes, length < fits ? length : fits);
    }
}

/* Takes bytes of the message; how many: never more than it has. */
static uint32_t take(const char *bytes, uint32_t length)
{
    const uint32_t header = sizeof(store.header);
    uint32_t want = store.taken < header ? header - store.taken : header + store.header.len - store.taken;

    want = want < length ? want : length;
    if (store.taken >= header) {
        take_payload(bytes, store.taken - header, want);
        store.taken += want;
        return want;
    }
    memcpy((char *)&store.header + store.taken, bytes, want);
    store.taken += want;
    if (store.taken == header) {
        store.in_token = false;
        store.path_length = store.word_length = 0;
        store.answered = store.header.type == XS_WATCH_EVENT ? NULL : take_request(store.header.req_id);
        store.broken = store.header.len > XENSTORE_PAYLOAD_MAX;
    }
    return want;
}

static int error_number(const char *name)
{
    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++) {
        if (!strcmp(xsd_errors[i].errstring, name)) {
            return xsd_errors[i].errnum;
        }
    }
    return EINVAL;
}

static struct cor_store_watch *find_watch(const char *token)
{
    struct cor_store_watch *watch = store.watches;

    while (watch && strcmp(watch->token, token) != 0) {
        watch = watch->next;
    }
    return watch;
}

/* A message is complete. Whom it concerns may do anything here, so the lock is released meanwhile. */
static void deliver(bool enabled)
{
    struct cor_store_request *request = store.answered;
    struct cor_store_watch *watch = NULL;
    const char *path = store.path;
    long result = (long)store.header.len;

    store.word[store.word_length] = '\0';
    if (store.header.type == XS_WATCH_EVENT) {
        watch = find_watch(store.word);
        store.path[store.path_length < PATH_ROOM ? store.path_length : 0] = '\0';
        path = store.path_length < PATH_ROOM || !watch ? path : watch->path;
    } else if (store.header.type == XS_ERROR) {
        result = -error_number(store.word);
    } else if (request && request->reply && store.header.len < request->reply_size) {
        request->reply[store.header.len] = '\0';
    }
    store.answered = NULL;
    store.taken = 0;
    cor_spin_unlock(&store.lock, enabled);
    if (request) {
        finish(request, result);
    }
    if (watch) {
        watch->count++;
        cor_wake(&watch->count, UINT32_MAX);
        if (watch->changed) {
            watch->changed(watch, path);
        }
    }
    cor_spin_lock(&store.lock);
}

/* Takes all that is in the ring. The lock is held; deliver releases it in between. */
static uint32_t receive_waiting(bool enabled)
{
    struct xenstore_domain_interface *ring = store.ring;
    uint32_t moved = 0;

    while (!store.broken) {
        uint32_t cons = ring->rsp_cons, used = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) - cons;
        uint32_t at = MASK_XENSTORE_IDX(cons), length = XENSTORE_RING_SIZE - at, got;

        if (used > XENSTORE_RING_SIZE) {
            store.broken = true;
        }
        if (used == 0 || store.broken) {
            break;
        }
        got = take(ring->rsp + at, used < length ? used : length);
        __atomic_store_n(&ring->rsp_cons, cons + got, __ATOMIC_RELEASE);
        moved += got;
        if (store.taken >= sizeof(store.header) && store.taken == sizeof(store.header) + store.header.len) {
            deliver(enabled);
        }
    }
    return moved;
}

/* In interrupt context. */
static void event(uint32_t port, void *unused)
{
    bool enabled = cor_spin_lock(&store.lock), broken;
    uint32_t moved = receive_waiting(enabled);

    (void)unused;
    moved += send_waiting();
    broken = store.broken;
    cor_spin_unlock(&store.lock, enabled);
    if (moved) {
        cor_event_send(port); /* there is room, or something to read */
    }
    if (broken) {
        fail_all();
    }
}

/* ------------------------------------------------------------------ watches */

static void format_token(char *text, uint64_t value)
{
    for (unsigned i = 0; i < 16; i++) {
        text[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    }
    text[16] = '\0';
}

void cor_store_add_watch(struct cor_store_watch *watch)
{
    bool enabled = cor_spin_lock(&store.lock);

    format_token(watch->token, (uint64_t)(uintptr_t)watch);
    watch->count = 0;
    watch->next = store.watches;
    store.watches = watch;
    cor_spin_unlock(&store.lock, enabled);
}

void cor_store_drop_watch(struct cor_store_watch *watch)
{
    bool enabled = cor_spin_lock(&store.lock);
    struct cor_store_watch **place = &store.watches;

    while (*place && *place != watch) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = watch->next;
    }
    cor_spin_unlock(&store.lock, enabled);
}
