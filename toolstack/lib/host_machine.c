/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/host_machine.h"
#include "toolstack/lib/agent_disks.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/process.h"
#include "toolstack/lib/qemu_args.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* The hypervisor's own, the control domain's own, and the least that domains could use. */
#define HYPERVISOR_MEMORY (16 * MIB)
#define CONTROL_MEMORY    (32 * MIB)
#define DOMAINS_MEMORY    (16 * MIB)

/* The archive is there twice while it is unpacked. */
#define ARCHIVE_COPIES 2

uint64_t host_control_memory(uint64_t memory, uint64_t archive_size)
{
    uint64_t share = memory / 8 > CONTROL_MEMORY ? memory / 8 : CONTROL_MEMORY;

    return (share + ARCHIVE_COPIES * archive_size + MIB - 1) / MIB * MIB;
}

int host_check_memory(uint64_t memory, uint64_t archive_size)
{
    uint64_t control = host_control_memory(memory, archive_size);
    uint64_t needed = HYPERVISOR_MEMORY + control + archive_size + DOMAINS_MEMORY;
    char needed_text[SIZE_TEXT_MAX], given[SIZE_TEXT_MAX];

    if (memory >= needed)
        return 0;
    report("a host with %s is too small: the hypervisor, the control domain (%" PRIu64
           " MiB) and a first domain need "
           "%s; give more with --memory",
           format_size(memory, given), control / MIB,
           format_size((needed + MIB - 1) / MIB * MIB, needed_text));
    return -1;
}

uint64_t host_machine_memory(uint64_t domain_memory, uint64_t archive_size)
{
    uint64_t memory = HYPERVISOR_MEMORY + domain_memory + archive_size + DOMAINS_MEMORY, control;

    /* The control domain's share grows with the machine, and the machine with the share. */
    do {
        control = host_control_memory(memory, archive_size);
        memory += MIB;
    } while (memory < HYPERVISOR_MEMORY + domain_memory + archive_size + DOMAINS_MEMORY + control);
    return memory;
}

int host_machine_open(struct host_machine *machine, const char *hypervisor, const char *control)
{
    machine->hypervisor_fd = open_unpacked(hypervisor);
    machine->control_fd = open(control, O_RDONLY | O_CLOEXEC);
    if (machine->control_fd < 0)
        report("cannot read the control domain %s: %s", control, strerror(errno));
    return machine->hypervisor_fd >= 0 && machine->control_fd >= 0 ? 0 : -1;
}

void host_machine_close(struct host_machine *machine)
{
    int *const fds[] = {&machine->hypervisor_fd, &machine->control_fd, &machine->archive_fd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static void add_boot(struct qemu_args *arguments, const struct host_machine *machine)
{
    struct text options = {0}, modules = {0};

    qemu_add(arguments, "-kernel");
    qemu_add_number(arguments, "/proc/self/fd/", (uint64_t)machine->hypervisor_fd, "");
    text_format(&options, "com1=115200,8n1 console=com1 dom0_mem=%" PRIu64 "K dom0_max_vcpus=1%s%s",
                host_control_memory(machine->memory, file_size(machine->archive_fd)) / KIB,
                machine->options[0] != '\0' ? " " : "", machine->options);
    qemu_add(arguments, "-append");
    qemu_add_text(arguments, options);
    text_format(&modules, "/proc/self/fd/%d name=control stdin=none %s --,/proc/self/fd/%d",
                machine->control_fd, machine->settings != NULL ? machine->settings : "", machine->archive_fd);
    qemu_add(arguments, "-initrd");
    qemu_add_text(arguments, modules);
}

/* QEMU's monitor, and the SCSI host to which disks come later. */
static void add_monitor(struct qemu_args *arguments, int fd)
{
    qemu_add(arguments, "-chardev");
    qemu_add_number(arguments, "socket,id=monitor,fd=", (uint64_t)fd, "");
    qemu_add(arguments, "-mon");
    qemu_add(arguments, "chardev=monitor,mode=control");
    qemu_add(arguments, "-device");
    qemu_add(arguments, "virtio-scsi-pci,id=" AGENT_DISKS_BUS);
}

pid_t host_machine_start(const struct host_machine *machine, int com1, int line, int errors, int monitor)
{
    const int keep[] = {
        machine->hypervisor_fd, machine->control_fd, machine->archive_fd, com1, line, monitor, -1};
    struct qemu_args arguments = {0};
    pid_t qemu;

    qemu_add_machine(&arguments, machine->cpu, machine->kvm_problem == NULL);
    qemu_add(&arguments, "-smp");
    qemu_add_number(&arguments, "", machine->cpus, "");
    qemu_add(&arguments, "-m");
    qemu_add_number(&arguments, "", machine->memory / MIB, "M");
    qemu_add_serial(&arguments, 1, com1);
    qemu_add_console(&arguments, line);
    if (machine->network != NULL)
        forward_add(&arguments, machine->network);
    if (machine->disks != NULL)
        qemu_add_disks(&arguments, machine->disks);
    if (monitor >= 0)
        add_monitor(&arguments, monitor);
    add_boot(&arguments, machine);
    qemu = process_start((const char *const *)arguments.argv, errors, keep);
    qemu_args_free(&arguments);
    return qemu;
}
