/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: one run queue for each vCPU, round robin.
 *
 * The time slice is a timer that exists only while somebody waits for the vCPU. A switch does not touch it
 * (that would cost a hypercall); when it fires too early for the thread that runs by then, it is set again
 * for the rest.
 */
#include "libos/core/sched.h"
#include <errno.h>
#include "libos/core/queue.h"
#include "pvboot/hypercall.h"

#define SLICE_NS            10000000u
#define BACKGROUND_SLICE_NS 1000000u

static uint64_t slice_of(const struct cor_thread *thread)
{
    return thread->background ? BACKGROUND_SLICE_NS : SLICE_NS;
}

static void slice_ended(struct cor_timer *timer)
{
    struct cor_cpu *cpu = cor_this_cpu();
    uint64_t now = cor_monotonic_ns(), end = cpu->slice_start + slice_of(cpu->current);

    if (cpu->runnable == 0) {
        return;
    }
    if (now >= end) {
        cpu->resched = true;
        end = now + SLICE_NS;
    }
    cor_timer_set(timer, end);
}

void cor_make_runnable(struct cor_thread *thread)
{
    struct cor_cpu *cpu = thread->cpu;

    thread->state = COR_RUNNABLE;
    cor_queue_push(&cpu->run, thread);
    cpu->runnable++;
    if (cpu->current == cpu->idle || cpu->current->background) {
        cpu->resched = true;
    } else if (!cpu->slice.set) {
        cpu->slice.fire = slice_ended;
        cor_timer_set(&cpu->slice, cpu->slice_start + SLICE_NS);
    }
}

/* What the thread that continues does for the one that left: only now is the other's stack unused. */
static void finish_switch(struct cor_cpu *cpu)
{
    struct cor_thread *left = cpu->finished;

    if (left) {
        cpu->finished = NULL;
        cor_thread_left(left);
    }
}

void cor_schedule(void)
{
    struct cor_cpu *cpu = cor_this_cpu();
    struct cor_thread *prev = cpu->current, *next = cpu->run.head;
    uint64_t now;

    cpu->resched = false;
    if (next) {
        cor_queue_remove(&cpu->run, next);
        cpu->runnable--;
    } else {
        next = cpu->idle;
    }
    if (next == prev) {
        return;
    }
    now = cor_monotonic_ns();
    prev->cpu_ns += now - cpu->slice_start;
    cpu->slice_start = now;
    cpu->current = next;
    if (next != cpu->idle) {
        if (cpu->fs_owner != next) {
            cpu->fs_owner = next;
            hypercall_set_segment_base(SEGBASE_FS, (unsigned long)next);
        }
        if (cpu->runnable && (!cpu->slice.set || next->background)) {
            cpu->slice.fire = slice_ended;
            cor_timer_set(&cpu->slice, now + slice_of(next));
        }
    }
    cor_switch_stack(&prev->rsp, next->rsp);
    finish_switch(cor_this_cpu());
}

void cor_thread_first(struct cor_thread *thread)
{
    finish_switch(cor_this_cpu());
    cor_irq_enable();
    cor_thread_exit(thread->entry(thread->argument));
}

void cor_preempt(void)
{
    uint8_t fpu[512] __attribute__((aligned(16)));
    struct cor_cpu *cpu = cor_this_cpu();
    struct cor_thread *self = cpu->current;

    if (self == cpu->idle) {
        cor_schedule();
        return;
    }
    __asm__ volatile("fxsave64 %0" : "=m"(fpu));
    if (cpu->resched) {
        cor_queue_push(&cpu->run, self);
        cpu->runnable++;
        cor_schedule();
    }
    if (self->interrupted) {
        cor_deliver();
    }
    __asm__ volatile("fxrstor64 %0" ::"m"(fpu));
}

__attribute__((weak)) void cor_posix_deliver(void)
{
}

void cor_deliver(void)
{
    bool enabled = cor_irq_save();

    cor_current()->interrupted = false;
    cor_irq_enable();
    cor_posix_deliver();
    cor_irq_disable();
    cor_irq_restore(enabled);
}

void cor_thread_interrupt(struct cor_thread *thread)
{
    bool enabled = cor_irq_save();

    thread->interrupted = true;
    if (!thread->uninterruptible) {
        cor_wait_cancel(thread, -EINTR);
    }
    cor_irq_restore(enabled);
}

void cor_thread_yield(void)
{
    bool enabled = cor_irq_save();
    struct cor_cpu *cpu = cor_this_cpu();
    struct cor_thread *self = cpu->current;

    if (cpu->run.head) {
        cor_queue_push(&cpu->run, self);
        cpu->runnable++;
        cor_schedule();
    }
    cor_irq_restore(enabled);
    if (self->interrupted && enabled) {
        cor_deliver();
    }
}

noreturn void cor_idle(void)
{
    struct cor_cpu *cpu = cor_this_cpu();

    for (;;) {
        cor_irq_disable();
        if (cpu->run.head) {
            cor_schedule();
        } else if (cpu->reap) {
            cor_irq_enable();
            cor_threads_reap();
        } else {
            hypercall_sched_op(SCHEDOP_block, NULL); /* enables events and waits, in one step */
        }
    }
}

uint64_t cor_thread_cpu_ns(struct cor_thread *thread)
{
    bool enabled = cor_irq_save();
    uint64_t ns = thread->cpu_ns;

    if (thread->cpu->current == thread) {
        ns += cor_monotonic_ns() - thread->cpu->slice_start;
    }
    cor_irq_restore(enabled);
    return ns;
}
