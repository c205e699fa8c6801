/* SPDX-License-Identifier: MIT */
/*
 * setjmp and longjmp are newlib's (they save no signal mask). Added here: BSD's names for them, and the POSIX pair
 * that saves the mask.
 */
#ifndef CORACLE_SETJMP_H
#define CORACLE_SETJMP_H

#include_next <setjmp.h>

#if __POSIX_VISIBLE
#include <signal.h>

#define _setjmp(env)         setjmp(env)
#define _longjmp(env, value) longjmp(env, value)

typedef struct {
    jmp_buf registers;
    sigset_t mask;
    int mask_saved;
} sigjmp_buf[1];

#define sigsetjmp(env, save_mask)                                                                            \
    ((env)->mask_saved = (save_mask) && sigprocmask(SIG_SETMASK, (const sigset_t *)0, &(env)->mask) == 0,    \
     setjmp((env)->registers))

/* Returns from the sigsetjmp that filled env, with the signal mask of then if it was saved. */
static inline __attribute__((noreturn, unused)) void siglongjmp(sigjmp_buf env, int value)
{
    if (env->mask_saved)
        sigprocmask(SIG_SETMASK, &env->mask, (sigset_t *)0);
    longjmp(env->registers, value);
}
#endif

#endif
