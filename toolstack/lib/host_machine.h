/* SPDX-License-Identifier: MIT */
/*
 * A host in QEMU: the hypervisor, the control domain and its boot archive. COM1 carries what hypervisor and
 * control domain say, a virtio console is the control domain's line to the tool (toolstack/link/mux.h).
 */
#ifndef TOOLSTACK_LIB_HOST_MACHINE_H
#define TOOLSTACK_LIB_HOST_MACHINE_H

#include "toolstack/lib/disk_images.h"
#include "toolstack/lib/forward.h"

#include <stdint.h>
#include <sys/types.h>

/* Strings and descriptors belong to the caller. */
struct host_machine {
    const char *kvm_problem; /* NULL: use KVM; else why not, and TCG is used */
    const char *cpu;         /* QEMU's name of a processor model */
    unsigned cpus;
    uint64_t memory;                       /* of the machine, bytes */
    const char *options;                   /* more options for the hypervisor; may be empty */
    const char *settings;                  /* of the control domain; may be empty, or NULL */
    const struct network_request *network; /* NULL: no card */
    const struct disk_images *disks;       /* NULL: none */
    int hypervisor_fd, control_fd, archive_fd;
};

/*
 * The control domain's own memory in bytes: for itself, its boot archive of archive_size bytes, and images
 * that come later, an eighth of the machine.
 */
uint64_t host_control_memory(uint64_t memory, uint64_t archive_size);

/* Whether a machine of that size can be a host. 0, or -1 after saying how much is needed and for what. */
int host_check_memory(uint64_t memory, uint64_t archive_size);

/* The least memory of a machine that is a host for one domain of that memory, in bytes. */
uint64_t host_machine_memory(uint64_t domain_memory, uint64_t archive_size);

/* Opens the files of hypervisor and control domain. 0, or -1 with a message. Close all with
 * host_machine_close. */
int host_machine_open(struct host_machine *machine, const char *hypervisor, const char *control);
void host_machine_close(struct host_machine *machine);

/*
 * Starts QEMU with COM1 and the line on these sockets, what QEMU itself says on errors, and, unless it is -1,
 * its monitor (qmp.h) on monitor: then disks can come later. Its process id, or -1 with a message. The caller
 * closes them.
 */
pid_t host_machine_start(const struct host_machine *machine, int com1, int line, int errors, int monitor);

#endif
