/* SPDX-License-Identifier: MIT */
/*
 * An archive is a row of 512-byte blocks: a header, then the entry's content. Entries of type x, L and K only
 * describe the entry after them: longer names and exacter numbers than its header has room for.
 */
#include <stdbool.h>
#include <string.h>

#include "libos/fs/tar.h"

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], flag, link[100];
    char magic[8], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "a header is one block");

/* What the describing entries said about the next one. */
struct overrides {
    bool name, link, has_size, has_mtime, has_uid, has_gid;
    uint64_t size, mtime, uid, gid;
};

void tar_begin(struct tar_reader *reader, const void *base, size_t size)
{
    reader->base = base;
    reader->size = size;
    reader->next = reader->at = 0;
    reader->error = NULL;
}

static int fail(struct tar_reader *r, const char *error)
{
    r->error = error;
    return -1;
}

/* A number field: octal digits with spaces or NUL around them, or base 256 when the top bit is set. */
static bool read_number(const char *field, size_t len, uint64_t *value)
{
    size_t i = 0;
    uint64_t v = 0;

    if ((uint8_t)field[0] & 0x80) {
        if ((uint8_t)field[0] & 0x40) { /* negative: only times before 1970 have a meaning */
            *value = 0;
            return true;
        }
        v = (uint8_t)field[0] & 0x3f;
        for (i = 1; i < len; i++) {
            if (v >> 55)
                return false;
            v = v << 8 | (uint8_t)field[i];
        }
        *value = v;
        return true;
    }
    while (i < len && field[i] == ' ')
        i++;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
        v = v << 3 | (uint64_t)(field[i] - '0'); /* 12 digits at most: 36 bits */
    *value = v;
    return i == len || field[i] == ' ' || field[i] == '\0';
}

/* The header's checksum: the sum of its bytes, those of the checksum itself taken as spaces. */
static bool checksum_is_right(const struct header *h)
{
    const uint8_t *bytes = (const uint8_t *)h;
    size_t first = offsetof(struct header, checksum), last = first + sizeof(h->checksum);
    uint64_t stored, sum = 0, old = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++) {
        uint8_t byte = i >= first && i < last ? ' ' : bytes[i];

        sum += byte;
        old += (uint64_t)(int64_t)(int8_t)byte; /* ancient archivers summed signed characters */
    }
    return read_number(h->checksum, sizeof(h->checksum), &stored) && (stored == sum || stored == old);
}

/* Copies at most len characters up to a NUL into a path buffer. False when it does not fit. */
static bool copy_path(char *to, const char *from, size_t len)
{
    size_t n = strnlen(from, len);

    if (n >= TAR_PATH_MAX)
        return false;
    memcpy(to, from, n);
    to[n] = '\0';
    return true;
}

static bool is_zero(const uint8_t *block)
{
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (block[i])
            return false;
    }
    return true;
}

/* A decimal number, as pax writes them; a fraction is dropped, a negative time becomes 0. */
static bool read_decimal(const char *text, size_t len, uint64_t *value)
{
    uint64_t v = 0;
    size_t i = len && text[0] == '-' ? 1 : 0;
    bool negative = i;

    for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *value = negative ? 0 : v;
    return i > negative && (i == len || text[i] == '.');
}

static bool key_is(const char *key, size_t len, const char *name)
{
    return strlen(name) == len && !memcmp(key, name, len);
}

/* One pax record's key and value. Unknown keys say nothing that matters here. */
static bool pax_record(struct tar_reader *r, struct overrides *o, const char *key, size_t key_len,
                       const char *value, size_t len)
{
    if (key_is(key, key_len, "path"))
        return o->name = copy_path(r->name, value, len);
    if (key_is(key, key_len, "linkpath"))
        return o->link = copy_path(r->link, value, len);
    if (key_is(key, key_len, "size"))
        return o->has_size = read_decimal(value, len, &o->size);
    if (key_is(key, key_len, "mtime"))
        return o->has_mtime = read_decimal(value, len, &o->mtime);
    if (key_is(key, key_len, "uid"))
        return o->has_uid = read_decimal(value, len, &o->uid);
    if (key_is(key, key_len, "gid"))
        return o->has_gid = read_decimal(value, len, &o->gid);
    return true;
}

/* The records "LENGTH KEY=VALUE\n" of a pax header, LENGTH counting all of the record. */
static bool pax_records(struct tar_reader *r, struct overrides *o, const char *text, size_t size)
{
    while (size) {
        const char *space = memchr(text, ' ', size < 24 ? size : 24), *equals;
        uint64_t len;
        size_t head;

        if (!space || !read_decimal(text, (size_t)(space - text), &len))
            return false;
        head = (size_t)(space - text) + 1;
        if (len <= head || len > size || text[len - 1] != '\n')
            return false;
        equals = memchr(text + head, '=', len - head - 1);
        if (!equals)
            return false;
        if (!pax_record(r, o, text + head, (size_t)(equals - text) - head, equals + 1,
                        (size_t)(text + len - 1 - (equals + 1))))
            return false;
        text += len;
        size -= len;
    }
    return true;
}

/* Name and link target of a header, where nothing has overridden them. */
static bool header_names(struct tar_reader *r, const struct header *h, const struct overrides *o)
{
    bool posix = !memcmp(h->magic,
                         "ustar\0"
                         "00",
                         8);
    size_t prefix = posix ? strnlen(h->prefix, sizeof(h->prefix)) : 0;

    if (!o->name) {
        memcpy(r->name, h->prefix, prefix);
        if (prefix)
            r->name[prefix++] = '/';
        copy_path(r->name + prefix, h->name, sizeof(h->name));
    }
    if (!o->link)
        copy_path(r->link, h->link, sizeof(h->link));
    return r->name[0];
}

static enum tar_type type_of(const struct header *h, const char *name)
{
    switch (h->flag) {
    case '\0':
    case '0':
        return name[strlen(name) - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
    case '7':
        return TAR_FILE;
    case '1':
        return TAR_HARDLINK;
    case '2':
        return TAR_SYMLINK;
    case '5':
        return TAR_DIRECTORY;
    default:
        return TAR_OTHER;
    }
}

/* Checks the block at the reader's place. 1: a header with its content inside the archive; 0: the end. */
static int read_header(struct tar_reader *r, const struct header **header, uint64_t *size)
{
    const struct header *h = (const void *)(r->base + r->next);

    r->at = r->next;
    if (r->next == r->size)
        return 0;
    if (r->size - r->next < TAR_BLOCK)
        return fail(r, "the archive ends inside a header");
    if (is_zero(r->base + r->next))
        return 0;
    if (!checksum_is_right(h))
        return fail(r, "expected a tar header, found a block with a wrong checksum");
    if (!read_number(h->size, sizeof(h->size), size))
        return fail(r, "the size in the header is no number");
    *header = h;
    r->next += TAR_BLOCK;
    return 1;
}

/* Steps over size bytes of content, which must be there. */
static const uint8_t *take(struct tar_reader *r, uint64_t size)
{
    const uint8_t *data = r->base + r->next;
    uint64_t left = r->size - r->next, padded;

    if (size > left)
        return NULL;
    padded = (size + TAR_BLOCK - 1) & ~(uint64_t)(TAR_BLOCK - 1);
    r->next += padded < left ? padded : left; /* the last entry may lack its padding */
    return data;
}

/* Fills the entry from its header and what came before it. */
static int finish(struct tar_reader *r, const struct header *h, uint64_t size, const struct overrides *o,
                  struct tar_entry *e)
{
    uint64_t mode, uid, gid, mtime;

    if (!header_names(r, h, o))
        return fail(r, "an entry without a name");
    if (!read_number(h->mode, sizeof(h->mode), &mode) || !read_number(h->uid, sizeof(h->uid), &uid) ||
        !read_number(h->gid, sizeof(h->gid), &gid) || !read_number(h->mtime, sizeof(h->mtime), &mtime))
        return fail(r, "a field of the header is no number");
    *e = (struct tar_entry){.name = r->name, .link = r->link, .type = type_of(h, r->name), .flag = h->flag};
    e->mode = (uint32_t)mode & 07777;
    e->uid = (uint32_t)(o->has_uid ? o->uid : uid);
    e->gid = (uint32_t)(o->has_gid ? o->gid : gid);
    e->mtime = (int64_t)(o->has_mtime ? o->mtime : mtime);
    /* Links and directories have no content, whatever their size says; unknown types may have some. */
    if (e->type == TAR_FILE || e->type == TAR_OTHER) {
        e->size = o->has_size ? o->size : size;
        e->data = take(r, e->size);
        if (!e->data)
            return fail(r, "the archive ends inside a file");
    }
    return 1;
}

int tar_next(struct tar_reader *r, struct tar_entry *entry)
{
    struct overrides o = {0};

    for (;;) {
        const struct header *h;
        uint64_t size;
        const uint8_t *data;
        int found = read_header(r, &h, &size);
        bool good = true;

        if (found <= 0)
            return found;
        if (h->flag != 'x' && h->flag != 'g' && h->flag != 'L' && h->flag != 'K')
            return finish(r, h, size, &o, entry);
        data = take(r, size);
        if (!data)
            return fail(r, "the archive ends inside an extended header");
        if (h->flag == 'x')
            good = pax_records(r, &o, (const char *)data, size);
        else if (h->flag == 'L')
            good = o.name = copy_path(r->name, (const char *)data, size);
        else if (h->flag == 'K')
            good = o.link = copy_path(r->link, (const char *)data, size);
        if (!good)
            return fail(r, "an extended header is malformed, or a name in it is longer than 4095 bytes");
    }
}
