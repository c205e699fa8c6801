/* SPDX-License-Identifier: MIT */
/* The loop that carries bytes between the tool's stdin, stdout and stderr and a running QEMU (see machine.h).
 */
#ifndef TOOLSTACK_LIB_PUMP_H
#define TOOLSTACK_LIB_PUMP_H

#include "toolstack/lib/console_input.h"
#include "toolstack/lib/machine.h"
#include "toolstack/lib/xen_stream.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The caller sets the first group and leaves the rest zero. Descriptors stay the caller's. */
struct pump {
    pid_t qemu;
    int com1, com2, errors; /* stream sockets; errors carries QEMU's own stdout and stderr */
    bool xen;               /* both kinds of output come over com1 */
    enum machine_input input;
    unsigned timeout; /* seconds, 0: none */
    struct machine_log *log;
    /*
     * The console of a domain that ends before its machine. NULL for a machine's own line. com1 then is a
     * pipe over which the number of the console's descriptor comes (an int; the pump closes neither), or
     * nothing if there will be none; console_ended is called when the console has come to its end, unless the
     * machine is over already, and QEMU is killed afterwards.
     */
    void (*console_ended)(void *context);
    void *context;

    bool com1_promised; /* com1 is still that pipe */
    int signals;        /* signalfd */
    bool qemu_ended;
    atomic_bool
        stop;        /* QEMU was killed; only what is under way is still read. Other threads may look at it */
    bool input_open; /* stdin is to be read */
    struct console_keys keys;
    struct text to_guest;
    size_t xen_sent;    /* bytes of input so far */
    int64_t hold_until; /* no input before this moment (milliseconds of the monotonic clock) */
    bool holds;
    bool warned; /* that Xen changes the input */
    struct text to_stdout;
    struct text log_part; /* a line of com2 so far */
    struct text qemu_errors;
    struct xen_stream stream;
};

/* Blocks the signals that end the tool, and SIGCHLD, so that the pump gets them from a descriptor. */
void pump_block_signals(sigset_t *before);
void pump_restore_signals(const sigset_t *before);

/*
 * Runs until QEMU has ended and everything it wrote has been passed on. Fills *result (except started) and
 * the log. QEMU's own messages are shown when it failed or the log is verbose.
 */
void pump_run(struct pump *pump, struct machine_result *result);

#endif
