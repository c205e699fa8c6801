/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's internal interface. A vCPU's run queue is touched by that vCPU alone, with events masked;
 * `current` is never in it.
 */
#ifndef LIBOS_CORE_SCHED_H
#define LIBOS_CORE_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "coracle/clock.h"
#include "coracle/thread.h"
#include "libos/core/cpu.h"

struct _reent;

enum cor_thread_state {
    COR_RUNNABLE, /* current, or in the run queue */
    COR_BLOCKED,  /* in a wait queue */
    COR_FINISHED  /* ended; waits for join or detach */
};

struct cor_thread {
    struct cor_thread *self;        /* fs:0, the ABI's thread pointer to itself */
    uint64_t rsp;                   /* where the thread continues, when it is not current */
    struct cor_cpu *cpu;            /* the vCPU on which it runs */
    struct cor_thread *next, *prev; /* in the run queue or a wait queue */
    enum cor_thread_state state;
    bool detached, interrupted, uninterruptible, background;
    volatile uint32_t ended;            /* word for joiners: 0 lives, 1 ended */
    bool joined;                        /* somebody joins */
    const volatile uint32_t *wait_word; /* what it waits for; guarded by that word's bucket */
    int wait_result;
    struct cor_timer wait_timer;
    uint64_t cpu_ns; /* time used up to the last switch */
    void *(*entry)(void *);
    void *argument, *result, *data;
    struct _reent *reent;
    void *block; /* memory of stack, TLS and this structure; NULL for boot's */
    size_t block_size;
    void *stack;
    size_t stack_size;
    char name[COR_THREAD_NAME_MAX];
};

/* Bytes needed for a thread with so much stack: stack, thread-local storage, struct cor_thread, struct
 * _reent. */
size_t cor_thread_block_size(size_t stack_size);

/*
 * Boot: makes the code that runs now the idle thread of this vCPU, and the main thread in `block` (mapped,
 * zero or not), and switches to it; entry must not return.
 */
noreturn void cor_threads_start(void *block, size_t block_size, void *(*entry)(void *));

/* Leaves current, which the caller has queued somewhere (or not), and runs the next thread. Events masked. */
void cor_schedule(void);

/* Puts a blocked thread into its vCPU's run queue. Events masked. */
void cor_make_runnable(struct cor_thread *thread);

/* From an upcall whose handlers asked for it: lets another thread run. Events masked. */
void cor_preempt(void);

/* Runs cor_posix_deliver if somebody interrupted the thread. Events masked on entry and exit. */
void cor_deliver(void);

/* A new thread's first C function: never returns. */
void cor_thread_first(struct cor_thread *thread);

/* The thread has left its stack for good: lets joiners know, or queues it for cor_threads_reap. Events
 * masked. */
void cor_thread_left(struct cor_thread *thread);

/* Frees the memory of detached threads that have ended. Thread context or idle, events enabled. */
void cor_threads_reap(void);

/* The loop of the idle thread: blocks the vCPU until an event. */
noreturn void cor_idle(void);

/* entry.S */
void cor_switch_stack(uint64_t *save_rsp, uint64_t load_rsp);
void cor_thread_trampoline(void);

/* Ends the wait of a thread with result, if it still waits (timer, interrupt). Any context, events masked. */
void cor_wait_cancel(struct cor_thread *thread, int result);

#endif
