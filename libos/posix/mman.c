/* SPDX-License-Identifier: MIT */
/* Memory mappings; <sys/mman.h> tells their limits. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "coracle/mem.h"
#include "libos/posix/mman.h"
#include "libos/posix/thread.h"

_Static_assert(PROT_READ == COR_PROT_READ && PROT_WRITE == COR_PROT_WRITE && PROT_EXEC == COR_PROT_EXEC,
               "protections are the core's");

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

/* Whole pages; 0 when len is 0 or does not fit. */
static size_t page_length(size_t len)
{
    return (len + COR_PAGE_SIZE - 1) & ~(COR_PAGE_SIZE - 1);
}

static bool unaligned(const void *addr)
{
    return (uintptr_t)addr % COR_PAGE_SIZE != 0;
}

static bool all_mapped(const uint8_t *addr, size_t len)
{
    for (size_t off = 0; off < len; off += COR_PAGE_SIZE) {
        if (cor_probe(addr + off) < 0)
            return false;
    }
    return true;
}

/* Writable zeroed memory: fresh, or what is mapped at a fixed address. */
static void *get_memory(void *addr, size_t len, int flags)
{
    if (!(flags & MAP_FIXED))
        return cor_map(len, COR_PROT_READ | COR_PROT_WRITE);
    if (!all_mapped(addr, len) || cor_protect(addr, len, COR_PROT_READ | COR_PROT_WRITE))
        return NULL;
    return memset(addr, 0, len);
}

/* What may be mapped of a file. */
static int check_file(const struct file *file, int prot, int flags)
{
    if (!file)
        return -EBADF;
    if ((file->flags & O_ACCMODE) == O_WRONLY)
        return -EACCES;
    if (!file->inode || !S_ISREG(file->inode->mode))
        return -ENODEV;
    return (flags & MAP_SHARED) && (prot & PROT_WRITE) && (file->flags & O_ACCMODE) != O_RDWR ? -EACCES : 0;
}

/* vfs_lock is held. NULL: *err says why. */
static void *map(void *addr, size_t len, int prot, int flags, struct file *file, off_t off, int *err)
{
    bool shared = file && (flags & MAP_SHARED), stays = false;
    void *memory = NULL;
    ssize_t n = 0;

    if (flags & MAP_FIXED)
        *err = shared_leave(addr, len, &stays);
    if (!*err && stays)
        *err = -EBUSY;
    if (!*err && shared)
        memory = shared_find(file, off, len, prot, err);
    if (*err || memory)
        return memory;
    memory = get_memory(addr, len, flags);
    if (!memory) {
        *err = -ENOMEM;
        return NULL;
    }
    if (file)
        n = fs_read(file->inode, off, memory, len);
    if (n >= 0 && prot != (PROT_READ | PROT_WRITE))
        cor_protect(memory, len, (unsigned)prot);
    *err = n < 0 ? (int)n : shared ? shared_enter(file, off, memory, len) : 0;
    if (*err && !(flags & MAP_FIXED))
        cor_unmap(memory, len);
    return *err ? NULL : memory;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    int kind = flags & (MAP_SHARED | MAP_PRIVATE), err = 0;
    size_t size = page_length(len);
    struct file *file = NULL;
    void *memory;

    if (!len || (kind != MAP_SHARED && kind != MAP_PRIVATE) || (prot & ~PROT_ALL) || off < 0 ||
        off % (off_t)COR_PAGE_SIZE || ((flags & MAP_FIXED) && unaligned(addr)))
        return (void *)posix_result(-EINVAL);
    if (!size)
        return (void *)posix_result(-ENOMEM);
    if (!(flags & MAP_ANONYMOUS)) {
        file = fd_get(fd);
        err = check_file(file, prot, flags);
    }
    posix_lock(&vfs_lock);
    memory = err ? NULL : map(addr, size, prot, flags, file, off, &err);
    posix_unlock(&vfs_lock);
    file_put(file);
    return memory ? memory : (void *)posix_result(err);
}

int munmap(void *addr, size_t len)
{
    size_t size = page_length(len);
    bool stays = false;
    int err;

    if (!size || unaligned(addr))
        return (int)posix_result(-EINVAL);
    posix_lock(&vfs_lock);
    err = shared_leave(addr, size, &stays);
    err = err || stays ? err : cor_unmap(addr, size);
    posix_unlock(&vfs_lock);
    return (int)posix_result(err);
}

int mprotect(void *addr, size_t len, int prot)
{
    size_t size = page_length(len);

    if (unaligned(addr) || (prot & ~PROT_ALL) || (len && !size))
        return (int)posix_result(-EINVAL);
    if (prot == PROT_NONE) { /* which forgets the marks of what was written */
        posix_lock(&vfs_lock);
        (void)shared_sync(addr, size, false);
        posix_unlock(&vfs_lock);
    }
    return (int)posix_result(size ? cor_protect(addr, size, (unsigned)prot) : 0);
}

int msync(void *addr, size_t len, int flags)
{
    int bad = (flags & MS_ASYNC) && (flags & MS_SYNC), err;

    if (unaligned(addr) || bad || (flags & ~(MS_ASYNC | MS_SYNC | MS_INVALIDATE)))
        return (int)posix_result(-EINVAL);
    if (!all_mapped(addr, page_length(len)))
        return (int)posix_result(-ENOMEM);
    posix_lock(&vfs_lock);
    err = shared_sync(addr, page_length(len), (flags & MS_SYNC) != 0);
    posix_unlock(&vfs_lock);
    return (int)posix_result(err);
}

int madvise(void *addr, size_t len, int advice)
{
    size_t size = page_length(len);
    uint8_t *bytes = addr;

    if (unaligned(addr))
        return (int)posix_result(-EINVAL);
    if (!all_mapped(addr, size))
        return (int)posix_result(-ENOMEM);
    for (size_t page = 0; advice == MADV_DONTNEED && page < size; page += COR_PAGE_SIZE) {
        if (cor_probe(bytes + page) & COR_PROT_WRITE)
            memset(bytes + page, 0, COR_PAGE_SIZE);
    }
    return 0;
}

int posix_madvise(void *addr, size_t len, int advice)
{
    (void)advice; /* advice only: nothing may be lost */
    return unaligned(addr) ? EINVAL : all_mapped(addr, page_length(len)) ? 0 : ENOMEM;
}

/* Nothing is ever paged out. */
int mlock(const void *addr, size_t len)
{
    return (int)posix_result(
        all_mapped((const uint8_t *)((uintptr_t)addr & ~(COR_PAGE_SIZE - 1)), len) ? 0 : -ENOMEM);
}

int munlock(const void *addr, size_t len)
{
    return mlock(addr, len);
}

int mlockall(int flags)
{
    return (int)posix_result(flags & ~(MCL_CURRENT | MCL_FUTURE) ? -EINVAL : 0);
}

int munlockall(void)
{
    return 0;
}
