/* SPDX-License-Identifier: MIT */
/* How the control domain's functions say what went wrong (struct domain_error, domain.h). */
#ifndef TOOLSTACK_CONTROL_ERROR_H
#define TOOLSTACK_CONTROL_ERROR_H

#include "toolstack/control/domain.h"

/*
 * Fills error (may be NULL) with the code, a negative errno, and the text, cut if too long; returns the code.
 */
int domain_fail(struct domain_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
