/* SPDX-License-Identifier: MIT */
/*
 * Where a local host lives: a directory of its user alone, $XDG_RUNTIME_DIR/coracle/NAME or, without that
 * variable, /tmp/coracle-UID/NAME:
 *
 *     lock           locked (F_OFD_SETLK) by the host's agent for as long as it lives: whoever can lock it
 *                    knows that the rest is of the past. Never removed.
 *     api.sock       the API
 *     token          what requests must carry
 *     host.json      pid of the agent, machine
 *     console.log    what hypervisor and control domain say; console.log.1: what they said before
 *     end.log        why the host's last run ended, where that was not in order (host_end.h)
 *     agent.log      what the agent and QEMU have to say
 *     images/DIGEST  where an image was made from: a symbolic link to that file
 */
#ifndef TOOLSTACK_LIB_HOST_PLACE_H
#define TOOLSTACK_LIB_HOST_PLACE_H

#include <limits.h>
#include <stdbool.h>

/* sun_path of sys/un.h holds 108 bytes; HOST_NAME_MAX of them at most are the name. */
#define HOST_LABEL_MAX 32

struct host_place {
    char name[HOST_LABEL_MAX + 1];
    char directory[PATH_MAX];
};

/* Finds the place of a host of that name. 0, or -1 with a message (a bad name, a directory of somebody else).
 */
int host_place(struct host_place *place, const char *name);

/* Makes the directory. 0, or -1 with a message. */
int host_place_make(const struct host_place *place);

/* The path of a file in it; for free(). Exits the process when memory is out. */
char *host_file(const struct host_place *place, const char *file);

/* Reads a file of it that holds a line; for free(). NULL when it cannot be read. */
char *host_read(const struct host_place *place, const char *file);

/* Makes or replaces a file of it (mode 0600). 0, or -1 with a message. */
int host_write(const struct host_place *place, const char *file, const char *content);

/*
 * Takes the host's lock: a descriptor that holds it until it is closed in all processes; -1 when somebody
 * else holds it, -2 with a message on any other failure.
 */
int host_lock(const struct host_place *place);

/* Whether an agent lives there. */
bool host_is_running(const struct host_place *place);

/* Removes what a host that is no more has left behind: socket, token, host.json. The lock is the caller's. */
void host_clean(const struct host_place *place);

/* Calls each with the name of every host that has a directory. */
void host_names(void (*each)(void *context, const char *name), void *context);

#endif
