/* SPDX-License-Identifier: MIT */
/*
 * Threads: making and ending them. A thread is one block of memory:
 *
 *     unmapped page | stack ... | thread-local storage | struct cor_thread | struct _reent
 *
 * The thread pointer (base of fs) is the address of struct cor_thread, whose first word points at itself; the
 * thread-local variables lie right below it (variant II of the ABI).
 */
#include <errno.h>
#include <reent.h>
#include <stdlib.h>
#include "coracle/mem.h"
#include "coracle/sync.h"
#include "libos/core/layout.h"
#include "libos/core/sched.h"

static struct cor_thread idle_threads[COR_MAX_CPUS];

/* Threads that have not ended; the program ends with the last one. */
static volatile uint32_t living;

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* Bytes between two of the linker script's symbols. */
static size_t span(const char *from, const char *to)
{
    return (uintptr_t)to - (uintptr_t)from;
}

static size_t tls_align(void)
{
    size_t align = (size_t)__tls_align;
    return align < 64 ? 64 : align;
}

static size_t tls_size(void)
{
    return round_up(span(__tdata_start, __tbss_end), (size_t)__tls_align);
}

size_t cor_thread_block_size(size_t stack_size)
{
    size_t size =
        stack_size + tls_size() + tls_align() + sizeof(struct cor_thread) + sizeof(struct _reent) + 16;
    return round_up(size, COR_PAGE_SIZE);
}

static void set_name(struct cor_thread *thread, const char *name)
{
    size_t i;

    for (i = 0; i < COR_THREAD_NAME_MAX - 1 && name[i]; i++) {
        thread->name[i] = name[i];
    }
    thread->name[i] = 0;
}

/*
 * Lays a thread out in its block and prepares its stack so that cor_switch_stack continues at
 * cor_thread_trampoline.
 */
static struct cor_thread *make_thread(void *block, size_t size, void *(*entry)(void *), void *argument)
{
    uint64_t end = (uint64_t)block + size - sizeof(struct cor_thread) - sizeof(struct _reent) - 16;
    struct cor_thread *thread = (struct cor_thread *)(end & ~(tls_align() - 1));
    char *tls = (char *)thread - tls_size();
    uint64_t *stack;

    *thread =
        (struct cor_thread){.self = thread, .cpu = cor_this_cpu(), .entry = entry, .argument = argument};
    thread->block = thread->stack = block;
    thread->block_size = size;
    thread->stack_size = (size_t)(tls - (char *)block) & ~15ul;
    __builtin_memcpy(tls, __tdata_start, span(__tdata_start, __tdata_end));
    __builtin_memset(tls + span(__tdata_start, __tdata_end), 0, span(__tdata_end, __tbss_end));

    /* What cor_switch_stack pops: control words, r15, r14, r13 (function), r12 (argument), rbx, rbp, return
     * address. */
    stack = (uint64_t *)((char *)block + thread->stack_size);
    *--stack = (uint64_t)cor_thread_trampoline;
    *--stack = 0;
    *--stack = 0;
    *--stack = (uint64_t)thread;
    *--stack = (uint64_t)cor_thread_first;
    *--stack = 0;
    *--stack = 0;
    *--stack = 0x037f00001f80ul; /* x87 control word 0x37f, MXCSR 0x1f80: the ABI's start values */
    thread->rsp = (uint64_t)stack;
    return thread;
}

int cor_thread_create(struct cor_thread **started, const struct cor_thread_attr *attr, void *(*entry)(void *),
                      void *argument)
{
    size_t stack_size = attr && attr->stack_size ? attr->stack_size : COR_STACK_DEFAULT;
    struct cor_thread *thread;
    size_t size;
    void *block;
    bool enabled;

    cor_threads_reap();
    stack_size = stack_size < COR_STACK_MIN ? COR_STACK_MIN : stack_size;
    size = cor_thread_block_size(stack_size);
    block = size > stack_size ? cor_map(size, COR_PROT_READ | COR_PROT_WRITE) : NULL;
    if (!block) {
        return -ENOMEM;
    }
    thread = make_thread(block, size, entry, argument);
    thread->reent = (struct _reent *)(thread + 1);
    _REENT_INIT_PTR(thread->reent);
    thread->detached = attr && attr->detached;
    thread->background = attr && attr->background;
    set_name(thread, attr && attr->name ? attr->name : "thread");
    *started = thread;

    enabled = cor_irq_save();
    __atomic_add_fetch(&living, 1, __ATOMIC_RELAXED);
    cor_make_runnable(thread);
    cor_irq_restore(enabled);
    return 0;
}

noreturn void cor_threads_start(void *block, size_t block_size, void *(*entry)(void *))
{
    struct cor_cpu *cpu = cor_this_cpu();
    struct cor_thread *idle = &idle_threads[cpu->id];
    struct cor_thread *main_thread = make_thread(block, block_size, entry, NULL);

    idle->self = idle;
    idle->cpu = cpu;
    set_name(idle, "idle");
    idle->stack = boot_stack;
    idle->stack_size = span(boot_stack, boot_stack_end);
    cpu->idle = cpu->current = idle;
    main_thread->reent = _impure_ptr;
    main_thread->block = NULL; /* part of the initial mapping, never given back */
    set_name(main_thread, "main");
    living = 1;
    cor_make_runnable(main_thread);
    cor_schedule();
    cor_idle();
}

noreturn void cor_thread_exit(void *result)
{
    struct cor_thread *self = cor_current();

    if (__atomic_sub_fetch(&living, 1, __ATOMIC_ACQ_REL) == 0) {
        exit(0);
    }
    if (self->reent != _impure_ptr) {
        _reclaim_reent(self->reent);
    }
    self->result = result;
    cor_irq_disable();
    self->state = COR_FINISHED;
    cor_this_cpu()->finished = self;
    cor_schedule();
    __builtin_unreachable();
}

static void queue_for_reaping(struct cor_thread *thread)
{
    thread->next = thread->cpu->reap;
    thread->cpu->reap = thread;
}

void cor_thread_left(struct cor_thread *thread)
{
    if (thread->detached) {
        queue_for_reaping(thread);
        return;
    }
    thread->ended = 1;
    cor_wake(&thread->ended, 1);
}

static void free_thread(struct cor_thread *thread)
{
    if (thread->block) {
        cor_unmap(thread->block, thread->block_size);
    }
}

void cor_threads_reap(void)
{
    for (;;) {
        bool enabled = cor_irq_save();
        struct cor_cpu *cpu = cor_this_cpu();
        struct cor_thread *thread = cpu->reap;

        if (thread) {
            cpu->reap = thread->next;
        }
        cor_irq_restore(enabled);
        if (!thread) {
            return;
        }
        free_thread(thread);
    }
}

int cor_thread_join(struct cor_thread *thread, void **result)
{
    if (thread == cor_current()) {
        return -EDEADLK;
    }
    if (thread->detached || thread->joined) {
        return -EINVAL;
    }
    thread->joined = true;
    while (!thread->ended) {
        if (cor_wait(&thread->ended, 0, COR_FOREVER, 0) == -EINTR) {
            thread->joined = false;
            return -EINTR;
        }
    }
    if (result) {
        *result = thread->result;
    }
    free_thread(thread);
    return 0;
}

int cor_thread_detach(struct cor_thread *thread)
{
    bool enabled = cor_irq_save();
    int error = thread->detached || thread->joined ? -EINVAL : 0;

    if (!error) {
        thread->detached = true;
        if (thread->ended) {
            queue_for_reaping(thread);
        }
    }
    cor_irq_restore(enabled);
    return error;
}

struct _reent *__getreent(void)
{
    return cor_current()->reent;
}

struct cor_thread *cor_thread_self(void)
{
    return cor_current();
}

void *cor_thread_data(struct cor_thread *thread)
{
    return thread->data;
}

void cor_thread_set_data(struct cor_thread *thread, void *data)
{
    thread->data = data;
}

const char *cor_thread_name(const struct cor_thread *thread)
{
    return thread->name;
}

void cor_thread_set_name(struct cor_thread *thread, const char *name)
{
    set_name(thread, name);
}

void cor_thread_stack(const struct cor_thread *thread, void **lowest, size_t *size)
{
    *lowest = thread->stack;
    *size = thread->stack_size;
}
