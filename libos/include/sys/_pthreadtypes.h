/* SPDX-License-Identifier: MIT */
/*
 * The POSIX thread types, in place of newlib's 32-bit handles: each object holds its own state, so that a
 * static initializer needs no allocation and destroying costs nothing. All fields belong to libos/posix.
 */
#ifndef _SYS__PTHREADTYPES_H_
#define _SYS__PTHREADTYPES_H_

#include <sys/sched.h>

#define PTHREAD_SCOPE_PROCESS    0
#define PTHREAD_SCOPE_SYSTEM     1
#define PTHREAD_INHERIT_SCHED    1
#define PTHREAD_EXPLICIT_SCHED   2
#define PTHREAD_CREATE_DETACHED  0
#define PTHREAD_CREATE_JOINABLE  1
#define PTHREAD_PROCESS_PRIVATE  0
#define PTHREAD_PROCESS_SHARED   1
#define PTHREAD_MUTEX_NORMAL     0
#define PTHREAD_MUTEX_RECURSIVE  1
#define PTHREAD_MUTEX_ERRORCHECK 2
#define PTHREAD_MUTEX_DEFAULT    PTHREAD_MUTEX_NORMAL

/* A thread; NULL is never one. */
typedef struct pthread *pthread_t;

typedef struct {
    void *stackaddr; /* lowest address, or NULL: the thread gets a stack with a guard page */
    __SIZE_TYPE__ stacksize;
    __SIZE_TYPE__ guardsize;
    int detachstate;
    int contentionscope;
    int inheritsched;
    int schedpolicy;
    struct sched_param schedparam;
} pthread_attr_t;

/*
 * The volatile words are what threads wait on (coracle/sync.h); libos/posix says what their values mean.
 */
typedef struct {
    volatile __uint32_t state;
    int type; /* PTHREAD_MUTEX_* */
    pthread_t owner;
    unsigned depth; /* times locked by the owner beyond the first */
} pthread_mutex_t;
#define _PTHREAD_MUTEX_INITIALIZER                                                                           \
    {                                                                                                        \
        0, PTHREAD_MUTEX_NORMAL, 0, 0                                                                        \
    }

typedef struct {
    int type;
    int process_shared;
} pthread_mutexattr_t;

typedef struct {
    volatile __uint32_t sequence;
    volatile __uint32_t waiters;
    unsigned long clock; /* clockid_t of timed waits; 0 means CLOCK_REALTIME */
} pthread_cond_t;
#define _PTHREAD_COND_INITIALIZER                                                                            \
    {                                                                                                        \
        0, 0, 0                                                                                              \
    }

typedef struct {
    unsigned long clock;
    int process_shared;
} pthread_condattr_t;

typedef struct {
    volatile __uint32_t lock;            /* guards the rest */
    volatile __uint32_t changed;         /* counts releases */
    __uint32_t readers, waiting_writers; /* readers: that hold it */
    pthread_t writer;                    /* that holds it */
} pthread_rwlock_t;
#define _PTHREAD_RWLOCK_INITIALIZER                                                                          \
    {                                                                                                        \
        0, 0, 0, 0, 0                                                                                        \
    }

typedef struct {
    int process_shared;
} pthread_rwlockattr_t;

typedef struct {
    volatile __uint32_t lock;
    volatile __uint32_t round; /* rounds completed */
    __uint32_t count, arrived;
    volatile __uint32_t inside; /* threads that have not left the last round */
} pthread_barrier_t;

typedef struct {
    int process_shared;
} pthread_barrierattr_t;

typedef struct {
    volatile __uint32_t locked;
} pthread_spinlock_t;

typedef unsigned pthread_key_t;

typedef struct {
    volatile __uint32_t state; /* 0 not run, 1 running, 2 running and waited for, 3 done */
} pthread_once_t;
#define _PTHREAD_ONCE_INIT                                                                                   \
    {                                                                                                        \
        0                                                                                                    \
    }

#endif
