/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/paths.h"
#include "toolstack/lib/report.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The directory of the tool's own executable, without a slash at its end. */
static bool own_directory(char directory[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    char *slash;

    if (length <= 0) {
        report("cannot find my own place: /proc/self/exe is not readable; is /proc mounted?");
        return false;
    }
    directory[length] = '\0';
    slash = strrchr(directory, '/');
    if (slash != NULL)
        *slash = '\0';
    return true;
}

/* The first of the candidates that can be accessed with mode, as a new string. A candidate without a slash at
 * its start is relative to the tool's directory. */
static char *find_first(const char *const candidates[], int mode)
{
    char directory[PATH_MAX];

    if (!own_directory(directory))
        return NULL;
    for (; *candidates != NULL; candidates++) {
        char *path;
        int length = **candidates == '/' ? asprintf(&path, "%s", *candidates)
                                         : asprintf(&path, "%s/%s", directory, *candidates);

        if (length < 0)
            return NULL;
        if (access(path, mode) == 0)
            return path;
        free(path);
    }
    return NULL;
}

char *find_compiler(void)
{
    static const char *const candidates[] = {"bin/coracle-cc", "coracle-cc", NULL};
    char *path = find_first(candidates, X_OK);

    if (path == NULL)
        report("the compiler driver coracle-cc is neither in bin/ beside this tool nor next to it; build it "
               "with "
               "'make' in the source tree, or install again");
    return path;
}

char *find_hypervisor(void)
{
    static const char *const candidates[] = {"hypervisor/coracle.elf", "../lib/coracle/coracle.elf", NULL};
    char *path = find_first(candidates, R_OK);

    if (path == NULL)
        report(
            "the hypervisor coracle.elf is neither in hypervisor/ beside this tool nor in ../lib/coracle/; "
            "build it with 'make' in the source tree, or install again");
    return path;
}

char *find_control(void)
{
    static const char *const candidates[] = {"control/control.elf", "../lib/coracle/control.elf", NULL};
    char *path = find_first(candidates, R_OK);

    if (path == NULL)
        report("the control domain control.elf is neither in control/ beside this tool nor in "
               "../lib/coracle/; build "
               "it with 'make' in the source tree, or install again");
    return path;
}

char *find_xen(void)
{
    static const char *const candidates[] = {"xen/xen-4.17", "/boot/xen-4.17-amd64.gz", NULL};
    char *path = find_first(candidates, R_OK);

    if (path == NULL)
        report("no stock Xen: neither xen/xen-4.17 beside this tool nor /boot/xen-4.17-amd64.gz; install the "
               "package xen-hypervisor-4.17-amd64 or name a file with --xen");
    return path;
}

char *find_hypervisor_symbols(const char *path)
{
    const char *dot = strrchr(path, '.');
    char *symbols;

    if (dot == NULL || asprintf(&symbols, "%.*s.64", (int)(dot - path), path) < 0)
        return NULL;
    if (access(symbols, R_OK) == 0)
        return symbols;
    free(symbols);
    return NULL;
}

bool have_program(const char *name)
{
    const char *path = getenv("PATH");
    char candidate[PATH_MAX];

    if (strchr(name, '/') != NULL)
        return access(name, X_OK) == 0;
    if (path == NULL)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path != '\0') {
        size_t length = strcspn(path, ":");

        snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)length, path, name);
        if (access(candidate, X_OK) == 0)
            return true;
        path += length;
        path += *path == ':';
    }
    return false;
}
