/* SPDX-License-Identifier: MIT */
/* What lwIP asks of its system (lwip/sys.h): threads, mailboxes, locks, time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/clock.h"
#include "coracle/shutdown.h"
#include "libos/core/cpu.h"
#include "libos/net/timers.h"
#include "libos/posix/random.h"
#include "libos/posix/thread.h"
#include "lwip/sys.h"

#define NS_PER_MS 1000000u

uint32_t net_random(void)
{
    uint32_t value;

    random_fill(&value, sizeof(value));
    return value;
}

_Noreturn void net_assert_failed(const char *message, const char *file, int line)
{
    cor_panic("lwIP: %s (%s:%d)", message, file, line);
}

void sys_init(void)
{
}

u32_t sys_now(void)
{
    return (u32_t)(cor_monotonic_ns() / NS_PER_MS);
}

/* Counts are changed in any thread; handlers of interrupts never touch lwIP. Nests. */
static struct {
    struct cor_spinlock lock;
    struct cor_cpu *owner;
    unsigned depth;
} protect;

sys_prot_t sys_arch_protect(void)
{
    bool enabled = cor_irq_save();

    if (protect.owner != cor_this_cpu()) {
        cor_spin_lock(&protect.lock);
        protect.owner = cor_this_cpu();
    }
    protect.depth++;
    return enabled;
}

void sys_arch_unprotect(sys_prot_t pval)
{
    if (--protect.depth == 0) {
        protect.owner = NULL;
        cor_spin_unlock(&protect.lock, false);
    }
    cor_irq_restore(pval);
}

/* A lock of lwIP is one of the POSIX room's: no signal handler runs on the thread that holds it. */
err_t sys_mutex_new(sys_mutex_t *mutex)
{
    *mutex = (struct cor_mutex){0};
    return ERR_OK;
}

static struct {
    lwip_thread_fn run;
    void *argument;
    struct cor_thread *thread;
    struct net_mailbox *mailbox; /* the only one there is */
    bool kicked;
} stack;

void sys_mutex_lock(sys_mutex_t *mutex)
{
    posix_lock(mutex);
    if (cor_thread_self() != stack.thread) /* there is no lock but the core lock */
        net_timers_touch();
}

void sys_mutex_unlock(sys_mutex_t *mutex)
{
    posix_unlock(mutex);
}

void sys_mutex_free(sys_mutex_t *mutex)
{
    (void)mutex;
}

err_t sys_sem_new(sys_sem_t *sem, u8_t count)
{
    *sem = (sys_sem_t){.sem.count = count, .valid = true};
    return ERR_OK;
}

void sys_sem_signal(sys_sem_t *sem)
{
    cor_sem_post(&sem->sem);
}

static uint64_t deadline_after(u32_t ms)
{
    return ms ? cor_monotonic_ns() + (uint64_t)ms * NS_PER_MS : COR_FOREVER;
}

u32_t sys_arch_sem_wait(sys_sem_t *sem, u32_t timeout)
{
    uint64_t deadline = deadline_after(timeout);
    int err;

    do {
        err = cor_sem_wait(&sem->sem, deadline);
    } while (err == -EINTR);
    return err ? SYS_ARCH_TIMEOUT : 0;
}

void sys_sem_free(sys_sem_t *sem)
{
    sem->valid = false;
}

int sys_sem_valid(sys_sem_t *sem)
{
    return sem->valid;
}

void sys_sem_set_invalid(sys_sem_t *sem)
{
    sem->valid = false;
}

err_t sys_mbox_new(sys_mbox_t *mbox, int size)
{
    (void)size;
    *mbox = (sys_mbox_t){.size = 64};
    mbox->ring = malloc(mbox->size * sizeof(*mbox->ring));
    stack.mailbox = mbox;
    return mbox->ring ? ERR_OK : ERR_MEM;
}

void sys_mbox_free(sys_mbox_t *mbox)
{
    free(mbox->ring);
    mbox->ring = NULL;
}

int sys_mbox_valid(sys_mbox_t *mbox)
{
    return mbox->ring != NULL;
}

void sys_mbox_set_invalid(sys_mbox_t *mbox)
{
    mbox->ring = NULL;
}

/* Doubles the ring. Locked. */
static bool grow(struct net_mailbox *mbox)
{
    void **ring = malloc(2 * mbox->size * sizeof(*ring));

    if (!ring)
        return false;
    for (unsigned i = mbox->first; i != mbox->behind; i++)
        ring[i & (2 * mbox->size - 1)] = mbox->ring[i & (mbox->size - 1)];
    free(mbox->ring);
    mbox->ring = ring;
    mbox->size *= 2;
    return true;
}

err_t sys_mbox_trypost(sys_mbox_t *mbox, void *msg)
{
    err_t err = ERR_OK;

    posix_lock(&mbox->lock);
    if (mbox->behind - mbox->first == mbox->size && !grow(mbox))
        err = ERR_MEM;
    else
        mbox->ring[mbox->behind++ & (mbox->size - 1)] = msg;
    posix_unlock(&mbox->lock);
    if (err == ERR_OK)
        cor_cond_signal(&mbox->filled);
    return err;
}

void sys_mbox_post(sys_mbox_t *mbox, void *msg)
{
    while (sys_mbox_trypost(mbox, msg) != ERR_OK)
        cor_thread_sleep_until(cor_monotonic_ns() + 10 * NS_PER_MS); /* until somebody frees memory */
}

u32_t sys_arch_mbox_tryfetch(sys_mbox_t *mbox, void **msg)
{
    bool found;

    posix_lock(&mbox->lock);
    found = mbox->first != mbox->behind;
    if (found)
        *msg = mbox->ring[mbox->first++ & (mbox->size - 1)];
    posix_unlock(&mbox->lock);
    return found ? 0 : SYS_MBOX_EMPTY;
}

u32_t sys_arch_mbox_fetch(sys_mbox_t *mbox, void **msg, u32_t timeout)
{
    uint64_t deadline = deadline_after(timeout);
    int err = 0;

    for (;;) {
        uint32_t seen = __atomic_load_n(&mbox->filled.sequence, __ATOMIC_ACQUIRE);

        if (sys_arch_mbox_tryfetch(mbox, msg) == 0)
            return 0;
        if (err == -ETIMEDOUT || __atomic_exchange_n(&stack.kicked, false, __ATOMIC_SEQ_CST))
            return SYS_ARCH_TIMEOUT;
        err = cor_wait(&mbox->filled.sequence, seen, deadline, COR_WAIT_UNINTERRUPTIBLE);
    }
}

void net_timers_kick(void)
{
    __atomic_store_n(&stack.kicked, true, __ATOMIC_SEQ_CST);
    if (stack.mailbox)
        cor_cond_signal(&stack.mailbox->filled);
}

static void run_stack(void)
{
    stack.thread = cor_thread_self();
    stack.run(stack.argument);
}

/* lwIP starts one thread, once: its own. */
sys_thread_t sys_thread_new(const char *name, lwip_thread_fn thread, void *arg, int stacksize, int prio)
{
    (void)stacksize, (void)prio;
    stack.run = thread;
    stack.argument = arg;
    if (posix_helper(name, run_stack))
        cor_panic("no memory for the network's thread");
    return NULL;
}
