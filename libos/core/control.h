/* SPDX-License-Identifier: MIT */
/* What the control domain asks of a domain through the store. Internal to the libOS. */
#ifndef LIBOS_CORE_CONTROL_H
#define LIBOS_CORE_CONTROL_H

/*
 * Begins to watch control/shutdown and memory/target, without waiting for anything; does nothing in a domain
 * without a store. Once, on the main thread.
 */
void cor_control_start(void);

#endif
