/* SPDX-License-Identifier: MIT */
/* The one process: how it begins and ends, who it is, and the processes that it cannot have. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coracle/init.h"
#include "coracle/shutdown.h"
#include "libos/posix/thread.h"

#define OWN_PID 1

void _exit(int status)
{
    cor_exit(status);
}

/* Runs handlers, which may leave by longjmp; whatever they do, the program does not go on. */
void abort(void)
{
    sigset_t set = (sigset_t)1 << SIGABRT;
    struct sigaction action = {0};

    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGABRT);
    sigaction(SIGABRT, &action, NULL);
    raise(SIGABRT);
    cor_panic("aborted");
}

pid_t getpid(void)
{
    return OWN_PID;
}

pid_t getppid(void)
{
    return 0;
}

pid_t getpgrp(void)
{
    return OWN_PID;
}

static pid_t only_own(pid_t pid, pid_t result)
{
    return (pid_t)posix_result(pid && pid != OWN_PID ? -ESRCH : result);
}

pid_t getpgid(pid_t pid)
{
    return only_own(pid, OWN_PID);
}

pid_t getsid(pid_t pid)
{
    return only_own(pid, OWN_PID);
}

int setpgid(pid_t pid, pid_t group)
{
    if (group && group != OWN_PID)
        return (int)posix_result(-EPERM);
    return only_own(pid, 0);
}

int setpgrp(void)
{
    return 0;
}

/* The program leads its session and group already. */
pid_t setsid(void)
{
    return (pid_t)posix_result(-EPERM);
}

uid_t getuid(void)
{
    return 0;
}

uid_t geteuid(void)
{
    return 0;
}

gid_t getgid(void)
{
    return 0;
}

gid_t getegid(void)
{
    return 0;
}

int issetugid(void)
{
    return 0;
}

/* The superuser is the only user. */
static int only_root(unsigned id)
{
    return (int)posix_result(id ? -EINVAL : 0);
}

int setuid(uid_t uid)
{
    return only_root(uid);
}

int seteuid(uid_t uid)
{
    return only_root(uid);
}

int setgid(gid_t gid)
{
    return only_root(gid);
}

int setegid(gid_t gid)
{
    return only_root(gid);
}

int setreuid(uid_t real, uid_t effective)
{
    return only_root((real == (uid_t)-1 ? 0 : real) | (effective == (uid_t)-1 ? 0 : effective));
}

int setregid(gid_t real, gid_t effective)
{
    return setreuid(real, effective);
}

int getgroups(int size, gid_t groups[])
{
    (void)size, (void)groups;
    return 0;
}

int setgroups(int count, const gid_t *groups)
{
    return only_root(count > 1 || (count == 1 && groups[0]));
}

int nice(int increment)
{
    (void)increment;
    return 0;
}

pid_t fork(void)
{
    return (pid_t)posix_result(-ENOSYS);
}

pid_t vfork(void)
{
    return (pid_t)posix_result(-ENOSYS);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    (void)path, (void)argv, (void)envp;
    return (int)posix_result(-ENOSYS);
}

int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

int execvp(const char *file, char *const argv[])
{
    return execve(file, argv, environ);
}

int execl(const char *path, const char *arg, ...)
{
    (void)arg;
    return execve(path, NULL, NULL);
}

int execlp(const char *file, const char *arg, ...)
{
    (void)arg;
    return execve(file, NULL, NULL);
}

int execle(const char *path, const char *arg, ...)
{
    (void)arg;
    return execve(path, NULL, NULL);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    (void)pid, (void)status, (void)options;
    return (pid_t)posix_result(-ECHILD);
}

pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

FILE *popen(const char *command, const char *mode)
{
    (void)command, (void)mode;
    posix_result(-ENOSYS);
    return NULL;
}

int pclose(FILE *stream)
{
    (void)stream;
    return (int)posix_result(-ECHILD);
}

int daemon(int nochdir, int noclose)
{
    (void)nochdir, (void)noclose;
    return (int)posix_result(-ENOSYS);
}
