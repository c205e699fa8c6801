/* SPDX-License-Identifier: MIT */
/* Tables for people: columns as wide as their widest cell, two blanks between them, numbers at the right. */
#ifndef TOOLSTACK_LIB_TABLE_H
#define TOOLSTACK_LIB_TABLE_H

#include "toolstack/lib/cmdline.h"

#include <stdbool.h>

#define TABLE_COLUMNS_MAX 12

/* Starts as all zero. Free with table_free. */
struct table {
    unsigned nr_columns, nr_cells;
    bool at_right[TABLE_COLUMNS_MAX];
    char **cells; /* row by row; the first row are the headings */
};

/* Adds a column before any cell. at_right: its cells are numbers. */
void table_column(struct table *table, const char *heading, bool at_right);

/* Adds the next cell, row by row. Control characters of the text are shown as '?'. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the whole table to output. A line has no blanks at its end. */
void table_format(const struct table *table, struct text *output);

/* Prints it to stdout and frees it. */
void table_print(struct table *table);

void table_free(struct table *table);

#endif
