/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/table.h"
#include "toolstack/lib/report.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

/* Takes over text. */
static void add_cell(struct table *table, char *text)
{
    table->cells = reallocarray(table->cells, table->nr_cells + 1, sizeof(*table->cells));
    if (table->cells == NULL || text == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    for (char *c = text; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    table->cells[table->nr_cells++] = text;
}

void table_column(struct table *table, const char *heading, bool at_right)
{
    table->at_right[table->nr_columns++] = at_right;
    add_cell(table, strdup(heading));
}

void table_cell(struct table *table, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    add_cell(table, text);
}

void table_format(const struct table *table, struct text *output)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};

    for (unsigned i = 0; i < table->nr_cells; i++) {
        size_t width = strlen(table->cells[i]);

        if (width > widths[i % table->nr_columns])
            widths[i % table->nr_columns] = width;
    }
    for (unsigned i = 0; i < table->nr_cells; i++) {
        unsigned column = i % table->nr_columns;
        int width = (int)widths[column];

        text_format(output, "%*s", table->at_right[column] ? width : -width, table->cells[i]);
        if (column + 1 < table->nr_columns) {
            text_format(output, "%*s", GAP, "");
            continue;
        }
        while (output->length != 0 && output->text[output->length - 1] == ' ')
            output->length--;
        text_add_char(output, '\n');
    }
}

void table_print(struct table *table)
{
    struct text output = {0};

    table_format(table, &output);
    fwrite(output.text, 1, output.length, stdout);
    free(output.text);
    table_free(table);
}

void table_free(struct table *table)
{
    for (unsigned i = 0; i < table->nr_cells; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}
