/* SPDX-License-Identifier: MIT */
/*
 * What the files that make up the life cycle share (domain.h is its interface):
 *
 *   domain.c      the interface: requests of users
 *   registry.c    which domains there are, by name and by number; observers
 *   run.c         one run of a domain: built, connected, started; taken apart
 *   reaper.c      its memory given back, if that takes long
 *   nodes.c       its nodes in the store
 *   lifecycle.c   VIRQ_DOM_EXC: runs that ended by themselves, and what their policies want
 *   crash.c       what is noted of a domain that crashed
 *   records.c     what is kept of domains that are gone
 */
#ifndef TOOLSTACK_CONTROL_DOMAIN_INTERNAL_H
#define TOOLSTACK_CONTROL_DOMAIN_INTERNAL_H

#include "toolstack/backend/console.h"
#include "toolstack/control/builder.h"
#include "toolstack/control/domain.h"
#include "toolstack/control/error.h"
#include "toolstack/control/image.h"
#include "toolstack/control/xenstore.h"

struct domain {
    struct domain_config config; /* normalised: no value is 0 that means something else */
    struct domain *next_name;    /* registry.c */
    enum domain_state state;
    struct image *kernel,
        *ramdisk;            /* in use as long as the domain may be built from them; ramdisk may be NULL */
    struct console *console; /* of all runs */
    uint64_t created_ns;
    unsigned restarts;
    unsigned quick_ends; /* runs in a row that ended soon after their start */
    struct domain_end end;
    char *crash; /* malloc'd text, NULL: none */

    /* the run; built.domid is 0 while there is none */
    struct built_domain built;
    uint64_t started_ns;
    uint8_t *rings; /* two mapped pages: store, console; NULL: not mapped */
    struct xenstore_ring store_ring;
    unsigned backends; /* how many of the list are attached */
};

/* ------------------------------------------------------------------ registry.c */

/* By name, before the domain has a number. 0, -EEXIST. */
int registry_add_name(struct domain *domain);
void registry_remove_name(struct domain *domain);
/* By the number of its run. 0, -ENOMEM. */
int registry_add_id(struct domain *domain);
void registry_remove_id(struct domain *domain);
/* Tells the observers; domain NULL: it is gone. end: the run that has just ended, NULL if none has. */
void registry_changed(const char *name, struct domain *domain, const struct domain_end *end);

/* ------------------------------------------------------------------ run.c */

/*
 * Builds, connects and, unless config.paused, starts. 0, or a negative errno with *error filled: then nothing
 * is left of the run.
 */
int run_start(struct domain *domain, struct domain_error *error);
/* As domain_pin (domain.h), without noting it in the configuration. */
int domain_apply_pin(struct domain *domain, unsigned vcpu, const char *cpus, struct domain_error *error);
/*
 * Takes the run apart, in whatever state it is: ports, rings, nodes, memory. Nothing if there is none. The
 * memory of a large domain comes back later (reaper.h).
 */
void run_stop(struct domain *domain);

/* ------------------------------------------------------------------ nodes.c */

int nodes_create(const struct domain *domain, struct domain_error *error);
void nodes_remove(const struct domain *domain);
int nodes_set_name(const struct domain *domain);
int nodes_set_target(const struct domain *domain, uint64_t kib);
int nodes_set_shutdown(const struct domain *domain, const char *word);

/* ------------------------------------------------------------------ lifecycle.c */

int lifecycle_init(void);
/*
 * Forgets the domain: run, registry, images; log, crash record and end become a record. Tells the observers.
 */
void domain_forget(struct domain *domain, const struct domain_end *end);

/* ------------------------------------------------------------------ crash.c */

/* Registers and backtraces of a domain that does not run any more, as malloc'd text; NULL: no memory. */
char *crash_describe(const struct domain *domain);

/* ------------------------------------------------------------------ records.c */

/* Takes over console and crash text of a domain that is gone. */
void record_add(const char *name, struct console *console, char *crash, const struct domain_end *end);
void record_drop(const char *name);
struct console *record_console(const char *name);
const char *record_crash(const char *name);
const struct domain_end *record_end(const char *name);

#endif
