/* SPDX-License-Identifier: MIT */
/* Output through console_io, and the few C library functions that the compiler and the tests want. */
#include <stdarg.h>
#include "tests/abi/lib/test.h"

void *memset(void *d, int c, size_t n)
{
    void *start = d;

    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return start;
}

void *memcpy(void *d, const void *s, size_t n)
{
    void *start = d;

    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n > 0; n--, x++, y++) {
        if (*x != *y) {
            return *x - *y;
        }
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n] != 0) {
        n++;
    }
    return n;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++) {
        if (*a != *b || *a == 0) {
            return (uint8_t)*a - (uint8_t)*b;
        }
    }
    return 0;
}

struct out {
    char *at, *end;
};

static void put(struct out *o, char c)
{
    if (o->at < o->end) {
        *o->at++ = c;
    }
}

static void put_number(struct out *o, unsigned long value, bool negative, unsigned base, char pad, int width)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative) {
        digits[n++] = '-';
    }
    for (; width > n; width--) {
        put(o, pad);
    }
    while (n > 0) {
        put(o, digits[--n]);
    }
}

static void put_text(struct out *o, const char *text, int width)
{
    int n = (int)strlen(text);

    while (*text != 0) {
        put(o, *text++);
    }
    for (; width > n; width--) {
        put(o, ' ');
    }
}

/* One conversion, after its '%'; returns the format behind it. */
static const char *convert(struct out *o, const char *fmt, va_list *args)
{
    char pad = *fmt == '0' ? '0' : ' ';
    int width = 0;
    bool wide = false;

    for (; *fmt >= '0' && *fmt <= '9'; fmt++) {
        width = width * 10 + (*fmt - '0');
    }
    for (; *fmt == 'l' || *fmt == 'z'; fmt++) {
        wide = true;
    }
    switch (*fmt) {
    case 'd': {
        long value = wide ? va_arg(*args, long) : va_arg(*args, int);

        put_number(o, value < 0 ? -(unsigned long)value : (unsigned long)value, value < 0, 10, pad, width);
        break;
    }
    case 'u':
        put_number(o, wide ? va_arg(*args, unsigned long) : va_arg(*args, unsigned), false, 10, pad, width);
        break;
    case 'x':
        put_number(o, wide ? va_arg(*args, unsigned long) : va_arg(*args, unsigned), false, 16, pad, width);
        break;
    case 'p':
        put_number(o, (unsigned long)va_arg(*args, void *), false, 16, pad, width);
        break;
    case 's':
        put_text(o, va_arg(*args, const char *), width);
        break;
    case 'c':
        put(o, (char)va_arg(*args, int));
        break;
    default:
        put(o, *fmt);
        break;
    }
    return *fmt == 0 ? fmt : fmt + 1;
}

int format(char *buffer, size_t size, const char *fmt, va_list args)
{
    struct out o = {buffer, buffer + size - 1};
    va_list copy;

    va_copy(copy, args);
    while (*fmt != 0) {
        if (*fmt != '%') {
            put(&o, *fmt++);
        } else {
            fmt = convert(&o, fmt + 1, &copy);
        }
    }
    va_end(copy);
    *o.at = 0;
    return (int)(o.at - buffer);
}

void print(const char *fmt, ...)
{
    static char line[256];
    static volatile char lock;
    va_list args;
    int n;

    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE)) {
        __asm__ volatile("pause");
    }
    va_start(args, fmt);
    n = format(line, sizeof(line), fmt, args);
    va_end(args);
    hcall(console_io, CONSOLEIO_write, n, line);
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}
