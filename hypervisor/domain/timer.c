/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/boot.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/debug_key.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/spinlock.h"
#include "hypervisor/include/timer.h"

#define RUN_MAX 64 /* timers that one call runs: a bound on the time until the guest goes on */

struct timer_queue {
    struct spinlock lock;
    struct heap_node *root; /* earliest */
    struct timer *running;  /* its fn runs now, on the queue's processor */
    bool in_run;            /* timer_run() programs the hardware at its end */
    unsigned length;
};

static struct timer_queue boot_queue = {.lock = SPINLOCK(LOCK_TIMER)};

void timer_init(struct timer *t, void (*fn)(void *data), void *data)
{
    *t = (struct timer){.fn = fn, .data = data};
}

/* Under the queue's lock. */
static void take_out(struct timer_queue *q, struct timer *t)
{
    q->root = heap_remove(q->root, &t->node);
    q->length--;
}

static void program(struct timer_queue *q)
{
    apic_timer_set(q->root ? MAX(q->root->key, 1ul) : 0);
}

void timer_set(struct timer *t, uint64_t expires)
{
    struct percpu *cpu = this_cpu();
    struct timer_queue *q = cpu->timers, *old = t->cpu == cpu->cpu ? q : percpu_of(t->cpu)->timers;
    struct heap_node *first;

    if (old != q) {
        spin_lock(&old->lock);
        if (t->node.queued) {
            take_out(old, t);
        }
        spin_unlock(&old->lock);
    }
    spin_lock(&q->lock);
    first = q->root;
    if (t->node.queued) {
        take_out(q, t);
    }
    t->cpu = cpu->cpu;
    t->node.key = MIN(expires, (uint64_t)TIMER_MAX);
    q->root = heap_insert(q->root, &t->node);
    q->length++;
    if ((q->root == &t->node || first == &t->node) && !q->in_run) {
        program(q);
    }
    spin_unlock(&q->lock);
}

void timer_stop(struct timer *t)
{
    struct timer_queue *q = t->cpu == this_cpu()->cpu ? this_cpu()->timers : percpu_of(t->cpu)->timers;
    bool here = q == this_cpu()->timers, first;

    spin_lock(&q->lock);
    first = q->root == &t->node;
    if (t->node.queued) {
        take_out(q, t);
    }
    if (here && first && !q->in_run) {
        program(q);
    }
    while (!here && q->running == t) {
        spin_unlock(&q->lock);
        tlb_answer();
        cpu_relax();
        spin_lock(&q->lock);
    }
    spin_unlock(&q->lock);
}

void timer_run(void)
{
    struct timer_queue *q = this_cpu()->timers;
    uint64_t now = clock_now();

    spin_lock(&q->lock);
    q->in_run = true;
    for (unsigned n = 0; n < RUN_MAX && q->root && q->root->key <= now; n++) {
        struct timer *t = container_of(q->root, struct timer, node);

        take_out(q, t);
        q->running = t;
        spin_unlock(&q->lock);
        t->fn(t->data);
        spin_lock(&q->lock);
        q->running = NULL;
    }
    q->in_run = false;
    program(q);
    spin_unlock(&q->lock);
}

static void dump_timers(void)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct timer_queue *q = percpu_of(cpu)->timers;
        uint64_t now = clock_now(), next;

        spin_lock(&q->lock);
        next = q->root ? q->root->key : now;
        spin_unlock(&q->lock);
        log_print(LOG_ERR, "processor %u: time %lu ns, %u timers, next in %ld ns", cpu, now,
                  read_once(q->length), (long)(next - now));
    }
}

int timer_create_queue(struct percpu *cpu)
{
    cpu->timers = heap_alloc(sizeof(*cpu->timers), NULL);
    if (!cpu->timers) {
        return -ENOMEM;
    }
    cpu->timers->lock = (struct spinlock)SPINLOCK(LOCK_TIMER);
    return 0;
}

void timers_init(void)
{
    this_cpu()->timers = &boot_queue;
    debug_key_register('t', "timers", dump_timers);
}
