/* SPDX-License-Identifier: MIT */
/* Splitting the command line; see cmdline.h. */
#include "libos/init/cmdline.h"
#include <stdint.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Length of prefix if text begins with it, else 0. */
static size_t starts_with(const char *text, const char *prefix)
{
    size_t i;

    for (i = 0; prefix[i]; i++) {
        if (text[i] != prefix[i]) {
            return 0;
        }
    }
    return i;
}

/*
 * Copies the word at line[*at] without its quotes to *to, and moves both behind it. *plain becomes false if
 * any of it was quoted. Returns the word.
 */
static char *take_word(const char *line, size_t *at, char **to, bool *plain)
{
    char *word = *to, quote = 0;

    *plain = true;
    for (; *at < CMDLINE_MAX && line[*at]; ++*at) {
        char c = line[*at];
        if (quote == 0 && is_blank(c)) {
            break;
        }
        if (c == '\\' && quote != '\'' && *at + 1 < CMDLINE_MAX && line[*at + 1]) {
            *plain = false;
            *(*to)++ = line[++*at];
        } else if (quote ? c == quote : c == '\'' || c == '"') {
            *plain = false;
            quote = quote ? 0 : c;
        } else {
            *(*to)++ = c;
        }
    }
    *(*to)++ = 0;
    return word;
}

/* The words so far turn out to be settings: sorts them into settings and environment. */
static void make_settings(struct cmdline *cmdline)
{
    for (int i = 1; i < cmdline->argc; i++) {
        char *word = cmdline->argv[i];
        size_t skip = starts_with(word, "env.");

        cmdline->settings[cmdline->setting_count++] = word;
        if (skip) {
            cmdline->envp[cmdline->envc++] = word + skip;
        }
    }
    cmdline->argc = 1;
}

void cor_cmdline_parse(struct cmdline *cmdline, const char *line)
{
    char *to = cmdline->text;
    const char *name;
    bool arguments = false; /* `--` has been seen */
    size_t at = 0;

    cmdline->argc = 1;
    cmdline->envc = cmdline->setting_count = 0;
    for (;;) {
        bool plain;
        char *word;

        while (at < CMDLINE_MAX && is_blank(line[at])) {
            at++;
        }
        if (at == CMDLINE_MAX || !line[at]) {
            break;
        }
        word = take_word(line, &at, &to, &plain);
        if (!arguments && plain && word[0] == '-' && word[1] == '-' && !word[2]) {
            arguments = true;
            make_settings(cmdline);
        } else {
            cmdline->argv[cmdline->argc++] = word;
        }
    }
    name = cor_cmdline_setting(cmdline, "name");
    cmdline->argv[0] = (char *)(name ? name : "main");
    cmdline->argv[cmdline->argc] = NULL;
    cmdline->envp[cmdline->envc] = NULL;
}

const char *cor_cmdline_setting(const struct cmdline *cmdline, const char *name)
{
    for (int i = cmdline->setting_count - 1; i >= 0; i--) {
        const char *setting = cmdline->settings[i];
        size_t length = 0;

        while (name[length] && setting[length] == name[length]) {
            length++;
        }
        if (!name[length] && (setting[length] == '=' || !setting[length])) {
            return setting[length] ? setting + length + 1 : "";
        }
    }
    return NULL;
}

size_t cor_parse_size(const char *text)
{
    size_t size = 0;
    unsigned shift = 0;

    for (; *text >= '0' && *text <= '9'; text++) {
        if (size > (SIZE_MAX - 9) / 10) {
            return 0;
        }
        size = size * 10 + (size_t)(*text - '0');
    }
    if (*text == 'K' || *text == 'M' || *text == 'G') {
        shift = *text == 'K' ? 10 : *text == 'M' ? 20 : 30;
        text++;
    }
    return *text || size > SIZE_MAX >> shift ? 0 : size << shift;
}
