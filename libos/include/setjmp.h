/* SPDX-License-Identifier: MIT */
/* newlib's setjmp, and the forms that save the signal mask, which newlib has for few systems only. */
#ifndef CORACLE_SETJMP_H
#define CORACLE_SETJMP_H

#include_next <setjmp.h>
#include <sys/cdefs.h>
#include <sys/_sigset.h>

__BEGIN_DECLS

#if __POSIX_VISIBLE
typedef struct {
    jmp_buf __registers;
    int __saved;
    __sigset_t __mask;
} sigjmp_buf[1];

void __sigjmp_save(sigjmp_buf __env, int __save);
void siglongjmp(sigjmp_buf __env, int __value) __attribute__((__noreturn__));

/* setjmp must be called from the frame that it is to return to. */
#define sigsetjmp(env, save) (__sigjmp_save(env, save), setjmp((env)->__registers))
#define _setjmp(env)         setjmp(env)
#define _longjmp(env, value) longjmp(env, value)
#endif

__END_DECLS

#endif
