/* SPDX-License-Identifier: MIT */
/*
 * What newlib asks of its system besides the POSIX calls: locks (libc/misc/lock.c of newlib lists them) and
 * memory. One kind of lock, recursive, serves for both kinds that newlib knows.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/lock.h>
#include <sys/types.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "coracle/mem.h"
#include "libos/posix/thread.h"

struct __lock {
    struct cor_mutex mutex;
    struct pthread *owner;
    unsigned depth;
};

struct __lock __lock___sinit_recursive_mutex;
struct __lock __lock___sfp_recursive_mutex;
struct __lock __lock___atexit_recursive_mutex;
struct __lock __lock___at_quick_exit_mutex;
struct __lock __lock___malloc_recursive_mutex;
struct __lock __lock___env_recursive_mutex;
struct __lock __lock___tz_mutex;
struct __lock __lock___dd_hash_mutex;
struct __lock __lock___arc4random_mutex;

/*
 * No signal handler runs inside malloc, so that one may use it, or leave by longjmp, without harm. The other
 * locks can be held while a thread waits for input, which signals must be able to end.
 */
static bool defers_signals(const struct __lock *lock)
{
    return lock == &__lock___malloc_recursive_mutex;
}

void __retarget_lock_init(_LOCK_T *lock)
{
    *lock = calloc(1, sizeof(**lock));
    if (!*lock)
        abort(); /* newlib has no way to fail here */
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    __retarget_lock_init(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    struct pthread *self = posix_self();

    if (lock->owner == self) {
        lock->depth++;
        return;
    }
    if (defers_signals(lock))
        posix_lock(&lock->mutex);
    else
        cor_mutex_lock(&lock->mutex);
    lock->owner = self;
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    struct pthread *self = posix_self();

    if (lock->owner == self) {
        lock->depth++;
        return 1;
    }
    if (!cor_mutex_trylock(&lock->mutex))
        return 0;
    lock->owner = self;
    if (defers_signals(lock))
        self->locked++;
    return 1;
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (lock->depth) {
        lock->depth--;
        return;
    }
    lock->owner = NULL;
    if (defers_signals(lock))
        posix_unlock(&lock->mutex);
    else
        cor_mutex_unlock(&lock->mutex);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    __retarget_lock_acquire_recursive(lock);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return __retarget_lock_try_acquire_recursive(lock);
}

void __retarget_lock_release(_LOCK_T lock)
{
    __retarget_lock_release_recursive(lock);
}

void *sbrk(ptrdiff_t increment)
{
    void *old = cor_sbrk(increment);

    return old ? old : (void *)posix_result(-ENOMEM);
}

/* newlib's aligned_alloc calls this, and newlib lacks it. */
int posix_memalign(void **memory, size_t alignment, size_t size)
{
    int saved = errno;
    void *block;

    if (alignment < sizeof(void *) || (alignment & (alignment - 1)))
        return EINVAL;
    block = memalign(alignment, size);
    errno = saved; /* the result alone says what happened */
    if (!block)
        return ENOMEM;
    *memory = block;
    return 0;
}
