/* SPDX-License-Identifier: MIT */
#ifndef _SYS_RANDOM_H
#define _SYS_RANDOM_H

#include <sys/cdefs.h>
#include <sys/types.h>

__BEGIN_DECLS

#define GRND_NONBLOCK 1
#define GRND_RANDOM   2

ssize_t getrandom(void *__buf, size_t __len, unsigned __flags);
int getentropy(void *__buf, size_t __len);

__END_DECLS

#endif
