/* SPDX-License-Identifier: MIT */
/*
 * The event loop; see loop.h. Compiled without floating point, since the handlers of ports and timers run in
 * interrupt context. The queue is guarded by the libOS's spinlock, which masks events.
 */
#include "toolstack/control/loop.h"
#include <errno.h>
#include <stddef.h>
#include "coracle/event.h"
#include "coracle/sync.h"
#include "libos/core/cpu.h"

static struct {
    struct cor_spinlock lock; /* guards the queue and each task's links */
    struct loop_task *first, *last;
    volatile uint32_t posted; /* changes with each post: what loop_run() sleeps on */
} queue;

void loop_post(struct loop_task *task)
{
    bool enabled = cor_spin_lock(&queue.lock), wake = false;

    if (!task->queued) {
        task->queued = true;
        task->next = NULL;
        task->prev = queue.last;
        if (queue.last) {
            queue.last->next = task;
        } else {
            queue.first = task;
            wake = true;
        }
        queue.last = task;
        queue.posted++;
    }
    cor_spin_unlock(&queue.lock, enabled);
    if (wake) {
        cor_wake(&queue.posted, 1);
    }
}

/* Takes task out of the queue; the lock is held. */
static void unlink_task(struct loop_task *task)
{
    if (task->prev) {
        task->prev->next = task->next;
    } else {
        queue.first = task->next;
    }
    if (task->next) {
        task->next->prev = task->prev;
    } else {
        queue.last = task->prev;
    }
    task->queued = false;
}

void loop_cancel(struct loop_task *task)
{
    bool enabled = cor_spin_lock(&queue.lock);

    if (task->queued) {
        unlink_task(task);
    }
    cor_spin_unlock(&queue.lock, enabled);
}

/* ------------------------------------------------------------------ ports */

static void port_event(uint32_t number, void *argument)
{
    struct loop_port *port = argument;

    cor_event_mask(number);
    loop_post(&port->task);
}

/* Notes what a binding call of coracle/event.h returned. */
static int keep(struct loop_port *port, int result)
{
    if (result < 0) {
        return result;
    }
    port->port = (uint32_t)result;
    port->held = false;
    return 0;
}

/* Before the task runs: what comes from here on is another run. */
static void port_open(const struct loop_port *port)
{
    if (port->port && !port->held) {
        cor_event_unmask(port->port);
    }
}

void loop_port_hold(struct loop_port *port)
{
    port->held = true;
    cor_event_mask(port->port);
}

void loop_port_release(struct loop_port *port)
{
    port->held = false;
    loop_post(&port->task);
}

int loop_port_attach(struct loop_port *port, uint32_t number)
{
    int error;

    port->task.is_port = true;
    error = cor_event_attach(number, port_event, port);

    return keep(port, error ? error : (int)number);
}

int loop_port_bind(struct loop_port *port, uint16_t domain, uint32_t remote_port)
{
    port->task.is_port = true;
    return keep(port, cor_event_bind_interdomain(domain, remote_port, port_event, port));
}

int loop_port_bind_virq(struct loop_port *port, uint32_t virq)
{
    port->task.is_port = true;
    return keep(port, cor_event_bind_virq(virq, port_event, port));
}

int loop_port_alloc(struct loop_port *port, uint16_t domain)
{
    port->task.is_port = true;
    return keep(port, cor_event_alloc_unbound(domain, port_event, port));
}

void loop_port_close(struct loop_port *port)
{
    if (port->port) {
        cor_event_close(port->port);
        port->port = 0;
    }
    loop_cancel(&port->task);
}

/* ------------------------------------------------------------------ timers */

static void timer_fire(struct cor_timer *timer)
{
    struct loop_timer *owner = (struct loop_timer *)((char *)timer - offsetof(struct loop_timer, timer));

    loop_post(&owner->task);
}

void loop_timer_set(struct loop_timer *timer, uint64_t deadline)
{
    loop_cancel(&timer->task);
    timer->timer.fire = timer_fire;
    cor_timer_set(&timer->timer, deadline);
}

void loop_timer_stop(struct loop_timer *timer)
{
    cor_timer_cancel(&timer->timer);
    loop_cancel(&timer->task);
}

/* ------------------------------------------------------------------ the loop */

static struct loop_task *take(void)
{
    bool enabled = cor_spin_lock(&queue.lock);
    struct loop_task *task = queue.first;

    if (task) {
        unlink_task(task);
    }
    cor_spin_unlock(&queue.lock, enabled);
    return task;
}

bool loop_turn(uint64_t deadline)
{
    for (;;) {
        uint32_t posted = queue.posted;
        struct loop_task *task = take();

        if (task) {
            if (task->is_port) {
                port_open((const struct loop_port *)task);
            }
            task->run(task);
            return true;
        }
        if (cor_wait(&queue.posted, posted, deadline, 0) == -ETIMEDOUT) {
            return false;
        }
    }
}

noreturn void loop_run(void)
{
    for (;;) {
        (void)loop_turn(COR_FOREVER);
    }
}

_Static_assert(offsetof(struct loop_port, task) == 0, "loop_turn() finds a port by its task");
