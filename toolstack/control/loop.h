/* SPDX-License-Identifier: MIT */
/*
 * The control domain's event loop. Everything of the control domain (life cycle, store, consoles, API,
 * backends) runs as tasks on one thread, one after the other: no locks, and nobody waits for anybody. A task
 * does a bounded piece of work; with more to do it posts itself again, behind the others.
 *
 *   event channel ----> interrupt handler --+
 *   timer ------------> interrupt handler --+--> queue of tasks --> loop_run()
 *   loop_post() ----------------------------+
 *
 * Structures belong to the caller, are zero at first but for the fields named "set by the caller", and stay
 * valid until stopped. All functions are called on the loop's thread, except where they say "any context".
 */
#ifndef TOOLSTACK_CONTROL_LOOP_H
#define TOOLSTACK_CONTROL_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include "coracle/clock.h"

/* A piece of work. run() may post the same task again, free it, or stop others. */
struct loop_task {
    void (*run)(struct loop_task *task); /* set by the caller */
    struct loop_task *next, *prev;       /* in the queue */
    bool queued;
    bool is_port; /* it is that of a struct loop_port */
};

/* Queues task at the end; nothing if it is queued already. Any context, interrupt handlers included. */
void loop_post(struct loop_task *task);

/* Takes task out of the queue, if it is there. Any context. */
void loop_cancel(struct loop_task *task);

/*
 * An event channel: an event posts the task and masks the port, which is open again when the task runs;
 * whatever comes meanwhile is one more run. So somebody who sends events as fast as he can costs one
 * interrupt and one turn among the others' turns.
 */
struct loop_port {
    struct loop_task task; /* task.run set by the caller */
    uint32_t port;         /* 0: not attached */
    bool held;
};

/* Attaches an existing port and unmasks it. 0 or a negative errno (coracle/event.h). */
int loop_port_attach(struct loop_port *port, uint32_t number);
/*
 * Binds to the remote end of another domain's port, to a virtual interrupt, or as an end that domain may
 * bind.
 */
int loop_port_bind(struct loop_port *port, uint16_t domain, uint32_t remote_port);
int loop_port_bind_virq(struct loop_port *port, uint32_t virq);
int loop_port_alloc(struct loop_port *port, uint16_t domain);
/*
 * Hears no event until the port is released; what came meanwhile posts the task then, as release itself does.
 */
void loop_port_hold(struct loop_port *port);
void loop_port_release(struct loop_port *port);
/* Closes the port and forgets a queued run. Nothing if it is not attached. */
void loop_port_close(struct loop_port *port);

/* A moment: posts the task once, at or after the deadline. */
struct loop_timer {
    struct loop_task task; /* task.run set by the caller */
    struct cor_timer timer;
};

/* Sets or moves the timer to deadline (monotonic nanoseconds). */
void loop_timer_set(struct loop_timer *timer, uint64_t deadline);
/* Stops the timer and forgets a queued run. */
void loop_timer_stop(struct loop_timer *timer);

/* Runs one task, and waits for one until the deadline (monotonic nanoseconds). False: none came. */
bool loop_turn(uint64_t deadline);

/* Runs tasks; sleeps while there are none. Never returns. */
noreturn void loop_run(void);

#endif
