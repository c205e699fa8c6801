/* SPDX-License-Identifier: MIT */
/*
 * Signals. A signal is pending for a thread or for the process; handlers run on a thread of the program, in
 * thread context: at once when a thread sends one to itself, else when the core lets the thread deliver
 * (cor_posix_deliver): at the end of a wait, a preemption or a yield. Real-time queues do not exist: a signal
 * that is pending already is not sent twice.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "coracle/init.h"
#include "coracle/shutdown.h"
#include "coracle/trap.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"

#define BIT(signo) ((sigset_t)1 << (signo))

/* Signals whose default is to do nothing; without job control that includes those that would stop. */
#define IGNORED_BY_DEFAULT                                                                                   \
    (BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT) | BIT(SIGTSTP) | BIT(SIGTTIN) |               \
     BIT(SIGTTOU) | BIT(SIGSTOP))

static struct sigaction actions[NSIG]; /* guarded by actions_lock */
static struct cor_mutex actions_lock;
static volatile sigset_t process_pending; /* atomic */
static siginfo_t process_info[NSIG];      /* what the sender said; the last one wins */
static const volatile uint32_t never;     /* a word that nobody changes */

static bool valid(int signo)
{
    return signo > 0 && signo < NSIG;
}

/* Takes the lowest signal of set out of *pending; 0 when there is none. */
static int take(volatile sigset_t *pending, sigset_t set)
{
    for (;;) {
        sigset_t found = __atomic_load_n(pending, __ATOMIC_ACQUIRE) & set, bit = found & -found;

        if (!found)
            return 0;
        if (__atomic_fetch_and(pending, ~bit, __ATOMIC_ACQ_REL) & bit)
            return __builtin_ctzl(bit);
    }
}

static int take_any(struct pthread *self, sigset_t set, siginfo_t *info)
{
    int signo = take(&self->pending, set);

    *info = (siginfo_t){.si_signo = signo, .si_code = SI_TKILL, .si_pid = getpid()};
    if (signo)
        return signo;
    signo = take(&process_pending, set);
    if (signo)
        *info = process_info[signo];
    info->si_signo = signo;
    return signo;
}

static _Noreturn void terminate(int signo)
{
    if (signo == SIGABRT)
        cor_panic("aborted");
    if (signo == SIGTERM && cor_exit_requested())
        exit(0); /* an orderly end, with atexit's functions */
    if (signo != SIGINT && signo != SIGPIPE)
        cor_log("terminated by signal %d (%s)", signo, strsignal(signo));
    cor_exit(128 + signo);
}

/* Runs a signal's action on the calling thread. context is the third argument of a handler. */
static void act(struct pthread *self, int signo, siginfo_t *info, void *context)
{
    struct sigaction action;
    sigset_t mask = self->mask;
    int saved = errno;

    posix_lock(&actions_lock);
    action = actions[signo];
    if ((action.sa_flags & SA_RESETHAND) && action.sa_handler != SIG_IGN)
        actions[signo].sa_handler = SIG_DFL;
    posix_unlock(&actions_lock);
    if (action.sa_handler == SIG_IGN)
        return;
    if (action.sa_handler == SIG_DFL) {
        if (!(BIT(signo) & IGNORED_BY_DEFAULT))
            terminate(signo);
        return;
    }
    self->mask |= action.sa_mask | (action.sa_flags & SA_NODEFER ? 0 : BIT(signo));
    if (action.sa_flags & SA_SIGINFO)
        action.sa_sigaction(signo, info, context);
    else
        action.sa_handler(signo);
    self->mask = mask;
    self->handled |= action.sa_flags & SA_RESTART ? HANDLED_RESTART : HANDLED_EINTR;
    errno = saved;
}

/* A thread that takes signo now, by its mask or in sigwait. threads_lock held. */
static bool accepts(const struct pthread *thread, int signo)
{
    return !thread->ended && (!(thread->mask & BIT(signo)) || (thread->waiting & BIT(signo)));
}

/* Hands what the process has pending to threads that take it. */
static void forward(struct pthread *self)
{
    sigset_t pending = process_pending;

    if (!pending)
        return;
    posix_lock(&threads_lock);
    for (int signo = 1; signo < NSIG; signo++) {
        struct pthread *thread = threads;

        if (!(pending & BIT(signo)))
            continue;
        while (thread && (thread == self || !accepts(thread, signo)))
            thread = thread->next;
        if (thread)
            cor_thread_interrupt(thread->thread);
    }
    posix_unlock(&threads_lock);
}

void signals_deliver(void)
{
    struct pthread *self = posix_self();
    siginfo_t info;
    int signo;

    if (self->locked) {
        self->deferred = true;
        return;
    }
    if (self->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
        pthread_testcancel();
    while ((signo = take_any(self, ~self->mask, &info)))
        act(self, signo, &info, NULL);
    if (process_pending & ~self->waiting)
        forward(self);
}

/* The core calls this on a thread that was interrupted. */
void cor_posix_deliver(void)
{
    signals_deliver();
}

void signals_leave(void)
{
    forward(posix_self());
}

__attribute__((target("general-regs-only"))) void cor_posix_terminate(void)
{
    signal_post(SIGTERM);
}

__attribute__((target("general-regs-only"))) void signal_post(int signo)
{
    process_info[signo].si_code = SI_KERNEL;
    __atomic_fetch_or(&process_pending, BIT(signo), __ATOMIC_ACQ_REL);
    if (main_pthread)
        cor_thread_interrupt(main_pthread->thread);
}

/* A fault of the program: 1 when a handler has run, 0 when the libOS shall give up. */
static int fault(struct cor_trap_frame *frame, int signo, int code, void *address)
{
    struct pthread *self = posix_self();
    siginfo_t info = {.si_signo = signo, .si_code = code, .si_addr = address};

    /* A fault inside a call, from a bad pointer, is fatal: a handler could leave the locks behind. */
    if (self->locked || (self->mask & BIT(signo)) || actions[signo].sa_handler == SIG_DFL ||
        actions[signo].sa_handler == SIG_IGN)
        return 0;
    act(self, signo, &info, frame);
    return 1;
}

void signals_init(void)
{
    cor_fault_to_signal = fault;
}

int sigaction(int signo, const struct sigaction *act_now, struct sigaction *old)
{
    if (!valid(signo) || (act_now && (signo == SIGKILL || signo == SIGSTOP)))
        return (int)posix_result(-EINVAL);
    posix_lock(&actions_lock);
    if (old)
        *old = actions[signo];
    if (act_now) {
        actions[signo] = *act_now;
        actions[signo].sa_mask &= ~(BIT(SIGKILL) | BIT(SIGSTOP));
    }
    posix_unlock(&actions_lock);
    if (act_now && signo == SIGINT && act_now->sa_handler != SIG_DFL)
        console_watch();
    return 0;
}

_sig_func_ptr signal(int signo, _sig_func_ptr handler)
{
    struct sigaction now = {.sa_flags = SA_RESTART}, old = {0};

    now.sa_handler = handler;
    return sigaction(signo, &now, &old) ? SIG_ERR : old.sa_handler;
}

int siginterrupt(int signo, int flag)
{
    struct sigaction action = {0};

    if (sigaction(signo, NULL, &action))
        return -1;
    action.sa_flags = flag ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    return sigaction(signo, &action, NULL);
}

/* Makes signo pending for the process and sees to it that some thread takes it. */
static int send_process(int signo, int code, union sigval value)
{
    struct pthread *self = posix_self();

    if (!signo)
        return 0;
    if (!valid(signo))
        return -EINVAL;
    process_info[signo] =
        (siginfo_t){.si_signo = signo, .si_code = code, .si_pid = getpid(), .si_value = value};
    __atomic_fetch_or(&process_pending, BIT(signo), __ATOMIC_ACQ_REL);
    if (self->mask & BIT(signo))
        forward(self);
    else
        signals_deliver();
    return 0;
}

int kill(pid_t pid, int signo)
{
    if (pid > 0 && pid != getpid())
        return (int)posix_result(-ESRCH);
    return (int)posix_result(send_process(signo, SI_USER, (union sigval){0}));
}

int killpg(pid_t group, int signo)
{
    if (group && group != getpid())
        return (int)posix_result(-ESRCH);
    return kill(0, signo);
}

int sigqueue(pid_t pid, int signo, const union sigval value)
{
    if (pid != getpid())
        return (int)posix_result(-ESRCH);
    return (int)posix_result(send_process(signo, SI_QUEUE, value));
}

int pthread_kill(pthread_t thread, int signo)
{
    struct pthread *self = posix_self();

    if (signo && !valid(signo))
        return EINVAL;
    if (!signo)
        return 0;
    __atomic_fetch_or(&thread->pending, BIT(signo), __ATOMIC_ACQ_REL);
    if (thread == self) {
        signals_deliver();
        return 0;
    }
    posix_lock(&threads_lock);
    if (!thread->ended)
        cor_thread_interrupt(thread->thread);
    posix_unlock(&threads_lock);
    return 0;
}

int raise(int signo)
{
    int err = pthread_kill(posix_self(), signo);

    return (int)posix_result(-err);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    struct pthread *self = posix_self();
    sigset_t mask = self->mask;

    if (old)
        *old = mask;
    if (!set)
        return 0;
    switch (how) {
    case SIG_BLOCK:
        mask |= *set;
        break;
    case SIG_UNBLOCK:
        mask &= ~*set;
        break;
    case SIG_SETMASK:
        mask = *set;
        break;
    default:
        return EINVAL;
    }
    self->mask = mask & ~(BIT(SIGKILL) | BIT(SIGSTOP));
    if ((self->pending | process_pending) & ~self->mask)
        signals_deliver();
    return 0;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return (int)posix_result(-pthread_sigmask(how, set, old));
}

int sigpending(sigset_t *set)
{
    struct pthread *self = posix_self();

    *set = (self->pending | process_pending) & self->mask;
    return 0;
}

int signals_pause(uint64_t deadline)
{
    struct pthread *self = posix_self();
    int err;

    self->handled = 0;
    do {
        if (posix_cancelled(self))
            return -EINTR;
        err = cor_wait(&never, 0, deadline, 0);
        if (self->handled)
            return -EINTR;
    } while (err != -ETIMEDOUT);
    return err;
}

int pause(void)
{
    signals_pause(COR_FOREVER);
    pthread_testcancel();
    return (int)posix_result(-EINTR);
}

int sigsuspend(const sigset_t *mask)
{
    struct pthread *self = posix_self();
    sigset_t old = self->mask;

    self->mask = *mask & ~(BIT(SIGKILL) | BIT(SIGSTOP));
    self->handled = 0;
    signals_deliver();
    if (!self->handled)
        signals_pause(COR_FOREVER);
    pthread_testcancel();
    self->mask = old;
    return (int)posix_result(-EINTR);
}

/* Takes one signal of set, waiting for it. The signal's number or a negative errno. */
static int wait_for(sigset_t set, siginfo_t *info, uint64_t deadline)
{
    struct pthread *self = posix_self();
    siginfo_t unused;
    int signo, err = 0;

    pthread_testcancel();
    self->waiting = set;
    self->handled = 0;
    while (!(signo = take_any(self, set, info ? info : &unused)) && !err) {
        err = cor_wait(&never, 0, deadline, 0);
        if (err == -EINTR && !self->handled && !posix_cancelled(self))
            err = 0;
    }
    self->waiting = 0;
    return signo ? signo : err == -ETIMEDOUT ? -EAGAIN : err;
}

int sigwait(const sigset_t *set, int *signo)
{
    int got;

    do {
        got = wait_for(*set, NULL, COR_FOREVER);
        if (got < 0)
            pthread_testcancel();
    } while (got == -EINTR);
    if (got < 0)
        return -got;
    *signo = got;
    return 0;
}

int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    return sigtimedwait(set, info, NULL);
}

int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    uint64_t deadline = COR_FOREVER;
    int result = timeout ? posix_after(timeout, &deadline) : 0;

    if (!result)
        result = wait_for(*set, info, deadline);
    if (result == -EINTR)
        pthread_testcancel();
    return (int)posix_result(result);
}
