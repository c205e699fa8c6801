/* SPDX-License-Identifier: MIT */
/*
 * Media that boot through GRUB into the hypervisor, by BIOS and by UEFI. grub-mkrescue makes one from a
 * directory: boot/coracle.elf, boot/grub/grub.cfg and the menu's modules. The result is a hybrid: it boots as
 * a CD and, written byte by byte, as a disk or USB stick. It is made beside the output under another name and
 * moved there when it is whole.
 */
#ifndef TOOLSTACK_CLI_MEDIUM_H
#define TOOLSTACK_CLI_MEDIUM_H

#include "toolstack/lib/stage.h"

/* How grub.cfg begins, to the middle of the line that names the hypervisor with its options. */
#define MEDIUM_MENU                                                                                          \
    "set timeout=0\n"                                                                                        \
    "set default=0\n"                                                                                        \
    "serial --unit=0 --speed=115200\n"                                                                       \
    "terminal_input console serial\n"                                                                        \
    "terminal_output console serial\n"                                                                       \
    "menuentry Coracle {\n"                                                                                  \
    "  multiboot2 /boot/coracle.elf com1=115200,8n1 console=com1"

/* Everything that grub-mkrescue needs; each missing one is named with its package. 0 or -1. */
int medium_check_tools(void);

/* Puts hypervisor and menu into boot/, which exists. 0, or -1 with a message. */
int medium_fill(const struct stage *stage, const char *menu);

/* Has fill (0, or -1 with a message) put all files into a stage, and makes the medium of them. An exit code.
 */
int medium_write(const char *output, int (*fill)(const struct stage *stage, void *context), void *context);

#endif
