/* SPDX-License-Identifier: MIT */
/* What programs may call and this system does not have: each says so. README.md lists them. */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libos/posix/thread.h"

static int not_here(void)
{
    return (int)posix_result(-ENOSYS);
}

int mkfifo(const char *path, mode_t mode)
{
    (void)path, (void)mode;
    return not_here();
}

int mkfifoat(int dirfd, const char *path, mode_t mode)
{
    (void)dirfd, (void)path, (void)mode;
    return not_here();
}

int chroot(const char *path)
{
    (void)path;
    return not_here();
}

sem_t *sem_open(const char *name, int flags, ...)
{
    (void)name, (void)flags;
    not_here();
    return SEM_FAILED;
}

int sem_close(sem_t *sem)
{
    (void)sem;
    return not_here();
}

int sem_unlink(const char *name)
{
    (void)name;
    return not_here();
}

int timer_create(clockid_t clock, struct sigevent *__restrict event, timer_t *__restrict timer)
{
    (void)clock, (void)event, (void)timer;
    return not_here();
}

int timer_delete(timer_t timer)
{
    (void)timer;
    return not_here();
}

int timer_settime(timer_t timer, int flags, const struct itimerspec *__restrict value,
                  struct itimerspec *__restrict old)
{
    (void)timer, (void)flags, (void)value, (void)old;
    return not_here();
}

int timer_gettime(timer_t timer, struct itimerspec *value)
{
    (void)timer, (void)value;
    return not_here();
}

int timer_getoverrun(timer_t timer)
{
    (void)timer;
    return not_here();
}

/* One policy, one priority. */
int sched_get_priority_max(int policy)
{
    return (int)posix_result(policy == SCHED_OTHER ? 0 : -EINVAL);
}

int sched_get_priority_min(int policy)
{
    return sched_get_priority_max(policy);
}

int sched_getscheduler(pid_t pid)
{
    return (int)posix_result(pid && pid != getpid() ? -ESRCH : SCHED_OTHER);
}

int sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
    (void)pid;
    return (int)posix_result(policy == SCHED_OTHER && !param->sched_priority ? 0 : -EPERM);
}
