/* SPDX-License-Identifier: MIT */
/* What the system says about itself: limits, names, resources. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "coracle/init.h"
#include "coracle/mem.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

long sysconf(int name)
{
    switch (name) {
    case _SC_PAGESIZE:
        return (long)COR_PAGE_SIZE;
    case _SC_OPEN_MAX:
        return FD_LIMIT;
    case _SC_CLK_TCK:
        return CLOCKS_PER_SEC;
    case _SC_NPROCESSORS_CONF:
    case _SC_NPROCESSORS_ONLN:
        return 1;
    case _SC_PHYS_PAGES:
        return (long)cor_pages_total();
    case _SC_AVPHYS_PAGES:
        return (long)cor_pages_free();
    case _SC_ARG_MAX:
        return 4096;
    case _SC_CHILD_MAX:
        return 0;
    case _SC_HOST_NAME_MAX:
        return 64;
    case _SC_LINE_MAX:
        return 2048;
    case _SC_LOGIN_NAME_MAX:
        return 32;
    case _SC_NGROUPS_MAX:
        return 0;
    case _SC_TTY_NAME_MAX:
        return 32;
    case _SC_SYMLOOP_MAX:
        return FS_LOOPS_MAX;
    case _SC_IOV_MAX:
        return IOV_MAX;
    case _SC_GETPW_R_SIZE_MAX:
    case _SC_GETGR_R_SIZE_MAX:
        return 256;
    case _SC_THREAD_KEYS_MAX:
        return PTHREAD_KEYS;
    case _SC_THREAD_DESTRUCTOR_ITERATIONS:
        return 4;
    case _SC_THREAD_STACK_MIN:
        return (long)COR_STACK_MIN;
    case _SC_THREAD_THREADS_MAX:
        return -1; /* memory decides */
    case _SC_SEM_VALUE_MAX:
        return INT_MAX;
    case _SC_VERSION:
    case _SC_THREADS:
    case _SC_TIMEOUTS:
    case _SC_BARRIERS:
    case _SC_SEMAPHORES:
    case _SC_SPIN_LOCKS:
    case _SC_READER_WRITER_LOCKS:
    case _SC_MONOTONIC_CLOCK:
    case _SC_CLOCK_SELECTION:
    case _SC_MAPPED_FILES:
    case _SC_MEMORY_PROTECTION:
    case _SC_FSYNC:
    case _SC_CPUTIME:
    case _SC_THREAD_CPUTIME:
        return _POSIX_VERSION;
    case _SC_JOB_CONTROL:
    case _SC_TIMERS:
        return -1;
    default:
        return posix_result(-EINVAL);
    }
}

static long path_limit(int name)
{
    switch (name) {
    case _PC_LINK_MAX:
        return FS_LINK_MAX;
    case _PC_MAX_CANON:
    case _PC_MAX_INPUT:
        return 4096;
    case _PC_NAME_MAX:
        return FS_NAME_MAX;
    case _PC_PATH_MAX:
        return FS_PATH_MAX;
    case _PC_PIPE_BUF:
        return 4096;
    case _PC_CHOWN_RESTRICTED:
    case _PC_NO_TRUNC:
    case _PC_2_SYMLINKS:
        return 1;
    case _PC_VDISABLE:
        return _POSIX_VDISABLE;
    case _PC_FILESIZEBITS:
        return 41;
    case _PC_SYMLINK_MAX:
        return FS_PATH_MAX - 1;
    case _PC_ASYNC_IO:
    case _PC_PRIO_IO:
        return -1;
    default:
        return posix_result(-EINVAL);
    }
}

long pathconf(const char *path, int name)
{
    return access(path, F_OK) ? -1 : path_limit(name);
}

long fpathconf(int fd, int name)
{
    return fcntl(fd, F_GETFD) < 0 ? -1 : path_limit(name);
}

size_t confstr(int name, char *buf, size_t len)
{
    (void)name, (void)buf, (void)len;
    posix_result(-EINVAL);
    return 0;
}

int getpagesize(void)
{
    return (int)COR_PAGE_SIZE;
}

/* The host name: the libOS setting `hostname=`, or what the program set. */
static char host[65];

static const char *host_name(void)
{
    const char *setting = cor_setting("hostname");

    return *host ? host : setting && *setting ? setting : "coracle";
}

int gethostname(char *name, size_t len)
{
    const char *current = host_name();

    if (strlen(current) >= len)
        return (int)posix_result(-ENAMETOOLONG);
    strcpy(name, current);
    return 0;
}

int sethostname(const char *name, size_t len)
{
    if (len >= sizeof(host))
        return (int)posix_result(-EINVAL);
    memcpy(host, name, len);
    host[len] = '\0';
    return 0;
}

int uname(struct utsname *name)
{
    *name = (struct utsname){
        .sysname = "Coracle", .release = "0.1", .version = "libOS on Xen PV", .machine = "x86_64"};
    strncpy(name->nodename, host_name(), sizeof(name->nodename) - 1);
    return 0;
}

/* All time is the program's own: there is no kernel whose time could be told apart. */
int getrusage(int who, struct rusage *usage)
{
    struct timespec ts = {0};

    if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
        return (int)posix_result(-EINVAL);
    if (who != RUSAGE_CHILDREN)
        clock_gettime(who == RUSAGE_SELF ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID, &ts);
    *usage = (struct rusage){.ru_utime = {.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000}};
    if (who == RUSAGE_SELF)
        usage->ru_maxrss = (long)((cor_pages_total() - cor_pages_free()) * (COR_PAGE_SIZE / 1024));
    return 0;
}

static rlim_t limit_of(int resource)
{
    switch (resource) {
    case RLIMIT_NOFILE:
        return FD_LIMIT;
    case RLIMIT_FSIZE:
        return (rlim_t)FS_SIZE_MAX;
    case RLIMIT_CORE:
        return 0;
    case RLIMIT_STACK: {
        void *lowest;
        size_t size;

        cor_thread_stack(main_pthread->thread, &lowest, &size);
        return size;
    }
    default:
        return RLIM_INFINITY;
    }
}

int getrlimit(int resource, struct rlimit *limit)
{
    if (resource < RLIMIT_CPU || resource > RLIMIT_AS)
        return (int)posix_result(-EINVAL);
    limit->rlim_cur = limit->rlim_max = limit_of(resource);
    return 0;
}

/* Limits are what they are: those that the system has anyway may be asked for. */
int setrlimit(int resource, const struct rlimit *limit)
{
    if (resource < RLIMIT_CPU || resource > RLIMIT_AS || limit->rlim_cur > limit->rlim_max)
        return (int)posix_result(-EINVAL);
    return (int)posix_result(limit->rlim_max > limit_of(resource) ? -EPERM : 0);
}

int getpriority(int which, id_t who)
{
    (void)which, (void)who;
    return 0;
}

int setpriority(int which, id_t who, int value)
{
    (void)which, (void)who, (void)value;
    return 0;
}
