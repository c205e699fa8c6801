/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/report.h"

#include <stdarg.h>
#include <stdio.h>

void report(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    flockfile(stderr);
    fputs("coracle: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(args);
}
