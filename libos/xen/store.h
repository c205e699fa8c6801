/* SPDX-License-Identifier: MIT */
/* The internal half of coracle/store.h. */
#ifndef LIBOS_XEN_STORE_H
#define LIBOS_XEN_STORE_H

#include "coracle/store.h"
#include "pvboot/abi.h"

/* Boot: keeps where the store's ring is. */
void cor_store_init(const start_info_t *si);

/* Events with the watch's token are its from now on, and not any more. Any context. */
void cor_store_add_watch(struct cor_store_watch *watch);
void cor_store_drop_watch(struct cor_store_watch *watch);

#endif
