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
    {"d0: shutdown: poweroff", END_SHUTDOWN, false},
    {"d0: shutdown: reboot", END_SHUTDOWN, false},
    {"d0: shutdown: ", END_CRASH, false},
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

/* On a host, its one domain counts as the initial domain does elsewhere; without the latter nothing runs. */
static bool judge_host(struct machine_log *log, const char *line)
{
    static const char initial[] = "(coracle) d0: ", domain[] = "(coracle) d1: ";

    if (strncmp(line, initial, strlen(initial)) == 0 && strncmp(line + strlen(initial), "crashed", 7) == 0) {
        log->end = END_FAULT;
        log->trouble = true;
    } else if (strncmp(line, domain, strlen(domain)) == 0 &&
               strncmp(line + strlen(domain), "crashed", 7) == 0) {
        if (log->end < END_CRASH)
            log->end = END_CRASH;
        log->trouble = true;
    } else {
        return strncmp(line, initial, strlen(initial)) == 0;
    }
    return true;
}

static void judge(struct machine_log *log, const char *line)
{
    const char *status = strstr(line, ": exit status ");

    if (log->host && judge_host(log, line))
        return;

    if (status != NULL && strncmp(line, "(coracle) d", strlen("(coracle) d")) == 0) {
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
            print_symbolized(&log->symbols, log->kept[i % LOG_KEPT], stderr);
    machine_log_free(log);
}

/* What the user gave with --append and the hypervisor does not take: always shown. */
static bool is_about_options(const char *line)
{
    return strncmp(line, "(coracle) option ", strlen("(coracle) option ")) == 0 ||
           strncmp(line, "(coracle) unknown option ", strlen("(coracle) unknown option ")) == 0;
}

void machine_log_line(struct machine_log *log, const char *line)
{
    judge(log, line);
    timeline_learn_rate(&log->timeline, line);
    /* From its first line on, Coracle loses no input for the domain. Xen's moment is known to xen_stream.c.
     */
    log->input_safe |= strncmp(line, "(coracle)", strlen("(coracle)")) == 0;
    if (is_timeline(line) && log->show_timeline) {
        timeline_print_line(&log->timeline, line, stderr);
    } else if (log->verbose || is_about_options(line)) {
        print_symbolized(&log->symbols, line, stderr);
    } else if (log->trouble && !is_timeline(line)) {
        machine_log_show_kept(log, LOG_CONTEXT);
        print_symbolized(&log->symbols, line, stderr);
    } else if (!is_timeline(line)) {
        keep(log, line);
    }
}
