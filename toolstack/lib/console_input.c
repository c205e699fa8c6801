/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/console_input.h"

#define END_OF_FILE 0x04
#define QUOTE       0x16
#define COMMAND_KEY 0x01
#define INTERRUPT   0x03

void console_input_quote(struct text *output, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == END_OF_FILE || bytes[i] == QUOTE)
            text_add_char(output, QUOTE);
        text_add_char(output, bytes[i]);
    }
}

void console_input_end(struct text *output)
{
    text_add_char(output, END_OF_FILE);
}

bool console_input_keys(struct console_keys *keys, struct text *output, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool escaped = keys->escaped;

        keys->escaped = !escaped && bytes[i] == COMMAND_KEY;
        if (keys->escaped)
            continue;
        if (escaped && bytes[i] == 'x')
            return true;
        if (bytes[i] == INTERRUPT && ++keys->interrupts == 2)
            return true;
        if (escaped && bytes[i] != COMMAND_KEY)
            text_add_char(output, COMMAND_KEY);
        text_add_char(output, bytes[i]);
    }
    return false;
}
