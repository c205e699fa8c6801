/* SPDX-License-Identifier: MIT */
/* Attributes of threads, and those of other objects that have no effect within one process. */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "libos/posix/thread.h"

int pthread_attr_init(pthread_attr_t *attr)
{
    *attr = (pthread_attr_t){
        .stacksize = COR_STACK_DEFAULT,
        .guardsize = 4096,
        .detachstate = PTHREAD_CREATE_JOINABLE,
        .contentionscope = PTHREAD_SCOPE_SYSTEM,
        .inheritsched = PTHREAD_INHERIT_SCHED,
        .schedpolicy = SCHED_OTHER,
    };
    return 0;
}

int pthread_attr_destroy(pthread_attr_t *attr)
{
    (void)attr;
    return 0;
}

int pthread_attr_getdetachstate(const pthread_attr_t *attr, int *state)
{
    *state = attr->detachstate;
    return 0;
}

int pthread_attr_setdetachstate(pthread_attr_t *attr, int state)
{
    if (state != PTHREAD_CREATE_DETACHED && state != PTHREAD_CREATE_JOINABLE)
        return EINVAL;
    attr->detachstate = state;
    return 0;
}

int pthread_attr_getstacksize(const pthread_attr_t *attr, size_t *size)
{
    *size = attr->stacksize;
    return 0;
}

int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size)
{
    if (size < COR_STACK_MIN)
        return EINVAL;
    attr->stacksize = size;
    return 0;
}

/* A stack of the program's own is remembered; the thread gets one of its size, with a guard page. */
int pthread_attr_setstack(pthread_attr_t *attr, void *address, size_t size)
{
    int err = pthread_attr_setstacksize(attr, size);

    if (!err)
        attr->stackaddr = address;
    return err;
}

int pthread_attr_getstack(const pthread_attr_t *attr, void **address, size_t *size)
{
    *address = attr->stackaddr;
    *size = attr->stacksize;
    return 0;
}

int pthread_attr_getstackaddr(const pthread_attr_t *attr, void **address)
{
    *address = attr->stackaddr;
    return 0;
}

int pthread_attr_setstackaddr(pthread_attr_t *attr, void *address)
{
    attr->stackaddr = address;
    return 0;
}

int pthread_attr_getguardsize(const pthread_attr_t *attr, size_t *size)
{
    *size = attr->guardsize;
    return 0;
}

/* The guard is one page, whatever is asked. */
int pthread_attr_setguardsize(pthread_attr_t *attr, size_t size)
{
    attr->guardsize = size;
    return 0;
}

int pthread_attr_setscope(pthread_attr_t *attr, int scope)
{
    if (scope != PTHREAD_SCOPE_SYSTEM)
        return scope == PTHREAD_SCOPE_PROCESS ? ENOTSUP : EINVAL;
    attr->contentionscope = scope;
    return 0;
}

int pthread_attr_getscope(const pthread_attr_t *attr, int *scope)
{
    *scope = attr->contentionscope;
    return 0;
}

int pthread_attr_setinheritsched(pthread_attr_t *attr, int inherit)
{
    attr->inheritsched = inherit;
    return 0;
}

int pthread_attr_getinheritsched(const pthread_attr_t *attr, int *inherit)
{
    *inherit = attr->inheritsched;
    return 0;
}

/* There is one policy, round robin among equals; it goes by the name SCHED_OTHER. */
int pthread_attr_setschedpolicy(pthread_attr_t *attr, int policy)
{
    (void)attr;
    return policy == SCHED_OTHER ? 0 : ENOTSUP;
}

int pthread_attr_getschedpolicy(const pthread_attr_t *attr, int *policy)
{
    *policy = attr->schedpolicy;
    return 0;
}

int pthread_attr_setschedparam(pthread_attr_t *attr, const struct sched_param *param)
{
    if (param->sched_priority)
        return ENOTSUP;
    attr->schedparam = *param;
    return 0;
}

int pthread_attr_getschedparam(const pthread_attr_t *attr, struct sched_param *param)
{
    *param = attr->schedparam;
    return 0;
}

int pthread_getschedparam(pthread_t thread, int *policy, struct sched_param *param)
{
    (void)thread;
    *policy = SCHED_OTHER;
    *param = (struct sched_param){0};
    return 0;
}

int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
    (void)thread;
    return policy == SCHED_OTHER && !param->sched_priority ? 0 : ENOTSUP;
}

int pthread_setschedprio(pthread_t thread, int priority)
{
    (void)thread;
    return priority ? ENOTSUP : 0;
}

int pthread_getconcurrency(void)
{
    return 0;
}

int pthread_setconcurrency(int level)
{
    return level < 0 ? EINVAL : 0;
}

int pthread_getcpuclockid(pthread_t thread, clockid_t *clock)
{
    if (thread != posix_self())
        return ENOSYS;
    *clock = CLOCK_THREAD_CPUTIME_ID;
    return 0;
}

int pthread_setname_np(pthread_t thread, const char *name)
{
    if (strlen(name) >= COR_THREAD_NAME_MAX)
        return ERANGE;
    cor_thread_set_name(thread->thread, name);
    return 0;
}

int pthread_getname_np(pthread_t thread, char *name, size_t size)
{
    const char *current = cor_thread_name(thread->thread);

    if (strlen(current) >= size)
        return ERANGE;
    strcpy(name, current);
    return 0;
}

void pthread_yield(void)
{
    cor_thread_yield();
}

int sched_yield(void)
{
    cor_thread_yield();
    return 0;
}

/* There is no fork whose handlers could run. */
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    (void)prepare, (void)parent, (void)child;
    return 0;
}

/* One process: shared and private are the same, and each kind of attribute holds no more than that word. */
static int set_shared(int *field, int shared)
{
    if (shared != PTHREAD_PROCESS_PRIVATE && shared != PTHREAD_PROCESS_SHARED)
        return EINVAL;
    *field = shared;
    return 0;
}

int pthread_mutexattr_getpshared(const pthread_mutexattr_t *attr, int *shared)
{
    *shared = attr->process_shared;
    return 0;
}

int pthread_mutexattr_setpshared(pthread_mutexattr_t *attr, int shared)
{
    return set_shared(&attr->process_shared, shared);
}

int pthread_condattr_getpshared(const pthread_condattr_t *attr, int *shared)
{
    *shared = attr->process_shared;
    return 0;
}

int pthread_condattr_setpshared(pthread_condattr_t *attr, int shared)
{
    return set_shared(&attr->process_shared, shared);
}

int pthread_rwlockattr_init(pthread_rwlockattr_t *attr)
{
    *attr = (pthread_rwlockattr_t){0};
    return 0;
}

int pthread_rwlockattr_destroy(pthread_rwlockattr_t *attr)
{
    (void)attr;
    return 0;
}

int pthread_rwlockattr_getpshared(const pthread_rwlockattr_t *attr, int *shared)
{
    *shared = attr->process_shared;
    return 0;
}

int pthread_rwlockattr_setpshared(pthread_rwlockattr_t *attr, int shared)
{
    return set_shared(&attr->process_shared, shared);
}

int pthread_barrierattr_init(pthread_barrierattr_t *attr)
{
    *attr = (pthread_barrierattr_t){0};
    return 0;
}

int pthread_barrierattr_destroy(pthread_barrierattr_t *attr)
{
    (void)attr;
    return 0;
}

int pthread_barrierattr_getpshared(const pthread_barrierattr_t *attr, int *shared)
{
    *shared = attr->process_shared;
    return 0;
}

int pthread_barrierattr_setpshared(pthread_barrierattr_t *attr, int shared)
{
    return set_shared(&attr->process_shared, shared);
}
