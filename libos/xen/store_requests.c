/* SPDX-License-Identifier: MIT */
/* The requests of coracle/store.h that wait for their reply. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "coracle/shutdown.h"
#include "coracle/sync.h"
#include "libos/xen/store.h"
#include <xen/io/xs_wire.h>

#define WORD_ROOM 24u /* for a number as text */

/* ------------------------------------------------------------------ requests that wait */

static long ask(struct cor_store_request *request)
{
    request->done = NULL;
    cor_store_submit(request);
    while (!__atomic_load_n(&request->finished, __ATOMIC_ACQUIRE)) {
        cor_wait(&request->finished, 0, COR_FOREVER, COR_WAIT_UNINTERRUPTIBLE);
    }
    return request->result;
}

/* A request whose payload is a path with its zero byte. */
static struct cor_store_request path_request(uint32_t type, uint32_t transaction, const char *path)
{
    struct cor_store_request request = {.type = type, .transaction = transaction};

    request.part[0].data = path;
    request.part[0].length = (uint32_t)strlen(path) + 1;
    return request;
}

static long ask_reply(uint32_t type, uint32_t transaction, const char *path, char *reply, size_t size)
{
    struct cor_store_request request = path_request(type, transaction, path);

    request.reply = reply;
    request.reply_size = size;
    return ask(&request);
}

/* A request whose reply says nothing but that it is done. */
static int ask_done(struct cor_store_request *request)
{
    long result = ask(request);
    return result < 0 ? (int)result : 0;
}

long cor_store_read(uint32_t transaction, const char *path, char *value, size_t size)
{
    long length = ask_reply(XS_READ, transaction, path, value, size);

    if (length >= (long)size && size) {
        value[size - 1] = '\0';
    }
    return length;
}

long cor_store_read_number(uint32_t transaction, const char *path, long fallback)
{
    char text[WORD_ROOM];
    unsigned base = 10;
    const char *at = text;
    bool negative, any = false;
    unsigned long value = 0;

    if (cor_store_read(transaction, path, text, sizeof(text)) < 0) {
        return fallback;
    }
    negative = *at == '-';
    at += negative;
    if (at[0] == '0' && (at[1] | 0x20) == 'x') {
        base = 16;
        at += 2;
    }
    for (;; at++) {
        unsigned digit =
            *at >= '0' && *at <= '9' ? (unsigned)(*at - '0') : (unsigned)((*at | 0x20) - 'a') + 10;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
        any = true;
    }
    return !any ? fallback : negative ? -(long)value : (long)value;
}

int cor_store_write(uint32_t transaction, const char *path, const void *value, size_t length)
{
    struct cor_store_request request = path_request(XS_WRITE, transaction, path);

    if (length > XENSTORE_PAYLOAD_MAX) {
        return -E2BIG;
    }
    request.part[1].data = value;
    request.part[1].length = (uint32_t)length;
    return ask_done(&request);
}

int cor_store_printf(uint32_t transaction, const char *path, const char *format, ...)
{
    char value[257];
    va_list args;
    int length;

    va_start(args, format);
    length = cor_vformat(value, sizeof(value), format, args);
    va_end(args);
    return length >= (int)sizeof(value) ? -E2BIG : cor_store_write(transaction, path, value, (size_t)length);
}

int cor_store_mkdir(uint32_t transaction, const char *path)
{
    struct cor_store_request request = path_request(XS_MKDIR, transaction, path);
    return ask_done(&request);
}

int cor_store_remove(uint32_t transaction, const char *path)
{
    struct cor_store_request request = path_request(XS_RM, transaction, path);
    return ask_done(&request);
}

long cor_store_directory(uint32_t transaction, const char *path, char *names, size_t size)
{
    return ask_reply(XS_DIRECTORY, transaction, path, names, size);
}

long cor_store_get_permissions(uint32_t transaction, const char *path, char *list, size_t size)
{
    return ask_reply(XS_GET_PERMS, transaction, path, list, size);
}

int cor_store_set_permissions(uint32_t transaction, const char *path, const char *list, size_t length)
{
    struct cor_store_request request = path_request(XS_SET_PERMS, transaction, path);

    if (length > XENSTORE_PAYLOAD_MAX) {
        return -E2BIG;
    }
    request.part[1].data = list;
    request.part[1].length = (uint32_t)length;
    return ask_done(&request);
}

int cor_store_begin(uint32_t *transaction)
{
    char text[WORD_ROOM] = "";
    long result = ask_reply(XS_TRANSACTION_START, 0, "", text, sizeof(text));

    *transaction = 0;
    for (const char *at = text; *at >= '0' && *at <= '9'; at++) {
        *transaction = *transaction * 10 + (uint32_t)(*at - '0');
    }
    return result < 0 ? (int)result : *transaction ? 0 : -EIO;
}

int cor_store_end(uint32_t transaction, bool commit)
{
    struct cor_store_request request = path_request(XS_TRANSACTION_END, transaction, commit ? "T" : "F");
    return ask_done(&request);
}

/* ------------------------------------------------------------------ watches */

static struct cor_store_request watch_request(uint32_t type, const struct cor_store_watch *watch)
{
    struct cor_store_request request = path_request(type, 0, watch->path);

    request.part[1].data = watch->token;
    request.part[1].length = (uint32_t)strlen(watch->token) + 1;
    return request;
}

int cor_store_watch(struct cor_store_watch *watch)
{
    struct cor_store_request request;
    int result;

    cor_store_add_watch(watch);
    request = watch_request(XS_WATCH, watch);
    result = ask_done(&request);
    if (result) {
        cor_store_drop_watch(watch);
    }
    return result;
}

static void ignore(struct cor_store_request *request)
{
    (void)request;
}

void cor_store_watch_submit(struct cor_store_watch *watch, struct cor_store_request *request,
                            void (*done)(struct cor_store_request *request))
{
    void *context = request->context;

    cor_store_add_watch(watch);
    *request = watch_request(XS_WATCH, watch);
    request->context = context;
    request->done = done ? done : ignore;
    cor_store_submit(request);
}

int cor_store_unwatch(struct cor_store_watch *watch)
{
    struct cor_store_request request = watch_request(XS_UNWATCH, watch);
    int result = ask_done(&request);

    cor_store_drop_watch(watch);
    return result;
}
