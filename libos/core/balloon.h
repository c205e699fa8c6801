/* SPDX-License-Identifier: MIT */
/* Memory that the domain gives back and gets again at run time. Internal to the libOS. */
#ifndef LIBOS_CORE_BALLOON_H
#define LIBOS_CORE_BALLOON_H

#include <stdint.h>

/*
 * The domain shall have this many pages: gives free ones back, or asks for those that it once gave, on a
 * thread that lives until that is done. It never gives pages that are in use, keeps some free ones, and never
 * gets more than it was built with; what cannot be done now is not tried again. Any context.
 */
void cor_balloon_set_target(uint64_t pages);

#endif
