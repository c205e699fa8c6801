/* SPDX-License-Identifier: MIT */
/* QEMU's command line. */
#ifndef TOOLSTACK_LIB_QEMU_ARGS_H
#define TOOLSTACK_LIB_QEMU_ARGS_H

#include "toolstack/lib/cmdline.h"

#include <stdbool.h>
#include <stdint.h>

#define QEMU_ARGS_MAX 192

/* An argument vector that owns its strings and ends with NULL. Starts as all zero. */
struct qemu_args {
    char *argv[QEMU_ARGS_MAX + 1];
    unsigned count;
};

/* Adds QEMU's name and what all machines have in common: a PC without devices that ends when it would reboot.
 */
void qemu_add_machine(struct qemu_args *arguments, const char *cpu, bool kvm);

/* Adds an argument: a copy of string, a text that is taken over, a number between two strings. */
void qemu_add(struct qemu_args *arguments, const char *string);
void qemu_add_text(struct qemu_args *arguments, struct text text);
void qemu_add_number(struct qemu_args *arguments, const char *before, uint64_t number, const char *after);

/* Adds serial line number `line` (1, 2) on the socket fd. */
void qemu_add_serial(struct qemu_args *arguments, unsigned line, int fd);

/* Adds a virtio console on the socket fd. */
void qemu_add_console(struct qemu_args *arguments, int fd);

void qemu_args_free(struct qemu_args *arguments);

#endif
