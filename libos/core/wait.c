/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a word to change. Waiters stand in one of BUCKETS queues, chosen by the word's address; a
 * bucket's lock makes the test of the word and joining the queue one step.
 */
#include "coracle/sync.h"
#include <errno.h>
#include "libos/core/queue.h"
#include "libos/core/sched.h"

#define BUCKETS 64u

static struct bucket {
    struct cor_spinlock lock;
    struct cor_queue waiters;
} buckets[BUCKETS];

static struct bucket *bucket_of(const volatile uint32_t *word)
{
    uint64_t hash = (uint64_t)word >> 2;
    return &buckets[(hash ^ hash >> 6 ^ hash >> 12) % BUCKETS];
}

static void timed_out(struct cor_timer *timer)
{
    struct cor_thread *thread =
        (struct cor_thread *)((char *)timer - offsetof(struct cor_thread, wait_timer));
    cor_wait_cancel(thread, -ETIMEDOUT);
}

void cor_wait_cancel(struct cor_thread *thread, int result)
{
    for (;;) {
        const volatile uint32_t *word = thread->wait_word;
        struct bucket *bucket = bucket_of(word);
        bool enabled;

        if (!word) {
            return;
        }
        enabled = cor_spin_lock(&bucket->lock);
        if (thread->wait_word == word) {
            cor_queue_remove(&bucket->waiters, thread);
            thread->wait_word = NULL;
            thread->wait_result = result;
            cor_make_runnable(thread);
            cor_spin_unlock(&bucket->lock, enabled);
            return;
        }
        cor_spin_unlock(&bucket->lock, enabled); /* it was woken or moved meanwhile: look again */
    }
}

int cor_wait(const volatile uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags)
{
    struct bucket *bucket = bucket_of(word);
    struct cor_thread *self = cor_current();
    bool interruptible = !(flags & COR_WAIT_UNINTERRUPTIBLE);
    bool enabled = cor_spin_lock(&bucket->lock);
    int result = 0;

    if (*word != expected) {
        result = -EAGAIN;
    } else if (interruptible && self->interrupted) {
        result = -EINTR;
    } else if (deadline != COR_FOREVER && deadline <= cor_monotonic_ns()) {
        result = -ETIMEDOUT;
    }
    if (result) {
        cor_spin_unlock(&bucket->lock, enabled);
    } else {
        self->wait_word = word;
        self->wait_result = 0;
        self->uninterruptible = !interruptible;
        self->state = COR_BLOCKED;
        cor_queue_push(&bucket->waiters, self);
        if (deadline != COR_FOREVER) {
            self->wait_timer.fire = timed_out;
            cor_timer_set(&self->wait_timer, deadline);
        }
        cor_spin_unlock(&bucket->lock, false); /* events stay masked until we are away */
        cor_schedule();
        cor_timer_cancel(&self->wait_timer);
        result = self->wait_result;
        cor_irq_restore(enabled);
    }
    if (self->interrupted && interruptible && enabled) {
        cor_deliver();
    }
    return result;
}

/* The first waiter for word from `thread` on, NULL if there is none. */
static struct cor_thread *find_waiter(struct cor_thread *thread, const volatile uint32_t *word)
{
    while (thread && thread->wait_word != word) {
        thread = thread->next;
    }
    return thread;
}

/* Wakes up to count waiters for word. The bucket's lock is held. */
static unsigned wake_locked(struct bucket *bucket, const volatile uint32_t *word, unsigned count)
{
    struct cor_thread *thread = find_waiter(bucket->waiters.head, word);
    unsigned woken = 0;

    while (thread && woken < count) {
        struct cor_thread *next = thread->next;
        cor_queue_remove(&bucket->waiters, thread);
        thread->wait_word = NULL;
        cor_make_runnable(thread);
        woken++;
        thread = find_waiter(next, word);
    }
    return woken;
}

unsigned cor_wake(const volatile uint32_t *word, unsigned count)
{
    struct bucket *bucket = bucket_of(word);
    bool enabled;
    unsigned woken;

    enabled = cor_spin_lock(&bucket->lock);
    woken = wake_locked(bucket, word, count);
    cor_spin_unlock(&bucket->lock, enabled);
    return woken;
}

unsigned cor_requeue(const volatile uint32_t *word, unsigned wake_count, const volatile uint32_t *target,
                     unsigned move_count)
{
    struct bucket *from = bucket_of(word), *to = bucket_of(target);
    struct bucket *first = from < to ? from : to, *second = from < to ? to : from;
    bool enabled = cor_spin_lock(&first->lock); /* two buckets are locked in the order of their addresses */
    unsigned woken;
    struct cor_thread *thread;

    if (second != first) {
        cor_spin_lock(&second->lock);
    }
    woken = wake_locked(from, word, wake_count);
    thread = find_waiter(from->waiters.head, word);
    while (thread && move_count--) {
        struct cor_thread *next = thread->next;
        cor_queue_remove(&from->waiters, thread);
        thread->wait_word = target;
        cor_queue_push(&to->waiters, thread);
        thread = find_waiter(next, word);
    }
    if (second != first) {
        cor_spin_unlock(&second->lock, false);
    }
    cor_spin_unlock(&first->lock, enabled);
    return woken;
}
