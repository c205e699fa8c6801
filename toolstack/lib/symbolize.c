/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/symbolize.h"
#include "toolstack/lib/process.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The hypervisor's part of every address space (xen/arch-x86/xen-x86_64.h: HYPERVISOR_VIRT_START and _END).
 */
#define HYPERVISOR_START 0xffff800000000000
#define HYPERVISOR_END   0xffff880000000000

#define ADDRESS_TEXT_MAX 24
#define ANSWER_MAX       512

/* "[<0000000000401106>]", as stock Xen prints the instruction pointer and its own call traces. */
static bool find_bracketed(const char *line, uint64_t *address)
{
    const char *mark = strstr(line, "[<");
    char *end;

    if (mark == NULL || !isxdigit((unsigned char)mark[2]))
        return false;
    *address = strtoull(mark + 2, &end, 16);
    return strncmp(end, ">]", 2) == 0;
}

bool find_frame(const char *line, uint64_t *address, bool *is_first)
{
    if (find_bracketed(line, address)) {
        *is_first = true;
        return true;
    }
    for (const char *mark = strchr(line, '#'); mark != NULL; mark = strchr(mark + 1, '#')) {
        char *end;
        unsigned long number;

        if (!isdigit((unsigned char)mark[1]))
            continue;
        number = strtoul(mark + 1, &end, 10);
        if (*end != ' ')
            continue;
        end += strspn(end, " ");
        if (strncmp(end, "0x", 2) != 0 || !isxdigit((unsigned char)end[2]))
            continue;
        *address = strtoull(end + 2, NULL, 16);
        *is_first = number == 0;
        return true;
    }
    return false;
}

/*
 * Asks addr2line. Its answer is one line "main at /src/app.c:12", with "??" for what it does not know.
 * Returns false when nothing useful came.
 */
static bool look_up(const char *file, uint64_t address, char *answer, size_t size)
{
    char text[ADDRESS_TEXT_MAX];
    const char *argv[] = {"addr2line", "-f", "-p", "-s", "-e", file, text, NULL};
    size_t length;

    snprintf(text, sizeof(text), "0x%" PRIx64, address);
    length = process_read_output(argv, answer, size - 1);
    answer[length] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    return answer[0] != '\0' && strncmp(answer, "??", 2) != 0;
}

/*
 * A line of Coracle's own stack trace: "(coracle) trace" and up to four addresses of its text. Each is
 * printed with its name on a line of its own. Returns whether it was one.
 */
static bool print_trace(const struct symbol_files *files, const char *line, FILE *out)
{
    static const char start[] = "(coracle) trace ";
    char answer[ANSWER_MAX], *end;
    uint64_t address;

    if (strncmp(line, start, strlen(start)) != 0 || files->hypervisor == NULL)
        return false;
    for (const char *at = line + strlen(start); *at != '\0'; at = end) {
        address = strtoull(at, &end, 16);
        if (end == at)
            break;
        if (!look_up(files->hypervisor, address - 1, answer, sizeof(answer)))
            answer[0] = '\0';
        fprintf(out, "%s0x%" PRIx64 "  %s\n", start, address, answer);
    }
    return true;
}

void print_symbolized(const struct symbol_files *files, const char *line, FILE *out)
{
    char answer[ANSWER_MAX];
    const char *file;
    uint64_t address;
    bool is_first;

    if (print_trace(files, line, out))
        return;
    if (find_frame(line, &address, &is_first)) {
        file = address >= HYPERVISOR_START && address < HYPERVISOR_END ? files->hypervisor : files->guest;
        /* A return address may already belong to the next line or function. */
        if (!is_first && address != 0)
            address--;
        if (file != NULL && look_up(file, address, answer, sizeof(answer))) {
            fprintf(out, "%s  %s\n", line, answer);
            return;
        }
    }
    fprintf(out, "%s\n", line);
}

/* Copies the line that starts at text[*at] and moves *at behind it. Bytes that a terminal would act on become
 * dots. */
static void take_line(const char *text, size_t length, size_t *at, char *line, size_t size)
{
    size_t used = 0;

    for (; *at < length && text[*at] != '\n'; (*at)++)
        if (used + 1 < size && text[*at] != '\r')
            line[used++] = isprint((unsigned char)text[*at]) ? text[*at] : '.';
    line[used] = '\0';
    (*at)++;
}

void print_last_backtrace(const struct symbol_files *files, const char *text, size_t length, FILE *out)
{
    char line[256] = "";
    size_t start = length;
    uint64_t address;
    bool is_first;

    for (size_t at = 0; at < length;) {
        size_t begin = at;

        take_line(text, length, &at, line, sizeof(line));
        if (find_frame(line, &address, &is_first) && is_first)
            start = begin;
    }
    if (start < length)
        fprintf(out, "coracle: backtrace:\n");
    while (start < length) {
        take_line(text, length, &start, line, sizeof(line));
        if (find_frame(line, &address, &is_first))
            print_symbolized(files, line, out);
    }
}
