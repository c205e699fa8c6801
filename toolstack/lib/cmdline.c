/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/report.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for extra more bytes and the final zero. */
static void reserve(struct text *text, size_t extra)
{
    size_t size = text->size != 0 ? text->size : 64;
    char *grown;

    while (size < text->length + extra + 1)
        size *= 2;
    if (size == text->size)
        return;
    grown = realloc(text->text, size);
    if (grown == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    text->text = grown;
    text->size = size;
}

void text_add(struct text *text, const char *string)
{
    text_add_bytes(text, string, strlen(string));
}

void text_add_bytes(struct text *text, const char *bytes, size_t length)
{
    reserve(text, length);
    if (length != 0)
        memcpy(text->text + text->length, bytes, length);
    text->length += length;
    text->text[text->length] = '\0';
}

void text_add_char(struct text *text, char c)
{
    reserve(text, 1);
    text->text[text->length++] = c;
    text->text[text->length] = '\0';
}

void text_format(struct text *text, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return;
    reserve(text, (size_t)length);
    va_start(args, format);
    vsnprintf(text->text + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

static bool is_harmless(const char *word)
{
    if (*word == '\0')
        return false;
    for (; *word != '\0'; word++)
        if (!isalnum((unsigned char)*word) && strchr("_-+=.,:/@%", *word) == NULL)
            return false;
    return true;
}

void command_add_word(struct text *command, const char *word)
{
    if (command->length != 0)
        text_add_char(command, ' ');
    if (is_harmless(word)) {
        text_add(command, word);
        return;
    }
    text_add_char(command, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            text_add(command, "'\\''");
        else
            text_add_char(command, *word);
    }
    text_add_char(command, '\'');
}

void qemu_add_quoted(struct text *option, const char *string)
{
    for (; *string != '\0'; string++) {
        if (*string == ',')
            text_add_char(option, ',');
        text_add_char(option, *string);
    }
}

void grub_add_word(struct text *line, const char *word)
{
    text_add(line, " '");
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            text_add(line, "'\\''");
        else
            text_add_char(line, *word);
    }
    text_add_char(line, '\'');
}

const char *why_not_through_grub(const char *word)
{
    if (*word == '\0')
        return "is empty, and GRUB drops empty arguments";
    for (; *word != '\0'; word++)
        if (word[0] == '\\' && word[1] == 'x' && isxdigit((unsigned char)word[2]) &&
            isxdigit((unsigned char)word[3]))
            return "contains \\x and two hexadecimal digits, which GRUB changes";
    return NULL;
}

bool is_environment_setting(const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || isdigit((unsigned char)text[0]))
        return false;
    for (; text < equals; text++)
        if (!isalnum((unsigned char)*text) && *text != '_')
            return false;
    return true;
}
