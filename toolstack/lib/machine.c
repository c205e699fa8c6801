/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/machine.h"
#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/pump.h"
#include "toolstack/lib/process.h"
#include "toolstack/lib/qemu_args.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the hypervisor needs beside the domain and its modules. Stock Xen keeps far more for itself. */
#define CORACLE_OWN_MEMORY (32 * MIB)
#define XEN_OWN_MEMORY     (192 * MIB)

static uint64_t machine_mebibytes(const struct machine *machine)
{
    uint64_t own = machine->xen ? XEN_OWN_MEMORY : CORACLE_OWN_MEMORY;

    return (machine->memory + machine->modules_size + own + MIB - 1) / MIB;
}

static void add_boot(struct qemu_args *arguments, const struct machine *machine)
{
    struct text options = {0};
    struct text modules = {0};

    qemu_add(arguments, "-kernel");
    qemu_add_number(arguments, "/proc/self/fd/", (uint64_t)machine->hypervisor_fd, "");
    /* conswitch=` makes no key switch the console from the domain to Xen. */
    text_format(
        &options, "com1=115200,8n1 %s dom0_mem=%" PRIu64 "K dom0_max_vcpus=%u%s%s",
        machine->xen ? "console=com1 conswitch=`" : "com2=115200,8n1 console=com2 guest_console=com1,raw",
        machine->memory / KIB, machine->cpus, machine->options[0] != '\0' ? " " : "", machine->options);
    qemu_add(arguments, "-append");
    qemu_add_text(arguments, options);
    text_format(&modules, "/proc/self/fd/%d ", machine->image_fd);
    qemu_add_quoted(&modules, machine->command);
    if (machine->root_fd >= 0)
        text_format(&modules, ",/proc/self/fd/%d", machine->root_fd);
    qemu_add(arguments, "-initrd");
    qemu_add_text(arguments, modules);
}

static void build_arguments(struct qemu_args *arguments, const struct machine *machine, int com1, int com2)
{
    qemu_add_machine(arguments, machine->cpu, machine->kvm_problem == NULL);
    qemu_add(arguments, "-smp");
    qemu_add_number(arguments, "", machine->cpus, "");
    qemu_add(arguments, "-m");
    qemu_add_number(arguments, "", machine_mebibytes(machine), "M");
    qemu_add_serial(arguments, 1, com1);
    if (!machine->xen)
        qemu_add_serial(arguments, 2, com2);
    add_boot(arguments, machine);
    if (machine->gdb_port != 0) {
        qemu_add(arguments, "-S");
        qemu_add(arguments, "-gdb");
        qemu_add_number(arguments, "tcp:127.0.0.1:", machine->gdb_port, "");
    }
}

/* The tool's ends are [0], QEMU's are [1]. */
struct lines {
    int com1[2];
    int com2[2];
    int errors[2];
};

static bool open_lines(struct lines *lines)
{
    const int type = SOCK_STREAM | SOCK_CLOEXEC;

    if (socketpair(AF_UNIX, type, 0, lines->com1) == 0 && socketpair(AF_UNIX, type, 0, lines->com2) == 0 &&
        socketpair(AF_UNIX, type, 0, lines->errors) == 0)
        return true;
    report("cannot connect to QEMU: socketpair: %s", strerror(errno));
    return false;
}

struct machine_result machine_run(const struct machine *machine, struct machine_log *log)
{
    struct machine_result result = {0};
    struct qemu_args arguments = {0};
    struct lines lines;
    struct pump pump;
    sigset_t before;

    if (!open_lines(&lines))
        return result;
    build_arguments(&arguments, machine, lines.com1[1], lines.com2[1]);
    /* From here on a signal waits until the pump reads it, so that none ends the tool between two steps. */
    pump_block_signals(&before);
    const int keep[] = {machine->hypervisor_fd, machine->image_fd, lines.com1[1],
                        lines.com2[1],          machine->root_fd,  -1};
    pid_t qemu = process_start((const char *const *)arguments.argv, lines.errors[1], keep);

    qemu_args_free(&arguments);
    close(lines.com1[1]);
    close(lines.com2[1]);
    close(lines.errors[1]);
    if (qemu > 0) {
        pump = (struct pump){
            .qemu = qemu,
            .com1 = lines.com1[0],
            .com2 = lines.com2[0],
            .errors = lines.errors[0],
            .xen = machine->xen,
            .timeout = machine->timeout,
            .input = machine->input,
            .log = log,
        };
        result.started = true;
        pump_run(&pump, &result);
    }
    close(lines.com1[0]);
    close(lines.com2[0]);
    close(lines.errors[0]);
    pump_restore_signals(&before);
    return result;
}
