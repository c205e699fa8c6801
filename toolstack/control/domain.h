/* SPDX-License-Identifier: MIT */
/*
 * The domains of this host as the control domain knows them: configuration, state, life cycle. The API
 * (api.h) and the boot archive ask here; the builder, the store, the consoles and the backends are called
 * from here.
 *
 * A domain has a name, which is unique and what users see, and a number (domid), which changes when it is
 * restarted. A domain that ended is kept as long as its policy says (`preserve`), and its log and crash
 * record until a domain of the same name is created or the record is dropped for space.
 *
 * Everything runs on the event loop's thread (loop.h): no locks. Errors are negative errno values; where a
 * text is wanted, struct domain_error says what was expected and what was found.
 */
#ifndef TOOLSTACK_CONTROL_DOMAIN_H
#define TOOLSTACK_CONTROL_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOMAIN_NAME_MAX  63  /* letters, digits, _ - . : */
#define DOMAIN_ERROR_MAX 240 /* with the final zero */

#define DOMAIN_WEIGHT_DEFAULT 256u
#define DOMAIN_DESTROYED      255u /* beside SHUTDOWN_*: ended by a user */

/* What went wrong, for people. */
struct domain_error {
    int error; /* negative errno */
    char text[DOMAIN_ERROR_MAX];
};

/* xl.cfg's on_poweroff, on_reboot, on_crash, on_watchdog. */
enum domain_action { ACTION_DESTROY, ACTION_RESTART, ACTION_PRESERVE };

enum domain_state {
    DOMAIN_RUNNING,
    DOMAIN_PAUSED,   /* by the user */
    DOMAIN_SHUTDOWN, /* ended by itself, preserved */
    DOMAIN_CRASHED,  /* ended by a fault, preserved */
    DOMAIN_DYING     /* destroyed; its memory is on the way back */
};

/*
 * One `key=value,...` line of xl.cfg's vif= or disk=, as it was written; checked by the backend that it
 * belongs to.
 */
struct domain_device {
    char *text;
};

/*
 * A domain as it is to be; names and meanings are xl.cfg's. Strings belong to the structure
 * (domain_config_free).
 */
struct domain_config {
    char *name;
    char *kernel;              /* name of an image (image.h) */
    char *ramdisk;             /* name of an image, or NULL */
    char *cmdline;             /* the whole command line; NULL: empty */
    uint64_t memory_kib;       /* memory= */
    uint64_t max_memory_kib;   /* maxmem=; 0: as memory_kib */
    unsigned vcpus, max_vcpus; /* vcpus=, maxvcpus=; 0: 1 */
    char *cpus;                /* cpus=, such as "0-3,^1"; NULL: all */
    unsigned weight, cap;      /* cpu_weight= (0: 256), cap= in percent of one processor (0: none) */
    enum domain_action on_poweroff, on_reboot, on_crash, on_watchdog;
    uint8_t uuid[16]; /* all zero: one is made */
    bool paused;      /* start paused, as `xl create -p` */
    struct domain_device *vifs, *disks;
    size_t nr_vifs, nr_disks;
};

void domain_config_free(struct domain_config *config);

/* Deep copy; false if memory is short. */
bool domain_config_copy(struct domain_config *to, const struct domain_config *from);

/* How a domain's last run ended. */
struct domain_end {
    bool ended;
    unsigned reason;  /* SHUTDOWN_* of xen/sched.h, or DOMAIN_DESTROYED */
    int exit_status;  /* of its program, -1: unknown */
    uint64_t when_ns; /* monotonic time */
};

struct domain;  /* private (domain_internal.h) */
struct console; /* toolstack/backend/console.h */

/* What lists and `info` show. Strings are valid until the next call of a function that changes the domain. */
struct domain_info {
    const char *name;
    uint16_t domid;
    enum domain_state state;
    const struct domain_config *config;
    uint64_t memory_kib, max_memory_kib; /* now */
    uint64_t overhead_kib;               /* of the hypervisor's memory */
    unsigned vcpus;                      /* online */
    uint64_t cpu_ns;                     /* processor time used */
    uint64_t created_ns;                 /* monotonic time of the create request */
    uint64_t main_ns;                    /* monotonic time when its main() began, 0: unknown */
    unsigned restarts;
    struct domain_end end; /* of the last run */
};

/* Once, at start: reads what the hypervisor knows and binds VIRQ_DOM_EXC. 0 or a negative errno. */
int domains_init(void);

/*
 * Creates and starts a domain. config is copied. NULL with *error filled: -EEXIST (the name is taken),
 * -ENOENT (no such image), -ENOMEM (memory does not fit: how much is wanted and free), -EINVAL (bad value,
 * broken image), ...: nothing is left behind then.
 */
struct domain *domain_create(const struct domain_config *config, struct domain_error *error);

struct domain *domain_find(const char *name);     /* NULL: none of that name */
struct domain *domain_find_id(uint16_t domid);    /* NULL: none */
struct domain *domain_next(struct domain *after); /* by domid, NULL: the first; NULL at the end */

void domain_describe(struct domain *domain, struct domain_info *info);

/* Each returns 0 or a negative errno with *error filled. */
int domain_pause(struct domain *domain, struct domain_error *error);
int domain_unpause(struct domain *domain, struct domain_error *error);
/* Asks the domain through control/shutdown to power off or reboot; it may take its time or refuse. */
int domain_shutdown(struct domain *domain, bool reboot, struct domain_error *error);
/* Ends it at once. The name is free, and the domain invalid, when this returns; its memory follows. */
int domain_destroy(struct domain *domain, struct domain_error *error);
int domain_rename(struct domain *domain, const char *name, struct domain_error *error);
/* weight 0 and cap ~0u mean: as it is. */
int domain_schedule(struct domain *domain, unsigned weight, unsigned cap, struct domain_error *error);
/* vcpu ~0u: all of them; cpus as xl.cfg's cpus=. */
int domain_pin(struct domain *domain, unsigned vcpu, const char *cpus, struct domain_error *error);
/* The balloon target, at most max_memory_kib. */
int domain_set_memory(struct domain *domain, uint64_t kib, struct domain_error *error);

/*
 * Crash record of the last crash under that name: registers and backtrace as text, NULL if there is none.
 * Valid until the next function call.
 */
const char *domain_crash_record(const char *name);

/*
 * The console of a domain, or of one that is gone as long as its record is kept; NULL: none. It is not the
 * caller's.
 */
struct console *domain_console(const char *name);

/* How the last run under that name ended; false: none has, as far as is known. */
bool domain_last_end(const char *name, struct domain_end *end);

/*
 * Called on the loop whenever a domain changes state, is created, renamed, or is gone (domain then NULL).
 * end: the run that this change ended, NULL if it ended none; a domain that is gone after its end brings two
 * calls. An observer may unobserve any, and change no domain: it posts a task for that.
 */
struct domain_observer {
    void (*changed)(struct domain_observer *observer, const char *name, struct domain *domain,
                    const struct domain_end *end);
    struct domain_observer *next;
};
void domain_observe(struct domain_observer *observer);
void domain_unobserve(struct domain_observer *observer);

#endif
