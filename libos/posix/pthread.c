/* SPDX-License-Identifier: MIT */
/* Threads: life and death, cancellation, and how POSIX calls wait. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "libos/posix/thread.h"

#define HELPER_STACK (32ul << 10)

static _Thread_local struct pthread own;

struct cor_mutex threads_lock;
struct pthread *threads;
struct pthread *main_pthread;
static unsigned program_threads = 1; /* that have not ended, helpers not counted */
static uint64_t ended_ns;

struct pthread *posix_self(void)
{
    return &own;
}

/* Another thread's structure: it lies as far from the thread pointer as our own. */
static struct pthread *structure_of(struct cor_thread *thread)
{
    return (struct pthread *)((char *)thread + ((char *)&own - (char *)cor_thread_self()));
}

void threads_init(void)
{
    own.thread = cor_thread_self();
    own.next = threads;
    threads = main_pthread = &own;
}

uint64_t ended_cpu_ns(void)
{
    return ended_ns;
}

void posix_lock(struct cor_mutex *lock)
{
    own.locked++;
    cor_mutex_lock(lock);
}

void posix_unlock(struct cor_mutex *lock)
{
    cor_mutex_unlock(lock);
    own.locked--;
    if (own.deferred && !own.locked) {
        own.deferred = false;
        signals_deliver();
    }
}

long posix_result(long result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

bool posix_cancelled(const struct pthread *self)
{
    return self->cancelled && self->cancel_state == PTHREAD_CANCEL_ENABLE;
}

int posix_wait(const volatile uint32_t *word, uint32_t expected, uint64_t deadline, bool restart)
{
    int err;

    if (posix_cancelled(&own))
        return -EINTR;
    own.handled = 0;
    err = cor_wait(word, expected, deadline, 0);
    if (err != -EINTR)
        return err == -ETIMEDOUT ? err : 0;
    if (posix_cancelled(&own) || (own.handled & HANDLED_EINTR) || (own.handled && !restart))
        return -EINTR;
    return 0;
}

int posix_wait_through(const volatile uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return cor_wait(word, expected, deadline, 0) == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

/* Where each thread begins. Its creator holds threads_lock until the structure is complete. */
static void *start(void *argument)
{
    (void)argument;
    posix_lock(&threads_lock);
    posix_unlock(&threads_lock);
    pthread_exit(own.entry(own.argument));
}

static int create(struct pthread **thread, const struct cor_thread_attr *attr, const struct pthread *fields)
{
    struct cor_thread *made;
    struct pthread *new;
    int err;

    posix_lock(&threads_lock);
    err = cor_thread_create(&made, attr, start, NULL);
    if (!err) {
        new = structure_of(made);
        *new = *fields;
        new->thread = made;
        new->next = threads;
        threads = new;
        if (!new->helper)
            program_threads++;
        *thread = new;
    }
    posix_unlock(&threads_lock);
    return err;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*entry)(void *), void *argument)
{
    struct cor_thread_attr core = {0};
    struct pthread fields = {.entry = entry, .argument = argument, .mask = own.mask};

    if (attr) {
        core.stack_size = attr->stacksize;
        core.detached = attr->detachstate == PTHREAD_CREATE_DETACHED;
    }
    return create(thread, &core, &fields) ? EAGAIN : 0;
}

static void *run_helper(void *argument)
{
    ((void (*)(void))argument)();
    return NULL;
}

int posix_helper(const char *name, void (*run)(void))
{
    struct cor_thread_attr attr = {.name = name, .stack_size = HELPER_STACK, .detached = true};
    struct pthread fields = {
        .entry = run_helper, .argument = (void *)run, .mask = ~(sigset_t)0, .helper = true};
    struct pthread *helper;

    return create(&helper, &attr, &fields);
}

/* Takes the calling thread off the list. True for the last of the program's. */
static bool leave(void)
{
    struct pthread **link = &threads;
    bool last;

    posix_lock(&threads_lock);
    while (*link != &own)
        link = &(*link)->next;
    *link = own.next;
    own.ended = true;
    ended_ns += cor_thread_cpu_ns(own.thread);
    last = !own.helper && --program_threads == 0;
    posix_unlock(&threads_lock);
    return last;
}

void pthread_exit(void *result)
{
    own.cancel_state = PTHREAD_CANCEL_DISABLE;
    while (own.cleanup)
        _pthread_cleanup_pop(own.cleanup, 1);
    keys_destroy(&own);
    own.mask = ~(sigset_t)0;
    if (leave())
        exit(0);
    signals_leave();
    cor_thread_exit(result);
}

int pthread_join(pthread_t thread, void **result)
{
    int err;

    do {
        pthread_testcancel();
        err = cor_thread_join(thread->thread, result);
    } while (err == -EINTR);
    return -err;
}

int pthread_detach(pthread_t thread)
{
    return -cor_thread_detach(thread->thread);
}

pthread_t pthread_self(void)
{
    return &own;
}

int pthread_equal(pthread_t a, pthread_t b)
{
    return a == b;
}

void _pthread_cleanup_push(struct _pthread_cleanup_context *context, void (*routine)(void *), void *argument)
{
    *context =
        (struct _pthread_cleanup_context){._routine = routine, ._arg = argument, ._previous = own.cleanup};
    own.cleanup = context;
}

void _pthread_cleanup_pop(struct _pthread_cleanup_context *context, int execute)
{
    own.cleanup = context->_previous;
    if (execute)
        context->_routine(context->_arg);
}

int pthread_cancel(pthread_t thread)
{
    thread->cancelled = true;
    posix_lock(&threads_lock);
    if (!thread->ended)
        cor_thread_interrupt(thread->thread);
    posix_unlock(&threads_lock);
    return 0;
}

void pthread_testcancel(void)
{
    if (posix_cancelled(&own))
        pthread_exit(PTHREAD_CANCELED);
}

int pthread_setcancelstate(int state, int *old)
{
    if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE)
        return EINVAL;
    if (old)
        *old = own.cancel_state;
    own.cancel_state = state;
    return 0;
}

int pthread_setcanceltype(int type, int *old)
{
    if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS)
        return EINVAL;
    if (old)
        *old = own.cancel_type;
    own.cancel_type = type;
    return 0;
}

#define ONCE_RUNNING 1u
#define ONCE_WAITED  2u
#define ONCE_DONE    3u

/* A routine that is cancelled leaves the object as if it had not been called. */
static void once_again(void *argument)
{
    pthread_once_t *once = argument;

    __atomic_store_n(&once->state, 0, __ATOMIC_RELEASE);
    cor_wake(&once->state, UINT32_MAX);
}

int pthread_once(pthread_once_t *once, void (*routine)(void))
{
    uint32_t state = 0;

    while (!__atomic_compare_exchange_n(&once->state, &state, ONCE_RUNNING, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
        if (state == ONCE_DONE)
            return 0;
        if (state == ONCE_RUNNING)
            __atomic_compare_exchange_n(&once->state, &state, ONCE_WAITED, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE);
        posix_wait_through(&once->state, ONCE_WAITED, COR_FOREVER);
        state = 0;
    }
    pthread_cleanup_push(once_again, once);
    routine();
    pthread_cleanup_pop(0);
    if (__atomic_exchange_n(&once->state, ONCE_DONE, __ATOMIC_ACQ_REL) == ONCE_WAITED)
        cor_wake(&once->state, UINT32_MAX);
    return 0;
}
