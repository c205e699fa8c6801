/* SPDX-License-Identifier: MIT */
/* lwIP's view of compiler and C library. */
#ifndef LIBOS_NET_ARCH_CC_H
#define LIBOS_NET_ARCH_CC_H

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <sys/types.h> /* ssize_t, byte order */

#define LWIP_ERRNO_STDINCLUDE 1
#define LWIP_TIMEVAL_PRIVATE  0

/* The sockets' headers have htons and its family; lwIP needs only these. */
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1
#define lwip_htons(x)                         ((uint16_t)__builtin_bswap16((uint16_t)(x)))
#define lwip_htonl(x)                         ((uint32_t)__builtin_bswap32((uint32_t)(x)))
#define lwip_ntohs(x)                         lwip_htons(x)
#define lwip_ntohl(x)                         lwip_htonl(x)

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/* A number nobody can foresee (libos/posix/random.h). */
uint32_t net_random(void);
#define LWIP_RAND() net_random()

_Noreturn void net_assert_failed(const char *message, const char *file, int line);
#define LWIP_PLATFORM_ASSERT(message) net_assert_failed(message, __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(message)   ((void)0)

#pragma GCC visibility pop

#endif
