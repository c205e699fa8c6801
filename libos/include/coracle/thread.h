/* SPDX-License-Identifier: MIT */
/*
 * Threads: preemptive, one class, round robin in time slices of 10 ms. A slice is only timed while more than
 * one thread can run, so a single thread is never interrupted by the scheduler. A thread in the background
 * gives way at once to any that becomes runnable, and has slices of 1 ms.
 *
 * Each thread has a stack with an unmapped page beneath, thread-local storage (_Thread_local, variant II,
 * fs), a newlib struct _reent (errno, stdio pointers) and its own FPU state.
 */
#ifndef CORACLE_THREAD_H
#define CORACLE_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

struct cor_thread;

#define COR_THREAD_NAME_MAX 16            /* with the final zero; longer names are cut */
#define COR_STACK_DEFAULT   (256ul << 10) /* bytes; `stack=SIZE` sets the main thread's */
#define COR_STACK_MIN       (16ul << 10)

struct cor_thread_attr {
    const char *name;  /* for messages; NULL: "thread" */
    size_t stack_size; /* bytes; 0: COR_STACK_DEFAULT; raised to COR_STACK_MIN, rounded up to pages */
    bool detached;     /* nobody will join: freed when it ends */
    bool background;   /* long work that others should not have to wait for */
};

/*
 * Starts a thread at entry(argument), runnable at once. attr may be NULL. *started receives it; a thread that
 * is not detached stays valid until cor_thread_join or cor_thread_detach. 0 or -ENOMEM. Any context.
 */
int cor_thread_create(struct cor_thread **started, const struct cor_thread_attr *attr, void *(*entry)(void *),
                      void *argument);

/* Ends the calling thread. Returning from entry does the same. Ending the main thread leaves the others
 * running. */
noreturn void cor_thread_exit(void *result);

/*
 * Waits for the end of thread and frees it; *result (may be NULL) receives what it ended with.
 * 0, -EDEADLK for oneself, -EINVAL if detached or somebody joins already, -EINTR.
 */
int cor_thread_join(struct cor_thread *thread, void **result);

/* Nobody will join: frees the thread now if it has ended, else when it ends. 0, -EINVAL if detached already.
 */
int cor_thread_detach(struct cor_thread *thread);

/* The calling thread. */
struct cor_thread *cor_thread_self(void);

/* Lets the next runnable thread run; returns when it is this thread's turn again. */
void cor_thread_yield(void);

/* Sleeps until the deadline (monotonic nanoseconds). 0, or -EINTR after cor_thread_interrupt. */
int cor_thread_sleep_until(uint64_t deadline);

/*
 * Makes the wait in which thread is, or else its next interruptible wait, return -EINTR, and has
 * cor_posix_deliver run on that thread: before the wait returns, or at its next return from a preemption or
 * yield. Any context.
 */
void cor_thread_interrupt(struct cor_thread *thread);

/*
 * Hook of the POSIX room (weak, empty): runs on a thread for which cor_thread_interrupt was called, events
 * enabled, in thread context with its FPU state saved: may run signal handlers, end the thread, and longjmp.
 */
void cor_posix_deliver(void);

/* A word of the POSIX room's choice kept with the thread (its pthread structure). NULL at first. */
void *cor_thread_data(struct cor_thread *thread);
void cor_thread_set_data(struct cor_thread *thread, void *data);

/* The thread's name, and the stack's lowest usable address and size in bytes. */
const char *cor_thread_name(const struct cor_thread *thread);
void cor_thread_set_name(struct cor_thread *thread, const char *name);
void cor_thread_stack(const struct cor_thread *thread, void **lowest, size_t *size);

/* CPU time that the thread has used, nanoseconds. */
uint64_t cor_thread_cpu_ns(struct cor_thread *thread);

#endif
