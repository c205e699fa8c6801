/* SPDX-License-Identifier: MIT */
/*
 * The domain's command line. Words are separated by blanks; '..' and ".." quote, a backslash outside '..'
 * takes the next character as it is. If a word `--` is present (unquoted), the words before it are settings
 * of the libOS and those after it the program's arguments; without it all words are arguments.
 *
 *     env.HOME=/root name=lua exit=reboot -- -e 'print "hello"'
 *
 * No other part of the libOS is needed here: the host's unit tests compile this file as it is.
 */
#ifndef LIBOS_INIT_CMDLINE_H
#define LIBOS_INIT_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

#define CMDLINE_MAX   1024 /* bytes of start_info.cmd_line, the final zero included */
#define CMDLINE_WORDS (CMDLINE_MAX / 2)

struct cmdline {
    char text[CMDLINE_MAX + 8];    /* the words, unquoted, each with its final zero; then "main" */
    char *argv[CMDLINE_WORDS + 2]; /* argv[0] is the setting name= or "main"; ends with NULL */
    int argc;
    char *envp[CMDLINE_WORDS + 1]; /* NAME=VALUE of the settings env.NAME=VALUE; ends with NULL */
    int envc;
    char *settings[CMDLINE_WORDS]; /* all settings, as written but unquoted */
    int setting_count;
};

/*
 * Parses at most CMDLINE_MAX bytes of line up to its zero. Never fails: an open quote ends with the line, a
 * trailing backslash is itself.
 */
void cor_cmdline_parse(struct cmdline *cmdline, const char *line);

/* The value of setting `name`, "" if it was given without `=`, NULL if not at all; the last one counts. */
const char *cor_cmdline_setting(const struct cmdline *cmdline, const char *name);

/* A number of bytes: decimal digits, then nothing, K, M or G. 0 if text is anything else or too large. */
size_t cor_parse_size(const char *text);

#endif
