/* SPDX-License-Identifier: MIT */
/*
 * Timers: one pairing heap for each vCPU (the root is the earliest; a node's children form a list; merging
 * two heaps hangs the later root under the earlier). Setting and looking are O(1), removing is O(log n) on
 * average, and nothing is allocated.
 *
 * The hypervisor has one one-shot timer for the vCPU. It is programmed only when it would fire too late; when
 * the earliest timer is cancelled it is left alone and then fires for nothing, which is cheaper than a
 * hypercall for every wait that ends in time.
 */
#include "coracle/clock.h"
#include "coracle/event.h"
#include "coracle/shutdown.h"
#include "libos/core/cpu.h"
#include "libos/core/time.h"
#include "pvboot/hypercall.h"
#include <xen/vcpu.h>

static struct cor_timer *merge(struct cor_timer *a, struct cor_timer *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (b->deadline < a->deadline) {
        struct cor_timer *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child) {
        a->child->prev = b;
    }
    a->child = b;
    return a;
}

/* Joins a list of siblings to one heap: in pairs from the left, then the pairs from the right. */
static struct cor_timer *merge_siblings(struct cor_timer *first)
{
    struct cor_timer *pairs = NULL, *root = NULL;

    while (first) {
        struct cor_timer *a = first, *b = first->next, *pair;
        first = b ? b->next : NULL;
        a->next = NULL;
        if (b) {
            b->next = NULL;
        }
        pair = merge(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct cor_timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = merge(root, pair);
    }
    return root;
}

static void heap_remove(struct cor_cpu *cpu, struct cor_timer *timer)
{
    struct cor_timer *children = merge_siblings(timer->child);

    if (cpu->timers == timer) {
        cpu->timers = children;
    } else {
        if (timer->prev->child == timer) {
            timer->prev->child = timer->next;
        } else {
            timer->prev->next = timer->next;
        }
        if (timer->next) {
            timer->next->prev = timer->prev;
        }
        cpu->timers = merge(cpu->timers, children);
    }
    if (cpu->timers) {
        cpu->timers->prev = cpu->timers->next = NULL;
    }
    timer->child = timer->next = timer->prev = NULL;
    timer->set = false;
}

static void program(struct cor_cpu *cpu)
{
    if (cpu->timers && cpu->timers->deadline < cpu->timer_programmed) {
        cpu->timer_programmed = cpu->timers->deadline;
        /* 0 would mean "stop"; a deadline in the past fires at once. */
        hypercall_set_timer_op(cpu->timer_programmed ? cpu->timer_programmed : 1);
    }
}

static void timer_event(uint32_t port, void *argument)
{
    struct cor_cpu *cpu = argument;
    uint64_t now = cor_monotonic_ns();

    (void)port;
    cpu->timer_programmed = COR_FOREVER;
    while (cpu->timers && cpu->timers->deadline <= now) {
        struct cor_timer *timer = cpu->timers;
        heap_remove(cpu, timer);
        timer->fire(timer);
    }
    program(cpu);
}

/* The first timer of this vCPU: until now nobody needed the virtual interrupt. */
static void bind_timer(struct cor_cpu *cpu)
{
    int port;

    cpu->timer_bound = true;
    cpu->timer_programmed = COR_FOREVER;
    hypercall_vcpu_op(VCPUOP_stop_periodic_timer, cpu->id, NULL);
    port = cor_event_bind_virq(VIRQ_TIMER, timer_event, cpu);
    if (port < 0) {
        cor_panic("cannot bind the timer interrupt: error %d", port);
    }
}

void cor_timer_set(struct cor_timer *timer, uint64_t deadline)
{
    bool enabled = cor_irq_save();
    struct cor_cpu *cpu = cor_this_cpu();

    if (!cpu->timer_bound) {
        bind_timer(cpu);
    }
    if (timer->set) {
        heap_remove(cpu, timer);
    }
    timer->deadline = deadline;
    timer->set = true;
    timer->child = timer->next = timer->prev = NULL;
    cpu->timers = merge(cpu->timers, timer);
    program(cpu);
    cor_irq_restore(enabled);
}

bool cor_timer_cancel(struct cor_timer *timer)
{
    bool enabled = cor_irq_save();
    bool was_set = timer->set;

    if (was_set) {
        heap_remove(cor_this_cpu(), timer);
    }
    cor_irq_restore(enabled);
    return was_set;
}
