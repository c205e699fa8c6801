/* SPDX-License-Identifier: MIT */
/* Options that several verbs share. */
#ifndef TOOLSTACK_CLI_ARGUMENTS_H
#define TOOLSTACK_CLI_ARGUMENTS_H

#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/image.h"

#include <argp.h>
#include <stdint.h>

#define DEFAULT_MEMORY (UINT64_C(64) << 20)

/* What the user wants to boot. */
struct guest_request {
    const char *image;
    const char *root; /* --root DIR or NULL */
    uint64_t memory;  /* --memory, bytes */
    char **environment;
    unsigned nr_environment;
    struct text mounts; /* PATH:DISK[,PATH:DISK...], the setting mount= without its name; empty: none */
    char **args;        /* behind "--", ends with NULL */
};

/* The value of --option, from least to most; else argp_error ends the program. */
unsigned argument_number(const struct argp_state *state, const char *option, const char *argument,
                         unsigned least, unsigned most);

/* argp's children for --memory, --root, --env and the image's name; the input is a struct guest_request. */
extern const struct argp guest_argp;

/*
 * Splits off what stands behind the first "--": returns how many arguments stand before it and sets
 * request->args. Call before argp_parse.
 */
int split_guest_args(int argc, char **argv, struct guest_request *request);

/* "app" for "dir/app.elf": what the program sees as its own name; for free(), NULL when memory is out. */
char *program_name(const char *path);

/*
 * Adds the words of the domain's command line, each by add_word: for the libOS its settings, "--" and the
 * arguments; for another guest the arguments alone. settings: more of the former, ends with NULL.
 */
void add_guest_words(struct text *command, void (*add_word)(struct text *, const char *),
                     const struct image *image, const struct guest_request *request,
                     const char *const *settings);

/* Says on stderr when the command line is longer than a PV domain can get; returns 0 or -1. */
int check_command(const struct text *command);

#endif
