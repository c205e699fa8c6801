/* SPDX-License-Identifier: MIT */
/*
 * The one way to log. A line is printed whole, prefixed "(coracle) ", when its level passes `loglvl=` (or
 * `guest_loglvl=` for lines about what a guest did). Messages say what was expected and what was found.
 * Rate-limited for guests: a guest that provokes lines is counted, not echoed for ever.
 */
#ifndef HYPERVISOR_LOG_H
#define HYPERVISOR_LOG_H

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* fmt: as lib/printf.h documents; no newline at its end. Any context, interrupts off or on; takes the console
 * lock. */
void log_print(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same about a guest's doing; domid is printed as "dN: ". */
void log_guest(enum log_level level, unsigned domid, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_err(...)   log_print(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_print(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)

#endif
