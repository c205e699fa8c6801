/* SPDX-License-Identifier: MIT */
/*
 * A host's agent: the process in the background that owns QEMU, keeps its logs and serves its API socket
 * (relay.h). It lives as long as the machine, and the machine as long as it.
 */
#ifndef TOOLSTACK_LIB_AGENT_H
#define TOOLSTACK_LIB_AGENT_H

#include "toolstack/lib/host_machine.h"
#include "toolstack/lib/host_place.h"

#include <sys/types.h>

/* Everything is the caller's; the agent gets copies of the descriptors. */
struct agent_setup {
    const struct host_place *place;
    const struct host_machine *machine;
    const char *hypervisor_symbols; /* for addresses in end.log; may be NULL */
    int lock;                       /* host_lock */
    int listener;                   /* the API's listening socket, without blocking */
    int disks;                      /* that of agent_disks.h */
    int starter; /* a pipe: a byte comes when the host answers; its end without one: the starter gave up */
};

/*
 * Starts the agent. starter_end is the starter's end of that pipe, which the agent does not keep. Its process
 * id, or -1 with a message. It ends when QEMU has ended, and ends QEMU on SIGTERM; what went wrong is in
 * agent.log then, and in end.log (host_end.h).
 */
pid_t agent_start(const struct agent_setup *setup, int starter_end);

#endif
