/* SPDX-License-Identifier: MIT */
/*
 * What a hypervisor's log says about the end of the machine, and which of its lines the user gets to see: all
 * of them when asked (verbose), else only those from the first sign of trouble on.
 *
 * Lines that are understood, on Coracle ("(coracle) ") and on stock Xen ("(XEN) "), are in the table of
 * machine_log.c.
 */
#ifndef TOOLSTACK_LIB_MACHINE_LOG_H
#define TOOLSTACK_LIB_MACHINE_LOG_H

#include "toolstack/lib/symbolize.h"
#include "toolstack/lib/timeline.h"

#include <stdbool.h>

/* So many of the lines that were not shown are kept, to be shown when the machine ends strangely. */
#define LOG_KEPT 40
/* So many of them are shown when trouble begins. */
#define LOG_CONTEXT 8

enum machine_end {
    END_UNKNOWN,  /* no line said anything */
    END_SHUTDOWN, /* the domain powered off or asked for a reboot */
    END_CRASH,    /* the domain crashed or was killed for what it did */
    END_FAULT,    /* the hypervisor itself died */
    END_REFUSED,  /* the hypervisor could not build the domain; stock Xen panics over it */
};

/* Start with all zero except verbose, show_timeline, host, symbols and control. */
struct machine_log {
    bool verbose;                /* show every line */
    bool show_timeline;          /* for people, in milliseconds */
    bool host;                   /* the program is domain 1 of a host, not the initial domain */
    struct symbol_files symbols; /* what addresses of a backtrace belong to */
    const char *control;         /* on a host: where those of its control domain are found, or NULL */
    bool of_control;             /* on a host: the dump that the hypervisor prints is of that one */
    struct timeline timeline;
    enum machine_end end;
    bool over;  /* the line was the last; on Xen the machine then has to be ended from outside */
    int status; /* the program's exit status, valid when has_status */
    bool has_status;
    bool trouble;         /* lines are shown from here on */
    char *kept[LOG_KEPT]; /* a ring; free with machine_log_free */
    unsigned nr_kept;     /* ever kept */
    bool input_safe;      /* bytes that are sent to the domain's console now reach it */
};

/* Looks at one line (no line feed, no carriage return), shows it on stderr if it is to be shown. */
void machine_log_line(struct machine_log *log, const char *line);

/* Shows the last lines that were not shown yet, at most count of them, on stderr, and forgets all. */
void machine_log_show_kept(struct machine_log *log, unsigned count);

void machine_log_free(struct machine_log *log);

#endif
