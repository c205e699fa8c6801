/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/qemu_args.h"

#include <inttypes.h>
#include <stdlib.h>

void qemu_add_text(struct qemu_args *arguments, struct text text)
{
    if (arguments->count < QEMU_ARGS_MAX)
        arguments->argv[arguments->count++] = text.text;
}

void qemu_add(struct qemu_args *arguments, const char *string)
{
    struct text text = {0};

    text_add(&text, string);
    qemu_add_text(arguments, text);
}

void qemu_add_number(struct qemu_args *arguments, const char *before, uint64_t number, const char *after)
{
    struct text text = {0};

    text_format(&text, "%s%" PRIu64 "%s", before, number, after);
    qemu_add_text(arguments, text);
}

void qemu_add_serial(struct qemu_args *arguments, unsigned line, int fd)
{
    struct text device = {0};

    qemu_add(arguments, "-chardev");
    text_format(&device, "socket,id=com%u,fd=%d", line, fd);
    qemu_add_text(arguments, device);
    qemu_add(arguments, "-serial");
    qemu_add_number(arguments, "chardev:com", line, "");
}

void qemu_add_console(struct qemu_args *arguments, int fd)
{
    struct text device = {0};

    qemu_add(arguments, "-chardev");
    text_format(&device, "socket,id=line,fd=%d", fd);
    qemu_add_text(arguments, device);
    qemu_add(arguments, "-device");
    qemu_add(arguments, "virtio-serial-pci");
    qemu_add(arguments, "-device");
    qemu_add(arguments, "virtconsole,chardev=line");
}

void qemu_add_machine(struct qemu_args *arguments, const char *cpu, bool kvm)
{
    static const char *const fixed[] = {
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "pc",
        "-display",           "none",        "-no-reboot",      "-accel"};

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        qemu_add(arguments, fixed[i]);
    qemu_add(arguments, kvm ? "kvm" : "tcg");
    qemu_add(arguments, "-cpu");
    qemu_add(arguments, cpu);
}

void qemu_args_free(struct qemu_args *arguments)
{
    for (unsigned i = 0; i < arguments->count; i++)
        free(arguments->argv[i]);
    *arguments = (struct qemu_args){0};
}
