/* SPDX-License-Identifier: MIT */
#include "toolstack/cli/arguments.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

static const struct argp_option guest_options[] = {
    {"memory", 'm', "SIZE", 0, "the domain's memory, such as 16M (default: 64M)", 1},
    {"root", 'r', "DIR", 0, "give the program a copy of DIR as its root file system, in memory", 1},
    {"env", 'e', "NAME=VALUE", 0, "set an environment variable of the program", 1},
    {0},
};

static void add_environment(struct argp_state *state, struct guest_request *request, char *setting)
{
    if (!is_environment_setting(setting))
        argp_error(state, "--env %s: expected NAME=VALUE, where NAME is letters, digits and _", setting);
    request->environment =
        reallocarray(request->environment, request->nr_environment + 1, sizeof(*request->environment));
    if (request->environment == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    request->environment[request->nr_environment++] = setting;
}

unsigned argument_number(const struct argp_state *state, const char *option, const char *argument,
                         unsigned least, unsigned most)
{
    char *end;
    unsigned long number = strtoul(argument, &end, 10);

    if (argument[0] < '0' || argument[0] > '9' || *end != '\0' || number < least || number > most)
        argp_error(state, "--%s %s: expected a number from %u to %u", option, argument, least, most);
    return (unsigned)number;
}

static error_t parse_guest(int key, char *argument, struct argp_state *state)
{
    struct guest_request *request = state->input;
    const char *problem;

    switch (key) {
    case 'm':
        problem = parse_size(argument, &request->memory);
        if (problem != NULL)
            argp_error(state, "--memory %s %s", argument, problem);
        return 0;
    case 'r':
        request->root = argument;
        return 0;
    case 'e':
        add_environment(state, request, argument);
        return 0;
    case ARGP_KEY_ARG:
        if (request->image != NULL)
            argp_error(state, "unexpected '%s' behind the image %s; arguments of the program come after --",
                       argument, request->image);
        request->image = argument;
        return 0;
    case ARGP_KEY_END:
        if (request->image == NULL)
            argp_error(state, "expected the image of a guest, such as app.elf");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp guest_argp = {.options = guest_options, .parser = parse_guest};

int split_guest_args(int argc, char **argv, struct guest_request *request)
{
    static char *none[] = {NULL};

    request->args = none;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        request->args = argv + i + 1;
        argv[i] = NULL;
        return i;
    }
    return argc;
}

char *program_name(const char *path)
{
    char *copy = strdup(path);
    char *name = copy != NULL ? strdup(basename(copy)) : NULL;
    char *dot = name != NULL ? strrchr(name, '.') : NULL;

    free(copy);
    if (dot != NULL && dot != name && strcmp(dot, ".elf") == 0)
        *dot = '\0';
    return name;
}

static void add_setting(struct text *command, void (*add_word)(struct text *, const char *),
                        const char *before, const char *value)
{
    struct text word = {0};

    text_format(&word, "%s%s", before, value);
    add_word(command, word.text);
    free(word.text);
}

void add_guest_words(struct text *command, void (*add_word)(struct text *, const char *),
                     const struct image *image, const struct guest_request *request,
                     const char *const *settings)
{
    if (image->is_libos) {
        char *name = program_name(image->path);

        if (name != NULL)
            add_setting(command, add_word, "name=", name);
        free(name);
        for (unsigned i = 0; i < request->nr_environment; i++)
            add_setting(command, add_word, "env.", request->environment[i]);
        if (request->mounts.length != 0)
            add_setting(command, add_word, "mount=", request->mounts.text);
        for (; *settings != NULL; settings++)
            add_word(command, *settings);
        add_word(command, "--");
    }
    for (char **argument = request->args; *argument != NULL; argument++)
        add_word(command, *argument);
}

int check_command(const struct text *command)
{
    if (command->length < GUEST_COMMAND_MAX)
        return 0;
    report("the program's arguments and environment need %zu bytes with their quotes; a PV domain's command "
           "line "
           "holds %d; put long data into a file under --root",
           command->length, GUEST_COMMAND_MAX - 1);
    return -1;
}
