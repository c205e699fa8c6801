/* SPDX-License-Identifier: MIT */
#include "toolstack/control/error.h"
#include <stdarg.h>
#include <stdio.h>

int domain_fail(struct domain_error *error, int code, const char *format, ...)
{
    va_list args;

    if (error) {
        error->error = code;
        va_start(args, format);
        vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
    }
    return code;
}
