/* SPDX-License-Identifier: MIT */
/* Programs are one image, so nothing can be loaded; these say so. */
#ifndef _DLFCN_H
#define _DLFCN_H

#include <sys/cdefs.h>

__BEGIN_DECLS

#define RTLD_LAZY    1
#define RTLD_NOW     2
#define RTLD_LOCAL   0
#define RTLD_GLOBAL  0x100
#define RTLD_DEFAULT ((void *)0)

void *dlopen(const char *__file, int __mode);
void *dlsym(void *__restrict __handle, const char *__restrict __name);
int dlclose(void *__handle);
char *dlerror(void);
#if __GNU_VISIBLE
typedef struct {
    const char *dli_fname;
    void *dli_fbase;
    const char *dli_sname;
    void *dli_saddr;
} Dl_info;

int dladdr(const void *__address, Dl_info *__info);
#endif

__END_DECLS

#endif
