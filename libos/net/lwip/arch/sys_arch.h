/* SPDX-License-Identifier: MIT */
/* lwIP's view of threads: the types that libos/net/sys_arch.c fills with life. */
#ifndef LIBOS_NET_ARCH_SYS_ARCH_H
#define LIBOS_NET_ARCH_SYS_ARCH_H

#include <stdbool.h>
#include "coracle/sync.h"
#include "coracle/thread.h"

/* A queue of messages that grows as needed: a post fails only without memory. */
struct net_mailbox {
    struct cor_mutex lock;
    struct cor_cond filled;
    void **ring;            /* NULL: not made, or freed */
    unsigned size;          /* a power of two */
    unsigned first, behind; /* free-running */
};

typedef struct net_mailbox sys_mbox_t;
typedef struct cor_mutex sys_mutex_t;
typedef struct {
    struct cor_sem sem;
    bool valid;
} sys_sem_t;
typedef struct cor_thread *sys_thread_t;
typedef bool sys_prot_t;

#define sys_mutex_valid(mutex)       1
#define sys_mutex_set_invalid(mutex) ((void)(mutex))

#endif
