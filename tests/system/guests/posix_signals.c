/* SPDX-License-Identifier: MIT */
/*
 * Signals and time: handlers, masks, faults that are caught, interrupted calls, alarms, clocks, sleeping; and
 * what a signal without a handler does.
 *
 * build: -O2
 * run: out="^done: all$"
 *
 * run: name=term args=term exit=143 out="terminated by signal 15"
 *
 * run: name=abort args=abort exit=134 out="aborted"
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "posix_check.h"

static volatile sig_atomic_t caught, last;
static volatile uintptr_t fault_address;
static sigjmp_buf jump;

static void handler(int signo)
{
    caught++;
    last = signo;
}

static void set_handler(int signo, void (*function)(int), int flags)
{
    struct sigaction action = {.sa_flags = flags};

    action.sa_handler = function;
    sigaction(signo, &action, NULL);
}

static void basics(void)
{
    sigset_t set, old;
    struct sigaction action;

    check(signal(SIGUSR1, handler) == SIG_DFL, "signal");
    check(raise(SIGUSR1) == 0 && caught == 1 && last == SIGUSR1, "raise");
    check(kill(getpid(), SIGUSR1) == 0 && caught == 2, "kill itself");
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    check(sigprocmask(SIG_BLOCK, &set, &old) == 0 && !sigismember(&old, SIGUSR1), "block");
    raise(SIGUSR1);
    raise(SIGUSR1);
    check(caught == 2 && sigpending(&old) == 0 && sigismember(&old, SIGUSR1), "pending");
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    check(caught == 3, "delivered once when unblocked");
    signal(SIGUSR1, SIG_IGN);
    check(raise(SIGUSR1) == 0 && caught == 3, "ignored");
    set_handler(SIGUSR1, handler, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &action);
    check(caught == 4 && action.sa_handler == SIG_DFL, "SA_RESETHAND");
    check_errno(sigaction(SIGKILL, &action, NULL), EINVAL, "SIGKILL has no handler");
    check_errno(kill(getpid(), 99), EINVAL, "no such signal");
    check_errno(kill(4711, SIGTERM), ESRCH, "no such process");
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    last = signo;
    fault_address = (uintptr_t)info->si_addr;
    (void)context;
    siglongjmp(jump, info->si_code);
}

static void faults(void)
{
    static const char *const names[] = {"SIGSEGV", "SIGSEGV again", "SIGSEGV a third time"};
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    volatile int *volatile null = NULL;
    volatile int zero = 0;
    static const int constant = 1;
    int code;

    action.sa_sigaction = on_fault;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    for (int i = 0; i < 3; i++) { /* again and again: the mask is restored by the jump */
        code = sigsetjmp(jump, 1);
        if (!code)
            null[100] = 1;
        check(code == SEGV_MAPERR && last == SIGSEGV && fault_address == 400, names[i]);
    }
    code = sigsetjmp(jump, 1);
    if (!code)
        *(volatile int *)(uintptr_t)&constant = 2;
    check(code == SEGV_ACCERR && fault_address == (uintptr_t)&constant, "write to read-only data");
    code = sigsetjmp(jump, 1);
    if (!code)
        *(volatile int *)(uintptr_t)&on_fault = 2;
    check(code == SEGV_ACCERR, "write to text");
    code = sigsetjmp(jump, 1);
    if (!code)
        zero = 100 / zero;
    check(code == FPE_INTDIV && last == SIGFPE, "division by zero");
    code = sigsetjmp(jump, 1);
    if (!code)
        __asm__ volatile("ud2");
    check(code && last == SIGILL, "illegal instruction");
    signal(SIGSEGV, SIG_DFL);
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * From now on every ms milliseconds: on a busy machine the first alarm may come before the call that it is
 * to end.
 */
static void arm(long ms)
{
    struct itimerval timer = {.it_value = {.tv_usec = ms * 1000}, .it_interval = {.tv_usec = ms * 1000}};

    setitimer(ITIMER_REAL, &timer, NULL);
}

static void interruptions(void)
{
    int fds[2];
    char byte;
    sigset_t set;
    int signo = 0;

    pipe(fds);
    caught = 0;
    set_handler(SIGALRM, handler, 0);
    arm(20);
    check_errno(read(fds[0], &byte, 1), EINTR, "read is interrupted");
    check(caught >= 1 && last == SIGALRM, "by the alarm");
    arm(20);
    struct timespec ts = {.tv_sec = 100}, left;
    check_errno(nanosleep(&ts, &left), EINTR, "nanosleep is interrupted");
    check(left.tv_sec <= 99, "time left");
    arm(20);
    struct pollfd pollfd = {.fd = fds[0], .events = POLLIN};
    check_errno(poll(&pollfd, 1, -1), EINTR, "poll is interrupted");
    arm(20);
    check_errno(pause(), EINTR, "pause");
    caught = 0;
    arm(20);
    for (uint64_t end = now_ms() + PATIENCE_MS; !caught && now_ms() < end;)
        ;
    check(caught >= 1, "a busy program is interrupted");
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    arm(20);
    caught = 0;
    check(sigwait(&set, &signo) == 0 && signo == SIGALRM && !caught, "sigwait");
    arm(0);
    signal(SIGALRM, SIG_IGN); /* forgets one that is pending */
    signal(SIGALRM, handler);
    ts = (struct timespec){.tv_nsec = 10000000};
    check_errno(sigtimedwait(&set, NULL, &ts), EAGAIN, "sigtimedwait");
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    check(alarm(100) == 0 && alarm(0) == 100, "alarm");
    close(fds[0]);
    signal(SIGPIPE, handler);
    check_errno(write(fds[1], "x", 1), EPIPE, "EPIPE");
    check(last == SIGPIPE, "SIGPIPE");
    close(fds[1]);
}

static void *feed(void *fds)
{
    usleep(20000);
    write(((int *)fds)[1], "12345", 5);
    return NULL;
}

static void polling(void)
{
    int fds[2];
    char buf[8];
    pthread_t thread;
    fd_set reads;
    struct timeval timeout = {.tv_sec = PATIENCE_MS / 1000};

    pipe(fds);
    struct pollfd pollfds[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLOUT}};
    check(poll(pollfds, 2, 0) == 1 && !pollfds[0].revents && pollfds[1].revents == POLLOUT, "poll");
    uint64_t start = now_ms();
    check(poll(pollfds, 1, 30) == 0 && now_ms() - start >= 30, "poll times out");
    pthread_create(&thread, NULL, feed, fds);
    FD_ZERO(&reads);
    FD_SET(fds[0], &reads);
    check(select(fds[0] + 1, &reads, NULL, NULL, &timeout) == 1 && FD_ISSET(fds[0], &reads), "select wakes");
    check(read(fds[0], buf, sizeof(buf)) == 5, "what came");
    pthread_join(thread, NULL);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    check_errno(read(fds[0], buf, 1), EAGAIN, "O_NONBLOCK");
    close(fds[1]);
    check(poll(pollfds, 1, -1) == 1 && pollfds[0].revents == POLLHUP && read(fds[0], buf, 1) == 0, "POLLHUP");
    close(fds[0]);
    check(poll(pollfds, 1, 0) == 1 && pollfds[0].revents == POLLNVAL, "POLLNVAL");
}

static void clocks(void)
{
    struct timespec a, b, res, ts = {.tv_nsec = 50000000};
    struct timeval tv;
    time_t t = time(NULL);

    check(clock_gettime(CLOCK_MONOTONIC, &a) == 0 && nanosleep(&ts, NULL) == 0, "sleep");
    clock_gettime(CLOCK_MONOTONIC, &b);
    long ns = (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec;
    check(ns >= 50000000 && ns < 60000000000, "as long as asked");
    check(clock_gettime(CLOCK_REALTIME, &a) == 0 && a.tv_sec >= t && a.tv_sec < t + 60, "time of day");
    check(t > 1600000000 && gmtime(&t)->tm_year > 119, "a year of this age");
    check(gettimeofday(&tv, NULL) == 0 && tv.tv_sec >= t, "gettimeofday");
    check(clock_getres(CLOCK_MONOTONIC, &res) == 0 && res.tv_sec == 0 && res.tv_nsec >= 1, "resolution");
    check_errno(clock_gettime(77, &a), EINVAL, "no such clock");
    b.tv_nsec += 20000000;
    b.tv_sec += b.tv_nsec / 1000000000;
    b.tv_nsec %= 1000000000;
    check(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &b, NULL) == 0, "absolute sleep");
    ts.tv_nsec = 1000000000;
    check_errno(nanosleep(&ts, NULL), EINVAL, "bad nanoseconds");
    clock_t used = clock();
    for (volatile int i = 0; i < 30000000; i++)
        ;
    check(clock() > used, "CPU time");
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "term"))
        raise(SIGTERM);
    if (argc > 1)
        abort();
    basics();
    faults();
    interruptions();
    polling();
    clocks();
    return finish();
}
