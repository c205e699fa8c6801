/* SPDX-License-Identifier: MIT */
/*
 * What is kept of domains that are gone: log, crash record, end. The oldest go when there are more than
 * RECORDS_MAX.
 */
#include <stdlib.h>
#include <string.h>
#include "toolstack/control/domain_internal.h"

#define RECORDS_MAX 32u

struct record {
    struct record *next; /* the next older one */
    struct console *console;
    char *crash;
    struct domain_end end;
    char name[DOMAIN_NAME_MAX + 1];
};

static struct record *newest;
static unsigned count;

static struct record **find(const char *name)
{
    struct record **link = &newest;

    while (*link && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static void drop(struct record **link)
{
    struct record *record = *link;

    if (record) {
        *link = record->next;
        console_destroy(record->console);
        free(record->crash);
        free(record);
        count--;
    }
}

void record_drop(const char *name)
{
    drop(find(name));
}

void record_add(const char *name, struct console *console, char *crash, const struct domain_end *end)
{
    struct record *record = malloc(sizeof(*record)), **link = &newest;

    record_drop(name);
    if (!record) {
        console_destroy(console);
        free(crash);
        return;
    }
    *record = (struct record){.next = newest, .console = console, .crash = crash, .end = *end};
    strncpy(record->name, name, DOMAIN_NAME_MAX);
    newest = record;
    if (++count > RECORDS_MAX) {
        while ((*link)->next) {
            link = &(*link)->next;
        }
        drop(link);
    }
}

struct console *record_console(const char *name)
{
    struct record *record = *find(name);

    return record ? record->console : NULL;
}

const char *record_crash(const char *name)
{
    struct record *record = *find(name);

    return record ? record->crash : NULL;
}

const struct domain_end *record_end(const char *name)
{
    struct record *record = *find(name);

    return record ? &record->end : NULL;
}
