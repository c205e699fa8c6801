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

/* Threads that wait for an object: a list whose nodes lie on their stacks. */
struct __pthread_queue {
    struct __pthread_waiter *first;
    struct __pthread_waiter **last; /* NULL means &first: so zero bytes are an empty queue */
};

typedef struct {
    pthread_t owner; /* NULL: free */
    unsigned depth;  /* times locked by the owner */
    int type;        /* PTHREAD_MUTEX_* */
    struct __pthread_queue waiters;
} pthread_mutex_t;
#define _PTHREAD_MUTEX_INITIALIZER                                                                           \
    {                                                                                                        \
        0, 0, PTHREAD_MUTEX_NORMAL,                                                                          \
        {                                                                                                    \
            0, 0                                                                                             \
        }                                                                                                    \
    }

typedef struct {
    int type;
    int process_shared;
} pthread_mutexattr_t;

typedef struct {
    struct __pthread_queue waiters;
    unsigned long clock; /* clockid_t of timed waits; 0 means CLOCK_REALTIME */
} pthread_cond_t;
#define _PTHREAD_COND_INITIALIZER                                                                            \
    {                                                                                                        \
        {0, 0}, 0                                                                                            \
    }

typedef struct {
    unsigned long clock;
    int process_shared;
} pthread_condattr_t;

typedef struct {
    unsigned readers;
    pthread_t writer;
    struct __pthread_queue waiting_readers, waiting_writers;
} pthread_rwlock_t;
#define _PTHREAD_RWLOCK_INITIALIZER                                                                          \
    {                                                                                                        \
        0, 0, {0, 0},                                                                                        \
        {                                                                                                    \
            0, 0                                                                                             \
        }                                                                                                    \
    }

typedef struct {
    int process_shared;
} pthread_rwlockattr_t;

typedef struct {
    unsigned count;   /* threads that one round takes */
    unsigned arrived; /* of this round */
    struct __pthread_queue waiters;
} pthread_barrier_t;

typedef struct {
    int process_shared;
} pthread_barrierattr_t;

typedef struct {
    volatile int locked;
} pthread_spinlock_t;

typedef unsigned pthread_key_t;

typedef struct {
    volatile int state; /* 0 not run, 1 running, 2 done */
    struct __pthread_queue waiters;
} pthread_once_t;
#define _PTHREAD_ONCE_INIT                                                                                   \
    {                                                                                                        \
        0,                                                                                                   \
        {                                                                                                    \
            0, 0                                                                                             \
        }                                                                                                    \
    }

#endif
