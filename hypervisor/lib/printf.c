/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdint.h>
#include "hypervisor/include/printf.h"
#include "hypervisor/include/string.h"

struct out {
    char *buf;
    size_t size, length; /* length counts what did not fit, too */
};

/* One conversion, decoded: %[flags][width][.precision][length]type */
struct spec {
    bool left, zero, plus, space, alt;
    unsigned width;
    int precision;  /* -1: none */
    unsigned bytes; /* of the integer argument */
    char type;
};

static void put(struct out *o, char c)
{
    if (o->length + 1 < o->size) {
        o->buf[o->length] = c;
    }
    o->length++;
}

static void pad(struct out *o, char c, unsigned n)
{
    while (n--) {
        put(o, c);
    }
}

/* Text between its padding. */
static void put_field(struct out *o, const struct spec *s, const char *text, size_t n)
{
    unsigned fill = s->width > n ? s->width - (unsigned)n : 0;

    pad(o, ' ', s->left ? 0 : fill);
    for (size_t i = 0; i < n; i++) {
        put(o, text[i]);
    }
    pad(o, ' ', s->left ? fill : 0);
}

static unsigned base_of(char type)
{
    switch (type) {
    case 'd':
    case 'u':
        return 10;
    case 'o':
        return 8;
    default:
        return 16;
    }
}

static void put_number(struct out *o, const struct spec *s, uint64_t value, const char *sign)
{
    const char *digits = s->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = base_of(s->type);
    char text[24];
    unsigned n = 0, zeros = 0, prefix = (unsigned)strlen(sign), fill;
    bool zero_value = value == 0;

    for (uint64_t rest = value; rest; rest /= base) {
        text[n++] = digits[rest % base];
    }
    if (s->precision < 0) {
        zeros = n ? 0 : 1;
    } else if ((unsigned)s->precision > n) {
        zeros = (unsigned)s->precision - n;
    }
    if (s->alt && base == 16 && (!zero_value || s->type == 'p')) {
        sign = s->type == 'X' ? "0X" : "0x";
        prefix = 2;
    } else if (s->alt && base == 8 && !zeros) {
        zeros = 1;
    }
    if (s->zero && !s->left && s->precision < 0 && s->width > prefix + zeros + n) {
        zeros = s->width - prefix - n;
    }
    fill = s->width > prefix + zeros + n ? s->width - prefix - zeros - n : 0;
    pad(o, ' ', s->left ? 0 : fill);
    while (*sign) {
        put(o, *sign++);
    }
    pad(o, '0', zeros);
    while (n) {
        put(o, text[--n]);
    }
    pad(o, ' ', s->left ? fill : 0);
}

static unsigned parse_number(const char **p)
{
    unsigned n = 0;

    while (**p >= '0' && **p <= '9') {
        n = n * 10 + (unsigned)(*(*p)++ - '0');
    }
    return n;
}

static const char *parse_length(const char *p, unsigned *bytes)
{
    *bytes = sizeof(int);
    if (*p == 'h') {
        *bytes = sizeof(short);
        if (*++p == 'h') {
            *bytes = sizeof(char);
            p++;
        }
    } else if (*p == 'l' || *p == 'z' || *p == 't' || *p == 'j') {
        *bytes = sizeof(long);
        p += p[0] == 'l' && p[1] == 'l' ? 2 : 1;
    }
    return p;
}

/* The argument as 64 bits: sign-extended or cut to the width that its length modifier names. */
static uint64_t fit(uint64_t value, unsigned bytes, bool is_signed)
{
    unsigned unused = 64 - bytes * 8;

    return is_signed ? (uint64_t)((int64_t)(value << unused) >> unused) : value << unused >> unused;
}

static const char *parse_flags(const char *p, struct spec *s)
{
    for (;; p++) {
        switch (*p) {
        case '-':
            s->left = true;
            break;
        case '0':
            s->zero = true;
            break;
        case '+':
            s->plus = true;
            break;
        case ' ':
            s->space = true;
            break;
        case '#':
            s->alt = true;
            break;
        default:
            return p;
        }
    }
}

/* An integer conversion: takes its argument, so args stays the caller's. */
static void put_integer(struct out *o, struct spec *s, uint64_t raw)
{
    if (s->type == 'd' || s->type == 'i') {
        int64_t value = (int64_t)fit(raw, s->bytes, true);

        s->type = 'd';
        s->alt = false;
        put_number(o, s, value < 0 ? -(uint64_t)value : (uint64_t)value,
                   value < 0  ? "-"
                   : s->plus  ? "+"
                   : s->space ? " "
                              : "");
    } else {
        put_number(o, s, fit(raw, s->bytes, false), "");
    }
}

int vsnprintf(char *out, size_t n, const char *fmt, va_list args)
{
    struct out o = {.buf = out, .size = n};

    while (*fmt) {
        struct spec s = {.precision = -1};
        const char *start = fmt, *text;

        if (*fmt != '%') {
            put(&o, *fmt++);
            continue;
        }
        fmt = parse_flags(fmt + 1, &s);
        if (*fmt == '*') {
            int width = va_arg(args, int);

            s.left |= width < 0;
            s.width = width < 0 ? -(unsigned)width : (unsigned)width;
            fmt++;
        } else {
            s.width = parse_number(&fmt);
        }
        if (*fmt == '.') {
            fmt++;
            if (*fmt == '*') {
                s.precision = va_arg(args, int);
                fmt++;
            } else {
                s.precision = (int)parse_number(&fmt);
            }
        }
        fmt = parse_length(fmt, &s.bytes);
        s.type = *fmt ? *fmt++ : 0;
        switch (s.type) {
        case 'd':
        case 'i':
        case 'u':
        case 'x':
        case 'X':
        case 'o':
            put_integer(&o, &s,
                        s.bytes == sizeof(long) ? va_arg(args, unsigned long) : va_arg(args, unsigned));
            break;
        case 'p':
            s.alt = true;
            put_number(&o, &s, (uintptr_t)va_arg(args, void *), "");
            break;
        case 'c':
            put_field(&o, &s, (char[]){(char)va_arg(args, int)}, 1);
            break;
        case 's':
            text = va_arg(args, const char *);
            text = text ? text : "(null)";
            put_field(&o, &s, text, strnlen(text, s.precision < 0 ? (size_t)-1 : (size_t)s.precision));
            break;
        case '%':
            put(&o, '%');
            break;
        default:
            while (start < fmt) {
                put(&o, *start++);
            }
        }
    }
    if (n) {
        out[o.length < n ? o.length : n - 1] = 0;
    }
    return (int)o.length;
}

int snprintf(char *out, size_t n, const char *fmt, ...)
{
    va_list args;
    int length;

    va_start(args, fmt);
    length = vsnprintf(out, n, fmt, args);
    va_end(args);
    return length;
}
