/* SPDX-License-Identifier: MIT */
/* A counter behind a descriptor, as Linux has it. */
#ifndef _SYS_EVENTFD_H
#define _SYS_EVENTFD_H

#include <stdint.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

#define EFD_SEMAPHORE 1
#define EFD_NONBLOCK  0x4000  /* O_NONBLOCK */
#define EFD_CLOEXEC   0x40000 /* O_CLOEXEC */

typedef uint64_t eventfd_t;

int eventfd(unsigned __value, int __flags);
int eventfd_read(int __fd, eventfd_t *__value);
int eventfd_write(int __fd, eventfd_t __value);

__END_DECLS

#endif
