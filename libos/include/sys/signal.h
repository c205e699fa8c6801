/* SPDX-License-Identifier: MIT */
/*
 * Signals, in place of newlib's header, which knows neither SA_SIGINFO nor more than int-wide sets. The
 * numbers are newlib's own. Signals exist inside the one program only: raise, kill(getpid()), pthread_kill,
 * alarm, the console's interrupt key, and faults.
 */
#ifndef _SYS_SIGNAL_H
#define _SYS_SIGNAL_H

#include <_ansi.h>
#include <sys/cdefs.h>
#include <sys/features.h>
#include <sys/types.h>
#include <sys/_sigset.h>
#include <sys/_timespec.h>

_BEGIN_STD_C

#ifndef _SIGSET_T_DECLARED
#define _SIGSET_T_DECLARED
typedef __sigset_t sigset_t;
#endif

typedef void (*_sig_func_ptr)(int);

#define SIGHUP    1
#define SIGINT    2
#define SIGQUIT   3
#define SIGILL    4
#define SIGTRAP   5
#define SIGABRT   6
#define SIGIOT    SIGABRT
#define SIGEMT    7
#define SIGFPE    8
#define SIGKILL   9
#define SIGBUS    10
#define SIGSEGV   11
#define SIGSYS    12
#define SIGPIPE   13
#define SIGALRM   14
#define SIGTERM   15
#define SIGURG    16
#define SIGSTOP   17
#define SIGTSTP   18
#define SIGCONT   19
#define SIGCHLD   20
#define SIGTTIN   21
#define SIGTTOU   22
#define SIGIO     23
#define SIGPOLL   SIGIO
#define SIGXCPU   24
#define SIGXFSZ   25
#define SIGVTALRM 26
#define SIGPROF   27
#define SIGWINCH  28
#define SIGLOST   29
#define SIGUSR1   30
#define SIGUSR2   31
#define NSIG      32
#define _NSIG     NSIG

union sigval {
    int sival_int;
    void *sival_ptr;
};

#define SIGEV_NONE   1
#define SIGEV_SIGNAL 2
#define SIGEV_THREAD 3

struct sigevent {
    int sigev_notify;
    int sigev_signo;
    union sigval sigev_value;
    void (*sigev_notify_function)(union sigval);
    pthread_attr_t *sigev_notify_attributes;
};

typedef struct {
    int si_signo;
    int si_code; /* SI_* or, for a fault, SEGV_*, ILL_*, FPE_*, BUS_*, TRAP_* */
    int si_errno;
    pid_t si_pid;
    uid_t si_uid;
    int si_status;
    void *si_addr; /* the address of a fault: of the datum for SIGSEGV and SIGBUS, of the instruction else */
    long si_band;
    union sigval si_value;
} siginfo_t;

#define SI_USER     1
#define SI_QUEUE    2
#define SI_TIMER    3
#define SI_ASYNCIO  4
#define SI_MESGQ    5
#define SI_KERNEL   6
#define SI_TKILL    7
#define ILL_ILLOPC  11
#define ILL_PRVOPC  15
#define FPE_INTDIV  21
#define FPE_FLTDIV  23
#define FPE_FLTINV  27
#define SEGV_MAPERR 31
#define SEGV_ACCERR 32
#define BUS_ADRALN  41
#define TRAP_BRKPT  51
#define TRAP_TRACE  52

#define SA_NOCLDSTOP 0x01
#define SA_SIGINFO   0x02
#define SA_ONSTACK   0x04
#define SA_RESTART   0x08
#define SA_NODEFER   0x10
#define SA_RESETHAND 0x20
#define SA_NOCLDWAIT 0x40

struct sigaction {
    int sa_flags;
    sigset_t sa_mask;
    union {
        _sig_func_ptr _handler;
        void (*_sigaction)(int, siginfo_t *, void *);
    } _signal_handlers;
};
#define sa_handler   _signal_handlers._handler
#define sa_sigaction _signal_handlers._sigaction

#define MINSIGSTKSZ 4096
#define SIGSTKSZ    16384
#define SS_ONSTACK  1
#define SS_DISABLE  2

typedef struct sigaltstack {
    void *ss_sp;
    int ss_flags;
    size_t ss_size;
} stack_t;

#define SIG_SETMASK 0
#define SIG_BLOCK   1
#define SIG_UNBLOCK 2

int sigprocmask(int __how, const sigset_t *__set, sigset_t *__old);
int pthread_sigmask(int __how, const sigset_t *__set, sigset_t *__old);
int kill(pid_t __pid, int __sig);
int killpg(pid_t __group, int __sig);
int pthread_kill(pthread_t __target, int __sig);
int sigaction(int __sig, const struct sigaction *__act, struct sigaction *__old);
int sigaddset(sigset_t *__set, const int __sig);
int sigdelset(sigset_t *__set, const int __sig);
int sigismember(const sigset_t *__set, int __sig);
int sigfillset(sigset_t *__set);
int sigemptyset(sigset_t *__set);
int sigpending(sigset_t *__set);
int sigsuspend(const sigset_t *__mask);
int sigwait(const sigset_t *__set, int *__sig);
int sigwaitinfo(const sigset_t *__set, siginfo_t *__info);
int sigtimedwait(const sigset_t *__set, siginfo_t *__info, const struct timespec *__timeout);
int sigqueue(pid_t __pid, int __sig, const union sigval __value);
int sigaltstack(const stack_t *__restrict __stack, stack_t *__restrict __old);
int siginterrupt(int __sig, int __flag);

_END_STD_C

#ifndef _SIGNAL_H_
#include <signal.h>
#endif

#endif
