/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/machine_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
    const char *part; /* the line contains this */
    enum machine_end end;
    bool over; /* nothing follows that matters */
};

/*
 * The first pattern that fits counts. The same words with both hypervisors where Coracle's line follows
 * Xen's. A later line may make the end worse, never better.
 */
static const struct pattern patterns[] = {
    {"Panic on CPU", END_FAULT, false},
    {"FATAL TRAP", END_FAULT, false},
    {"(coracle) PANIC: the initial domain cannot be ", END_REFUSED, false},
    {"(coracle) PANIC: not enough memory for ", END_REFUSED, false},
    {"(coracle) PANIC: memory is too fragmented", END_REFUSED, false},
    {"(coracle) PANIC", END_FAULT, false},
    {"(coracle) hypervisor fault", END_FAULT, false},
    {"d0: crashed", END_CRASH, false},
    {"d0: the initial domain has ended: poweroff", END_SHUTDOWN, false},
    {"d0: the initial domain has ended: reboot", END_SHUTDOWN, false},
    {"d0: the initial domain has ended: ", END_CRASH, false},
    {"Could not construct domain 0", END_REFUSED, false},
    {"Could not set up DOM0", END_REFUSED, false},
    {"(coracle) cannot build", END_REFUSED, false},
    {"Hardware Dom0 crashed", END_CRASH, true},
    {"Hardware Dom0 halted", END_SHUTDOWN, true},
    {"Hardware Dom0 shutdown", END_SHUTDOWN, true},
    {"Hardware Dom0 watchdog", END_CRASH, true},
    {"domain_crash called", END_CRASH, false},
    {"domain_crash_sync called", END_CRASH, false},
    {"Unhandled page fault fault/trap", END_CRASH, false},
};

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* On a host, its one domain counts as the initial domain does elsewhere; without the latter nothing runs. */
static bool judge_host(struct machine_log *log, const char *line)
{
    static const char initial[] = "(coracle) d0: ", ended[] = "the initial domain has ended: ";
    const char *text = begins(line, initial) ? line + strlen(initial) : NULL;

    if (text != NULL &&
        (begins(text, "crashed") || (begins(text, ended) && !begins(text + strlen(ended), "poweroff") &&
                                     !begins(text + strlen(ended), "reboot")))) {
        log->end = END_FAULT;
        log->trouble = true;
        log->of_control = true;
    } else if (begins(line, "(coracle) d1: crashed")) {
        if (log->end < END_CRASH)
            log->end = END_CRASH;
        log->trouble = true;
        log->of_control = false;
    } else {
        return text != NULL;
    }
    return true;
}

static void judge(struct machine_log *log, const char *line)
{
    const char *status = strstr(line, ": exit status ");

    if (log->host && judge_host(log, line))
        return;

    if (status != NULL && begins(line, "(coracle) d")) {
        log->status = atoi(status + strlen(": exit status "));
        log->has_status = true;
        return;
    }
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (strstr(line, patterns[i].part) == NULL)
            continue;
        if (patterns[i].end > log->end)
            log->end = patterns[i].end;
        log->over |= patterns[i].over;
        log->trouble |= patterns[i].end > END_SHUTDOWN;
        return;
    }
}

/* With names: on a host, what has no prefix is the control domain's. */
static void show(const struct machine_log *log, const char *line)
{
    struct symbol_files symbols = log->symbols;

    if (log->host && (log->of_control || !begins(line, "(coracle)")))
        symbols.guest = log->control;
    print_symbolized(&symbols, line, stderr);
}

static void keep(struct machine_log *log, const char *line)
{
    char **place = &log->kept[log->nr_kept++ % LOG_KEPT];

    free(*place);
    *place = strdup(line);
}

void machine_log_free(struct machine_log *log)
{
    for (unsigned i = 0; i < LOG_KEPT; i++) {
        free(log->kept[i]);
        log->kept[i] = NULL;
    }
    log->nr_kept = 0;
}

void machine_log_show_kept(struct machine_log *log, unsigned count)
{
    unsigned available = log->nr_kept < LOG_KEPT ? log->nr_kept : LOG_KEPT;

    if (count > available)
        count = available;
    for (unsigned i = log->nr_kept - count; i != log->nr_kept; i++)
        if (log->kept[i % LOG_KEPT] != NULL)
            show(log, log->kept[i % LOG_KEPT]);
    machine_log_free(log);
}

/* What the user gave with --append and the hypervisor does not take: always shown. */
static bool is_about_options(const char *line)
{
    return begins(line, "(coracle) option ") || begins(line, "(coracle) unknown option ");
}

void machine_log_line(struct machine_log *log, const char *line)
{
    judge(log, line);
    timeline_learn_rate(&log->timeline, line);
    /* From its first line on, Coracle loses no input for the domain. Xen's moment is known to xen_stream.c.
     */
    log->input_safe |= begins(line, "(coracle)");
    if (is_timeline(line) && log->show_timeline) {
        timeline_print_line(&log->timeline, line, stderr);
    } else if (log->verbose || is_about_options(line)) {
        show(log, line);
    } else if (log->trouble && !is_timeline(line)) {
        machine_log_show_kept(log, LOG_CONTEXT);
        show(log, line);
    } else if (!is_timeline(line)) {
        keep(log, line);
    }
}
