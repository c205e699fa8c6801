/* SPDX-License-Identifier: MIT */
/* The user and group database: root, and nobody else. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static struct passwd root_user = {
    .pw_name = "root",
    .pw_passwd = "",
    .pw_comment = "",
    .pw_gecos = "root",
    .pw_dir = "/",
    .pw_shell = "/bin/sh",
};
static char *no_members[] = {NULL};
static struct group root_group = {.gr_name = "root", .gr_passwd = "", .gr_mem = no_members};

struct passwd *getpwuid(uid_t uid)
{
    return uid ? NULL : &root_user;
}

struct passwd *getpwnam(const char *name)
{
    return strcmp(name, root_user.pw_name) ? NULL : &root_user;
}

int getpwuid_r(uid_t uid, struct passwd *user, char *buf, size_t size, struct passwd **result)
{
    (void)buf, (void)size; /* the strings are constants */
    *user = root_user;
    *result = uid ? NULL : user;
    return 0;
}

int getpwnam_r(const char *name, struct passwd *user, char *buf, size_t size, struct passwd **result)
{
    return getpwuid_r(strcmp(name, root_user.pw_name) != 0, user, buf, size, result);
}

struct group *getgrgid(gid_t gid)
{
    return gid ? NULL : &root_group;
}

struct group *getgrnam(const char *name)
{
    return strcmp(name, root_group.gr_name) ? NULL : &root_group;
}

char *getlogin(void)
{
    return root_user.pw_name;
}

int getlogin_r(char *name, size_t size)
{
    if (size < sizeof("root"))
        return ERANGE;
    strcpy(name, root_user.pw_name);
    return 0;
}
