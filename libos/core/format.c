/* SPDX-License-Identifier: MIT */
/* The formatter of the libOS's own messages: works before the C library does and in any context. */
#include "coracle/shutdown.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
    char *buffer;
    size_t size, length;
};

struct spec {
    bool left, zero, is_long;
    int width;
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size) {
        out->buffer[out->length] = c;
    }
    out->length++;
}

/* text with its padding; sign and prefix are part of the text. */
static void put_padded(struct output *out, const char *text, int length, const struct spec *spec)
{
    int pad = spec->width > length ? spec->width - length : 0;
    int i = 0;

    if (!spec->left && spec->zero && length && text[0] == '-') {
        put(out, text[i++]);
    }
    for (; !spec->left && pad; pad--) {
        put(out, spec->zero ? '0' : ' ');
    }
    for (; i < length; i++) {
        put(out, text[i]);
    }
    for (; pad; pad--) {
        put(out, ' ');
    }
}

static void put_number(struct output *out, uint64_t value, unsigned base, bool negative, const char *prefix,
                       const struct spec *spec)
{
    char text[32];
    int at = (int)sizeof(text);

    do {
        text[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (*prefix) {
        text[--at] = *prefix++;
    }
    if (negative) {
        text[--at] = '-';
    }
    put_padded(out, text + at, (int)sizeof(text) - at, spec);
}

static void put_string(struct output *out, const char *text, const struct spec *spec)
{
    int length = 0;

    text = text ? text : "(null)";
    while (text[length]) {
        length++;
    }
    put_padded(out, text, length, spec);
}

static const char *parse_spec(const char *at, struct spec *spec)
{
    *spec = (struct spec){0};
    for (;; at++) {
        if (*at == '-') {
            spec->left = true;
        } else if (*at == '0') {
            spec->zero = true;
        } else {
            break;
        }
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        spec->width = spec->width * 10 + (*at - '0');
    }
    for (; *at == 'l' || *at == 'z'; at++) {
        spec->is_long = true;
    }
    return at;
}

int cor_vformat(char *buffer, unsigned long size, const char *format, va_list args)
{
    struct output out = {buffer, size, 0};

    for (; *format; format++) {
        struct spec spec;
        char c;

        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        format = parse_spec(format + 1, &spec);
        if (*format == 'd' || *format == 'i') {
            int64_t value = spec.is_long ? va_arg(args, long) : va_arg(args, int);
            put_number(&out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0, "", &spec);
        } else if (*format == 'u' || *format == 'x') {
            uint64_t value = spec.is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            put_number(&out, value, *format == 'u' ? 10 : 16, false, "", &spec);
        } else if (*format == 'p') {
            put_number(&out, (uint64_t)va_arg(args, void *), 16, false, "x0", &spec);
        } else if (*format == 's') {
            put_string(&out, va_arg(args, const char *), &spec);
        } else if (*format == 'c') {
            c = (char)va_arg(args, int);
            put_padded(&out, &c, 1, &spec);
        } else if (*format == '%') {
            put(&out, '%');
        } else {
            break; /* a conversion that this formatter does not have ends the text */
        }
    }
    if (size) {
        buffer[out.length < size ? out.length : size - 1] = 0;
    }
    return (int)out.length;
}
