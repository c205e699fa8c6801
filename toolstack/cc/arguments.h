/* SPDX-License-Identifier: MIT */
/* What a command line asks of coracle-cc. */
#ifndef TOOLSTACK_CC_ARGUMENTS_H
#define TOOLSTACK_CC_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

/* A growing list of words that ends with NULL, as execvp wants it. All zero is an empty one. Nothing is
 * freed: the program becomes gcc. */
struct words {
    char **list;
    size_t count, room;
};

enum mode {
    MODE_LINK,    /* inputs become a guest image */
    MODE_COMPILE, /* -c, -S, -E, -M, -MM, -fsyntax-only, -r */
    MODE_ASK,     /* no inputs: a question to gcc, such as --version */
};

struct request {
    enum mode mode;
    struct words passed;       /* what gcc gets; every library as one word -lNAME */
    struct words library_dirs; /* -L, in order */
    const char *question;      /* a -print-* or -dump* argument, or NULL */
    bool own_script;           /* -T given */
    bool no_start_files;       /* -nostartfiles or -nostdlib */
    bool no_libraries;         /* -nodefaultlibs or -nostdlib */
};

/* Fills request (all zero before) from the arguments; ends the program on what a guest cannot have. */
void read_arguments(struct request *request, int argc, char **argv);

/* Append a copy of word, or of what the format gives. */
void add(struct words *words, const char *word);
void addf(struct words *words, const char *pattern, ...) __attribute__((format(printf, 2, 3)));

/* A copy of the list's pointers that can grow on its own. */
char **copy_words(const struct words *words);

/* A new string, which the caller frees. */
char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

/* Says "coracle-cc: error: ..." and ends the program with 1, as gcc does. */
_Noreturn void give_up(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

#endif
