/* SPDX-License-Identifier: MIT */
/*
 * coracle build: the same as coracle-cc, with a name for the output when none is given. Whatever a C compiler
 * takes is passed on as it is.
 */
#include "toolstack/cli/cli.h"
#include "toolstack/lib/paths.h"
#include "toolstack/lib/process.h"
#include "toolstack/lib/report.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_OUTPUT "a.elf"

static void print_help(void)
{
    printf("usage: coracle build [-o FILE] SOURCE... [COMPILER OPTION...]\n"
           "\n"
           "Compiles and links C sources, objects and archives with the libOS into a guest image for "
           "'coracle run'\n"
           "and 'coracle pack'. Options are those of the compiler (-O2, -DNAME=VALUE, -I, -l, -c ...).\n"
           "\n"
           "  -o FILE    the image (default: " DEFAULT_OUTPUT ")\n"
           "\n"
           "The compiler itself is bin/coracle-cc; it also serves as CC for configure and make.\n");
}

/* What the arguments say, as far as it matters here. */
struct build_request {
    bool has_input;
    bool has_output;
    bool links; /* not stopped before that, as by -c */
};

static bool is_one_of(const char *word, const char *const *list)
{
    while (*list != NULL && strcmp(word, *list) != 0)
        list++;
    return *list != NULL;
}

static struct build_request read_request(int argc, char **argv)
{
    static const char *const without_link[] = {"-c", "-S", "-E", "-M", "-MM", "-r", "-fsyntax-only", NULL};
    static const char *const with_value[] = {"-D",  "-U",  "-I",  "-L",       "-l",       "-x",
                                             "-u",  "-z",  "-T",  "-include", "-isystem", "-e",
                                             "-MF", "-MT", "-MQ", "-Xlinker", NULL};
    struct build_request request = {.links = true};

    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];

        if (strncmp(argument, "-o", 2) == 0) {
            request.has_output = true;
            i += argument[2] == '\0';
        } else if (is_one_of(argument, without_link)) {
            request.links = false;
        } else if (is_one_of(argument, with_value)) {
            i++;
        } else if (argument[0] != '-' || argument[1] == '\0') {
            request.has_input = true;
        }
    }
    return request;
}

int verb_build(int argc, char **argv)
{
    struct build_request request;
    const char **compiler_argv;
    char *compiler;
    int status;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return EXIT_DONE;
        }
    }
    request = read_request(argc, argv);
    if (!request.has_input) {
        report("build: expected at least one C source, object or archive; see 'coracle build --help'");
        return EXIT_USAGE;
    }
    compiler = find_compiler();
    compiler_argv = calloc((size_t)argc + 3, sizeof(*compiler_argv));
    if (compiler == NULL || compiler_argv == NULL) {
        free(compiler_argv);
        free(compiler);
        return EXIT_FAILED;
    }
    compiler_argv[0] = compiler;
    memcpy(compiler_argv + 1, argv + 1, ((size_t)argc - 1) * sizeof(*compiler_argv));
    if (!request.has_output && request.links) {
        compiler_argv[argc] = "-o";
        compiler_argv[argc + 1] = DEFAULT_OUTPUT;
    }
    status = process_run(compiler_argv, -1);
    free(compiler_argv);
    free(compiler);
    return status == 0 ? EXIT_DONE : EXIT_FAILED;
}
