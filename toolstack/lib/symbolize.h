/* SPDX-License-Identifier: MIT */
/*
 * Backtraces with names: a line that contains "#N 0xADDRESS" gets the function, file and line of that address
 * behind it, found by addr2line (package binutils) in the image that was booted.
 */
#ifndef TOOLSTACK_LIB_SYMBOLIZE_H
#define TOOLSTACK_LIB_SYMBOLIZE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ELF files with symbols; NULL where there is none. The paths belong to the caller. */
struct symbol_files {
    const char *guest;
    const char *hypervisor;
};

/*
 * Finds an address in line, either as Xen writes it, "[<ADDRESS>]", which counts as frame 0, or as a frame:
 * "#", a decimal number, blanks, "0x" and a hexadecimal address. Returns whether there is one, and sets
 * *address, and *is_first to whether the frame's number is 0.
 */
bool find_frame(const char *line, uint64_t *address, bool *is_first);

/*
 * Prints the line and a line feed to out; a frame gets " function at file:line" behind it when addr2line
 * knows the address. Addresses above the first return address are looked up one byte lower, which is inside
 * the call.
 */
void print_symbolized(const struct symbol_files *files, const char *line, FILE *out);

/*
 * Finds the last backtrace in the length bytes of text (a program's output, which may hold anything): frames
 * from the last one with number 0 on. Prints them to out with their names, after the line "coracle:
 * backtrace:"; nothing when there is none.
 */
void print_last_backtrace(const struct symbol_files *files, const char *text, size_t length, FILE *out);

#endif
