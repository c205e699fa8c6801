/* SPDX-License-Identifier: MIT */
/* A program's own hold on a FILE: newlib declares these calls, but leaves them to its system. */
#include <stdio.h>
#include <sys/lock.h>
#include <sys/stdio.h>

void flockfile(FILE *file)
{
    _flockfile(file);
}

void funlockfile(FILE *file)
{
    _funlockfile(file);
}

int ftrylockfile(FILE *file)
{
    /* sprintf and the like use a FILE without a lock on their stack; it is never another thread's. */
    if (file->_flags & __SSTR)
        return 0;
    return __lock_try_acquire_recursive(file->_lock) ? 0 : -1;
}
