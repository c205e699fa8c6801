/* SPDX-License-Identifier: MIT */
/*
 * One machine in QEMU that boots one domain, with the tool in the middle of its serial lines:
 *
 *   stdin  -> quoting (console_input.h) ----------------> COM1 -> the domain's console
 *   stdout <- (on Xen: what is not Xen's own line) <----- COM1 <-
 *   stderr <- machine_log.h <---------------------------- COM2 <- the hypervisor (on Xen: COM1's other lines)
 *
 * Files reach QEMU as /proc/self/fd/N, and the serial lines are socket pairs: nothing is left behind in the
 * file system, whatever ends the tool, and runs do not meet.
 */
#ifndef TOOLSTACK_LIB_MACHINE_H
#define TOOLSTACK_LIB_MACHINE_H

#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/machine_log.h"

#include <stdbool.h>
#include <stdint.h>

/* What is done with the tool's stdin. */
enum machine_input {
    INPUT_NONE,     /* not read */
    INPUT_TERMINAL, /* keys, as they come; Ctrl-A x ends the machine, Ctrl-A Ctrl-A is one Ctrl-A */
    INPUT_QUOTED,   /* bytes, with console_input.h's quoting and end of file */
    INPUT_RAW,      /* bytes as they are, for a guest that knows no quoting; its end is not told */
};

/* All strings and descriptors belong to the caller. */
struct machine {
    bool xen;                /* the hypervisor is stock Xen */
    const char *kvm_problem; /* NULL: use KVM; else why not, and TCG is used */
    const char *cpu;         /* QEMU's name of a processor model */
    unsigned cpus;
    uint64_t memory;       /* of the domain, bytes */
    uint64_t modules_size; /* of image and root archive, bytes */
    int hypervisor_fd;
    int image_fd;
    int root_fd;         /* -1: no root archive */
    const char *command; /* the domain's command line */
    const char *options; /* more options for the hypervisor; may be empty */
    unsigned gdb_port;   /* 0: none; else stop before the first instruction and wait for gdb there */
    unsigned timeout;    /* seconds; 0: none */
    enum machine_input input;
};

#define MACHINE_TAIL_MAX (8 * 1024)

/* How it went. */
struct machine_result {
    bool started; /* QEMU ran; false: said on stderr why not */
    bool timed_out;
    bool output_lost; /* stdout is gone (a closed pipe) */
    int signal;       /* the signal that ended the tool's waiting, else 0 */
    int qemu_status;  /* QEMU's own exit status */
    struct text tail; /* the last of the program's output, at most MACHINE_TAIL_MAX bytes; free(tail.text) */
};

/*
 * Boots and returns when the machine has ended, with every byte passed on and the terminal restored. What the
 * hypervisor said is in log afterwards.
 */
struct machine_result machine_run(const struct machine *machine, struct machine_log *log);

#endif
