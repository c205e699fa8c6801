/* SPDX-License-Identifier: MIT */
/* basename and dirname as POSIX has them: they may change the path. */
#include <libgen.h>
#include <string.h>

/* Removes slashes at the end, but never the first character. */
static void strip(char *path)
{
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
}

char *basename(char *path)
{
    static char dot[] = ".";
    char *slash;

    if (!path || !*path)
        return dot;
    strip(path);
    slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

char *dirname(char *path)
{
    static char dot[] = ".";
    char *slash;

    if (!path || !*path)
        return dot;
    strip(path);
    slash = strrchr(path, '/');
    if (!slash)
        return dot;
    slash[slash == path] = '\0';
    strip(path);
    return path;
}
