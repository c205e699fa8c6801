/* SPDX-License-Identifier: MIT */
/* The ABI's error numbers (xen/errno.h) under their usual names; the hypervisor returns them negated. */
#ifndef HYPERVISOR_ERRNO_H
#define HYPERVISOR_ERRNO_H

#ifndef CORACLE_HOST_TEST
#define XEN_ERRNO(name, value) name = (value),
enum {
#include <xen/errno.h>
};
#else
#include <errno.h>
#endif

#endif
