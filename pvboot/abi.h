/* SPDX-License-Identifier: MIT */
/*
 * The one door to Xen's public headers for code on the guest's side and for the builder: asks them for their
 * current interface version (a file that names none would get names from 2005) and then includes xen/xen.h.
 * Include this before any other header of xen/.
 */
#ifndef PVBOOT_ABI_H
#define PVBOOT_ABI_H

#include <stdint.h>
#include <xen/xen-compat.h>
#if __XEN_INTERFACE_VERSION__ == 0
#undef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#endif
#include <xen/xen.h>

#endif
