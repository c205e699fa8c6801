/* SPDX-License-Identifier: MIT */
/* Does KVM work here? A device that opens proves nothing: containers and emulated machines show one that
 * cannot run a guest. */
#ifndef TOOLSTACK_LIB_KVM_H
#define TOOLSTACK_LIB_KVM_H

#include <stdbool.h>

/*
 * Whether the flags lines of a /proc/cpuinfo file name vmx or svm as a whole word. False when the file cannot
 * be read.
 */
bool cpuinfo_has_virtualization(const char *cpuinfo_path);

/*
 * Runs one HLT in a fresh virtual machine, in a child process that is ended after two seconds.
 * Returns NULL when it halted as it should, else why KVM cannot be used, as a phrase.
 */
const char *probe_kvm(const char *device_path);

/* Both questions about this machine. NULL when KVM is usable, else why not. */
const char *why_no_kvm(void);

#endif
