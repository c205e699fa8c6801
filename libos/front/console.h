/* SPDX-License-Identifier: MIT */
/* The internal half of coracle/console.h. */
#ifndef LIBOS_FRONT_CONSOLE_H
#define LIBOS_FRONT_CONSOLE_H

#include <stdint.h>
#include "pvboot/abi.h"

/* Boot: finds the console's ring, if the domain has one. Output works from here on (in the initial domain,
 * always). */
void cor_console_init(const start_info_t *si);

#endif
