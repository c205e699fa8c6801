/* SPDX-License-Identifier: MIT */
/*
 * coracle-cc: the C compiler for guests, usable wherever a build expects CC.
 *
 * There is no cross compiler: the host's gcc makes x86-64 ELF anyway. This driver reads its arguments as gcc
 * would, replaces what belongs to the host (headers, libraries, start files, position independence) with the
 * guests' and becomes gcc. What it needs lies in the sysroot, found from its own place:
 *
 *     build tree       BUILD/bin/coracle-cc       BUILD/sysroot
 *     installation     PREFIX/bin/coracle-cc      PREFIX/lib/coracle/sysroot
 *
 * Libraries never come from the host: each -lNAME is looked up here, among the -L directories and the
 * sysroot, and gcc sees the file's path. CORACLE_GCC names another gcc.
 */
#include "toolstack/cc/arguments.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TARGET "x86_64-coracle-elf"

/* Before the user's arguments, so that the user's win where gcc takes the last one. -mstack-protector-guard:
 * the place below fs that gcc would use otherwise is the host libc's. -fstack-clash-protection: a large frame
 * touches each of its pages, so that it cannot jump over the guard page below the stack. */
static const char *const compile_flags[] = {
    "-fno-pie",
    "-mno-red-zone",
    "-fcf-protection=none",
    "-fno-stack-protector",
    "-fstack-clash-protection",
    "-mstack-protector-guard=global",
    "-fno-asynchronous-unwind-tables",
    "-U__linux__",
    "-U__linux",
    "-Ulinux",
    "-U__gnu_linux__",
    "-D__coracle__=1",
    "-nostdinc",
    NULL,
};

static const char *const link_flags[] = {
    "-nostdlib",
    "-static",
    "-no-pie",
    "-Wl,-z,max-page-size=4096",
    "-Wl,-z,noexecstack",
    "-Wl,--build-id=sha1",
    "-Wl,--gc-sections",
    "-Wl,--defsym=data_alignment=0x200000",
    NULL,
};

/* Finds the sysroot; ends the program when there is none. */
static void find_sysroot(char sysroot[PATH_MAX])
{
    static const char *const places[] = {"/../sysroot", "/../lib/coracle/sysroot"};
    char own[PATH_MAX], candidate[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);

    if (length <= 0)
        give_up("cannot find my own place: /proc/self/exe is not readable; is /proc mounted?");
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(candidate, sizeof(candidate), "%s%s", own, places[i]);
        if (realpath(candidate, sysroot) != NULL)
            return;
    }
    give_up(
        "expected the guests' headers and libraries in %s%s or %s%s, found neither; run make in the source "
        "tree",
        own, places[0], own, places[1]);
}

/* The directory of gcc's own headers (stddef.h and the like), by asking gcc. */
static void find_gcc_headers(const char *gcc, char path[PATH_MAX])
{
    char command[PATH_MAX + 64];
    FILE *answer;
    size_t length;

    snprintf(command, sizeof(command), "'%s' -print-file-name=include", gcc);
    answer = popen(command, "r");
    if (answer == NULL || fgets(path, PATH_MAX, answer) == NULL || pclose(answer) != 0)
        give_up("cannot run %s; install the package gcc, or set CORACLE_GCC", gcc);
    length = strcspn(path, "\n");
    path[length] = '\0';
}

static void add_headers(struct words *out, const char *gcc, const char *sysroot)
{
    char own[PATH_MAX];

    find_gcc_headers(gcc, own);
    add(out, "-isystem");
    addf(out, "%s/include", sysroot);
    add(out, "-isystem");
    addf(out, "%s/" TARGET "/include", sysroot);
    add(out, "-isystem");
    add(out, own);
}

/* The path of lib<name>.a (or of the file that ":file" names), or NULL. The caller frees it. */
static char *find_library(const struct request *request, const char *sysroot, const char *name)
{
    struct words places = request->library_dirs;
    char *path = NULL;

    places.list = copy_words(&request->library_dirs);
    places.room = places.count;
    addf(&places, "%s/lib", sysroot);
    addf(&places, "%s/" TARGET "/lib", sysroot);
    for (size_t i = 0; i < places.count; i++) {
        path = name[0] == ':' ? format("%s/%s", places.list[i], name + 1)
                              : format("%s/lib%s.a", places.list[i], name);
        if (access(path, R_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

/* The user's arguments, in their order, with each library replaced by its file. */
static void add_user_words(struct words *out, const struct request *request, const char *sysroot)
{
    for (size_t i = 0; i < request->passed.count; i++) {
        const char *word = request->passed.list[i];
        char *path;

        if (strncmp(word, "-l", 2) != 0) {
            add(out, word);
            continue;
        }
        if (request->mode != MODE_LINK)
            continue;
        path = find_library(request, sysroot, word + 2);
        if (path == NULL)
            give_up(
                "cannot find the library %s as a static library for guests, neither in a -L directory nor "
                "in %s/lib; "
                "build it with coracle-cc (the host's libraries cannot run in a guest)",
                word, sysroot);
        add(out, path);
    }
}

static void add_link_words(struct words *out, const struct request *request, const char *sysroot)
{
    for (const char *const *flag = link_flags; *flag != NULL; flag++)
        add(out, *flag);
    if (!request->own_script) {
        add(out, "-T");
        addf(out, "%s/lib/guest.ld", sysroot);
    }
    if (!request->no_start_files) {
        addf(out, "%s/lib/start.o", sysroot);
        addf(out, "%s/lib/notes.o", sysroot);
    }
}

/* libcoracle first: what it defines replaces newlib's function of the same name. */
static void add_libraries(struct words *out, const struct request *request, const char *sysroot)
{
    if (request->no_libraries)
        return;
    add(out, "-x");
    add(out, "none");
    add(out, "-Wl,--start-group");
    addf(out, "%s/lib/libcoracle.a", sysroot);
    addf(out, "%s/" TARGET "/lib/libc.a", sysroot);
    addf(out, "%s/" TARGET "/lib/libm.a", sysroot);
    add(out, "-lgcc");
    add(out, "-Wl,--end-group");
}

/* Answers that differ from gcc's. Returns whether there was one. */
static int answer_question(const struct request *request, const char *sysroot)
{
    static const char file_name[] = "-print-file-name=";
    const char *question = request->question;
    char *path;

    if (strcmp(question, "-dumpmachine") == 0) {
        puts(TARGET);
        return 1;
    }
    if (strcmp(question, "-print-sysroot") == 0) {
        puts(sysroot);
        return 1;
    }
    if (strcmp(question, "-print-multiarch") == 0) {
        puts("");
        return 1;
    }
    if (strncmp(question, file_name, sizeof(file_name) - 1) == 0) {
        path = format(":%s", question + sizeof(file_name) - 1);
        path = find_library(request, sysroot, path);
        if (path != NULL)
            puts(path);
        return path != NULL;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *gcc = getenv("CORACLE_GCC");
    struct request request = {0};
    struct words out = {0};
    char sysroot[PATH_MAX];

    if (gcc == NULL || *gcc == '\0')
        gcc = "gcc";
    read_arguments(&request, argc, argv);
    find_sysroot(sysroot);
    if (request.question != NULL && answer_question(&request, sysroot))
        return 0;

    /* Directories that the environment names for the host's compiler hold the host's files. */
    unsetenv("CPATH");
    unsetenv("C_INCLUDE_PATH");
    unsetenv("LIBRARY_PATH");

    add(&out, gcc);
    if (request.mode == MODE_ASK) {
        add_user_words(&out, &request, sysroot);
    } else {
        for (const char *const *flag = compile_flags; *flag != NULL; flag++)
            add(&out, *flag);
        if (request.mode == MODE_LINK)
            add_link_words(&out, &request, sysroot);
        add_user_words(&out, &request, sysroot);
        add_headers(&out, gcc, sysroot);
        if (request.mode == MODE_LINK)
            add_libraries(&out, &request, sysroot);
    }
    execvp(gcc, out.list);
    give_up("cannot run %s: %s; install the package gcc, or set CORACLE_GCC", gcc, strerror(errno));
}
