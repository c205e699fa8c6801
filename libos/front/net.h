/* SPDX-License-Identifier: MIT */
/* netfront: the domain's virtual network interfaces (xen/io/netif.h), as they come and go. */
#ifndef LIBOS_FRONT_NET_H
#define LIBOS_FRONT_NET_H

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/*
 * Starts netfront, in a domain that has a store. Once; threads only, without lwIP's core lock. 0 or
 * -ENOMEM.
 */
int netfront_start(void);

#pragma GCC visibility pop

#endif
