/* SPDX-License-Identifier: MIT */
/*
 * Command lines, and the quoting that each stop on their way needs.
 *
 *   argv of the tool -> a domain's command line -> QEMU's -initrd list or a line of grub.cfg -> the libOS ->
 * argv
 *
 * A domain's command line is one string of at most GUEST_COMMAND_MAX bytes with its final zero
 * (start_info.cmd_line, xen/xen.h). Its words are quoted as a shell would; libos splits them again. Words
 * before "--" are settings of the libOS, words behind it are argv[1] and on.
 */
#ifndef TOOLSTACK_LIB_CMDLINE_H
#define TOOLSTACK_LIB_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

/* MAX_GUEST_CMDLINE of xen/xen.h. */
#define GUEST_COMMAND_MAX 1024

/* A string that grows. Starts as all zero; text is then NULL until something is added. Free with free(text).
 */
struct text {
    char *text;
    size_t length; /* without the final zero */
    size_t size;
};

/* Adds the string, the bytes, the single character, or the formatted text at the end. Exit the process when
 * memory is out. */
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_char(struct text *text, char c);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Adds word to a domain's command line, after a space when it is not the first. A word of harmless characters
 * is added as it is; anything else in single quotes, where a single quote itself is written '\''.
 */
void command_add_word(struct text *command, const char *word);

/* Adds string with each comma doubled, as QEMU's option lists want it. */
void qemu_add_quoted(struct text *option, const char *string);

/*
 * Adds word to a line of grub.cfg, in single quotes that GRUB's script parser takes off again. GRUB then
 * writes the word into the module's command line with quoting of its own, which libos understands too.
 */
void grub_add_word(struct text *line, const char *word);

/*
 * NULL when GRUB hands word on unchanged, else why it does not, as a phrase: GRUB drops empty words, and
 * leaves
 * "\\xHH" without the backslash's own quote.
 */
const char *why_not_through_grub(const char *word);

/* Whether text has the form NAME=VALUE with a name that an environment variable may have. */
bool is_environment_setting(const char *text);

#endif
