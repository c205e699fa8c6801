/* SPDX-License-Identifier: MIT */
/* The internal half of coracle/store.h. */
#ifndef LIBOS_XEN_STORE_H
#define LIBOS_XEN_STORE_H

#include "coracle/store.h"
#include "pvboot/abi.h"

/* Boot: keeps where the store's ring is. */
void cor_store_init(const start_info_t *si);

#endif
