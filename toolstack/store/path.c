/* SPDX-License-Identifier: MIT */
/* Paths: letters, digits and -/_@; from / on, no empty component, no / at the end. */
#include <string.h>
#include "toolstack/store/internal.h"

uint64_t hash_bytes(uint64_t state, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        state = hash_byte(state, bytes[i]);
    }
    return state;
}

struct path path_known(const struct store *store, const char *text, size_t length)
{
    return (struct path){text, (uint32_t)length, hash_finish(hash_bytes(store->limits.seed, text, length)), 0,
                         0};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * Bytes of /local/domain/N/ at the beginning, which do not count for the length; 0 if the path is
 * another.
 */
static size_t home_length(const char *text, size_t length)
{
    static const char start[] = "/local/domain/";
    size_t digits = 0, at = sizeof(start) - 1;

    if (length <= at || memcmp(text, start, at) != 0) {
        return 0;
    }
    while (at < length && digits < 5 && is_digit(text[at])) {
        digits++;
        at++;
    }
    return digits && at < length && text[at] == '/' ? at + 1 : 0;
}

bool path_parse(const struct store *store, struct path *path, const char *text, size_t length)
{
    /* One for each character that a component may have. */
    static const bool good[256] = {
        ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
        ['-'] = true,         ['_'] = true,         ['@'] = true,
    };
    uint64_t state = hash_byte(store->limits.seed, '/'), parent = state;
    size_t slash = 0;

    if (length == 0 || text[0] != '/' ||
        (length > store->limits.path_length &&
         length > home_length(text, length) + store->limits.path_length)) {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        if (!good[(unsigned char)text[i]]) {
            if (text[i] != '/' || i == slash + 1) {
                return false;
            }
            parent = state;
            slash = i;
        }
        state = hash_byte(state, text[i]);
    }
    *path = (struct path){text, (uint32_t)length, hash_finish(state), slash ? (uint32_t)slash : 1,
                          hash_finish(parent)};
    return length == 1 || length > slash + 1;
}

struct path path_parent(const struct store *store, const struct path *path)
{
    uint32_t length = path->length;

    if (path->parent_length) {
        return (struct path){path->text, path->parent_length, path->parent_hash, 0, 0};
    }
    while (length > 1 && path->text[--length] != '/') {
    }
    return path_known(store, path->text, length > 1 ? length : 1);
}

const char *path_leaf(const struct path *path, uint32_t *length)
{
    uint32_t at = path->length;

    while (path->text[at - 1] != '/') {
        at--;
    }
    *length = path->length - at;
    return path->text + at;
}
