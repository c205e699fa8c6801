/* SPDX-License-Identifier: MIT */
/* Signal sets, alternate stacks, and jumps that restore the mask. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>

#include "libos/posix/thread.h"

int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}

int sigfillset(sigset_t *set)
{
    *set = ~(sigset_t)0;
    return 0;
}

int sigaddset(sigset_t *set, const int signo)
{
    if (signo <= 0 || signo >= NSIG)
        return (int)posix_result(-EINVAL);
    *set |= (sigset_t)1 << signo;
    return 0;
}

int sigdelset(sigset_t *set, const int signo)
{
    if (signo <= 0 || signo >= NSIG)
        return (int)posix_result(-EINVAL);
    *set &= ~((sigset_t)1 << signo);
    return 0;
}

int sigismember(const sigset_t *set, int signo)
{
    if (signo <= 0 || signo >= NSIG)
        return (int)posix_result(-EINVAL);
    return *set >> signo & 1;
}

/*
 * An alternate stack is remembered but not used: a paravirtual guest's fault is delivered on the stack on
 * which it happened, so that a stack that has overflowed cannot be left, and the domain ends.
 */
int sigaltstack(const stack_t *__restrict stack, stack_t *__restrict old)
{
    struct pthread *self = posix_self();

    if (stack && !(stack->ss_flags & SS_DISABLE)) {
        if (stack->ss_flags)
            return (int)posix_result(-EINVAL);
        if (stack->ss_size < MINSIGSTKSZ)
            return (int)posix_result(-ENOMEM);
    }
    if (old) {
        *old = self->altstack;
        if (!old->ss_sp)
            old->ss_flags = SS_DISABLE;
    }
    if (stack)
        self->altstack = *stack;
    if (stack && (stack->ss_flags & SS_DISABLE))
        self->altstack = (stack_t){.ss_flags = SS_DISABLE};
    return 0;
}

void __sigjmp_save(sigjmp_buf env, int save)
{
    env->__saved = save;
    if (save)
        pthread_sigmask(SIG_SETMASK, NULL, &env->__mask);
}

void siglongjmp(sigjmp_buf env, int value)
{
    if (env->__saved)
        pthread_sigmask(SIG_SETMASK, &env->__mask, NULL);
    longjmp(env->__registers, value);
}
