/* SPDX-License-Identifier: MIT */
/*
 * Image files that come to a local host while it runs: the agent's side. The tool asks at the socket
 * `agent.sock` of the host's directory, in lines of JSON:
 *
 *     {"path": "/a/data.img", "format": "raw", "read_only": false}  -->  {"name": "scsi3"}, {"error": "..."}
 *     {"keep": true}                                                -->  {"kept": ""}
 *     {"reboot": true}                                              -->  {"ready": ""}, later {"reset": ""}
 *
 * A file becomes a disk of QEMU's virtio SCSI host, target 3, which the control domain knows as scsi3. A
 * connection that ends without "keep" takes its disks with it; with it they stay until no domain's
 * configuration names them any more, for which the agent waits at the API.
 *
 * A machine that resets ends, but not while a connection is there that has said "reboot": it begins anew, and
 * the connection hears of it.
 */
#ifndef TOOLSTACK_LIB_AGENT_DISKS_H
#define TOOLSTACK_LIB_AGENT_DISKS_H

#include "toolstack/lib/host_place.h"
#include "toolstack/lib/watch.h"

#define AGENT_DISKS_BUS "scsi" /* QEMU's name of the SCSI host */

struct agent_disks;

/*
 * qmp: a connection to QEMU's monitor; listener: the socket, listening without blocking, for this user alone.
 * Both stay the caller's. NULL with a message.
 */
struct agent_disks *agent_disks_create(struct watches *watches, const struct host_place *place, int qmp,
                                       int listener);

#endif
