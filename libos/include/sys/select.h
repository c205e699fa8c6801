/* SPDX-License-Identifier: MIT */
/* newlib's fd_set holds 64 descriptors unless the program says otherwise; 1024 is what programs expect. */
#ifndef CORACLE_SYS_SELECT_H
#define CORACLE_SYS_SELECT_H

#ifndef FD_SETSIZE
#define FD_SETSIZE 1024
#endif

#include_next <sys/select.h>

#endif
