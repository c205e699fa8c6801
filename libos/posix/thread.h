/* SPDX-License-Identifier: MIT */
/*
 * What the POSIX room keeps with each thread, and the one way in which its calls block.
 *
 * Errors inside this room are negative errno values; posix_result turns them into errno and -1 at the door.
 */
#ifndef LIBOS_POSIX_THREAD_H
#define LIBOS_POSIX_THREAD_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "coracle/sync.h"
#include "coracle/thread.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

#define PTHREAD_KEYS 128

/* What ran on a thread since it was last asked; bits of struct pthread.handled. */
#define HANDLED_RESTART 1u /* a handler of an action with SA_RESTART */
#define HANDLED_EINTR   2u /* one without */

/* A key's value; it counts while seq is the key's. */
struct specific {
    void *value;
    unsigned seq;
};

/*
 * A thread's structure is one of its thread-local variables: the calling thread finds its own without a
 * search, it needs no memory of its own, and it lives as long as the core keeps the thread (until joined).
 */
struct pthread {
    struct cor_thread *thread;
    struct pthread *next; /* list of all; guarded by threads_lock */
    void *(*entry)(void *);
    void *argument;
    bool ended, helper; /* guarded by threads_lock */
    /* Only the thread itself changes the next ones. */
    sigset_t mask;
    sigset_t waiting; /* signals that sigwait is waiting for, although they are blocked */
    unsigned handled; /* HANDLED_* */
    unsigned locked;  /* locks of the libOS that it holds: no handler runs meanwhile */
    bool deferred;    /* something to deliver came while locked */
    int cancel_state, cancel_type;
    struct _pthread_cleanup_context *cleanup;
    struct specific specific[PTHREAD_KEYS];
    stack_t altstack;
    /* Others set these. */
    volatile sigset_t pending; /* atomic */
    volatile bool cancelled;
};

extern struct pthread *main_pthread;
extern struct cor_mutex threads_lock;
extern struct pthread *threads; /* all that have not ended; guarded by threads_lock */

/* Makes the calling thread the main one. Start of the program. */
void threads_init(void);

/* The calling thread's structure. */
struct pthread *posix_self(void);

/* Starts a thread of this room: detached, all signals blocked, not counted as the program's. 0 or -ENOMEM. */
int posix_helper(const char *name, void (*run)(void));

/* CPU time of the program's threads that have ended, nanoseconds. threads_lock held. */
uint64_t ended_cpu_ns(void);

/* keys.c: runs the destructors of the calling thread's values. */
void keys_destroy(struct pthread *self);

/*
 * Locks of this room: no signal handler runs on a thread that holds one, since the handler may call what
 * needs it. No thread waits, but for another such lock, with one held.
 */
void posix_lock(struct cor_mutex *lock);
void posix_unlock(struct cor_mutex *lock);

/* Sets errno and returns -1 for a negative result, else returns it. */
long posix_result(long result);

/*
 * As cor_wait, for calls that POSIX lets signals interrupt. -EINTR only when a handler has run (restart: one
 * without SA_RESTART) or the thread is cancelled; 0 for every other end but -ETIMEDOUT: callers test again.
 */
int posix_wait(const volatile uint32_t *word, uint32_t expected, uint64_t deadline, bool restart);

/* As cor_wait for calls that no signal ends: 0 or -ETIMEDOUT; handlers run meanwhile. */
int posix_wait_through(const volatile uint32_t *word, uint32_t expected, uint64_t deadline);

/*
 * Monotonic deadline of an absolute time of a clock, or of a duration from now. -EINVAL for a clock that does
 * not exist and nanoseconds out of range. What is past gives 0, what is beyond the clock COR_FOREVER.
 */
int posix_deadline(clockid_t clock, const struct timespec *at, uint64_t *deadline);
int posix_after(const struct timespec *duration, uint64_t *deadline);
#define NS_PER_S 1000000000ull

/* True when the thread must end at its next cancellation point. */
bool posix_cancelled(const struct pthread *self);

/* signal.c -------------------------------------------------------------------------------------------------
 */

void signals_init(void);

/* Runs what is pending and not blocked on the calling thread. */
void signals_deliver(void);

/* Sends a signal to the process from any context, interrupts included. */
void signal_post(int signo);

/* A thread is about to end: what the process has pending goes to another. */
void signals_leave(void);

/* Waits until a handler has run on this thread, or the deadline: -EINTR or -ETIMEDOUT. */
int signals_pause(uint64_t deadline);

#pragma GCC visibility pop

#endif
