/* SPDX-License-Identifier: MIT */
/* Dynamic loading, which does not exist here: each call fails, and dlerror says why. */
#include <dlfcn.h>
#include <stddef.h>

static _Thread_local char *message;

static void refuse(void)
{
    message = "a Coracle image is one program: nothing can be loaded into it";
}

void *dlopen(const char *file, int mode)
{
    (void)file, (void)mode;
    refuse();
    return NULL;
}

void *dlsym(void *restrict handle, const char *restrict name)
{
    (void)handle, (void)name;
    refuse();
    return NULL;
}

int dlclose(void *handle)
{
    (void)handle;
    refuse();
    return -1;
}

char *dlerror(void)
{
    char *last = message;

    message = NULL;
    return last;
}

/* An image's symbols are in its file, not in its memory; the tool has them. */
int dladdr(const void *address, Dl_info *info)
{
    (void)address, (void)info;
    return 0;
}
