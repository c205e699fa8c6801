/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/host_end.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME     "end.log"
#define CONTEXT_LINES 12 /* before an end without a beginning */

/* What follows the prefix; NULL: the line has another. */
static const char *behind(const char *line, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(line, prefix, length) == 0 ? line + length : NULL;
}

/* ---- reasons ---- */

static void set_reason(struct host_end *end, unsigned at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first reason is it: the rest follows from it. */
static void set_reason(struct host_end *end, unsigned at, const char *format, ...)
{
    va_list args;

    if (end->reason[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(end->reason, sizeof(end->reason), format, args);
    va_end(args);
    end->reason_at = at;
}

static unsigned some_lines_before(unsigned at)
{
    return at > CONTEXT_LINES ? at - CONTEXT_LINES : 0;
}

/* The control domain has shut down, and so will the machine. */
static void shut_down(struct host_end *end, unsigned at, const char *how)
{
    bool orderly = strcmp(how, "poweroff") == 0 || strcmp(how, "reboot") == 0;

    if (orderly && end->status == 0)
        end->in_order = true;
    else if (end->has_backtrace)
        set_reason(end, end->message_at, "its control domain crashed: %s", end->message);
    else if (orderly)
        set_reason(end, some_lines_before(at), "its control domain ended with status %d", end->status);
    else
        set_reason(end, some_lines_before(at), "its control domain ended: %s", how);
}

static void hypervisor_says(struct host_end *end, unsigned at, const char *text)
{
    const char *rest;

    if (behind(text, "PANIC: ") != NULL || behind(text, "hypervisor fault") != NULL)
        set_reason(end, at, "its hypervisor failed: %s", text);
    else if ((rest = behind(text, "d0: crashed: ")) != NULL)
        set_reason(end, at, "its control domain crashed: %s", rest);
    else if ((rest = behind(text, "d0: exit status ")) != NULL)
        end->status = atoi(rest);
    else if ((rest = behind(text, "d0: the initial domain has ended: ")) != NULL)
        shut_down(end, at, rest);
}

/* Lines of registers (libos/xen/traps.c), which follow the message. */
static bool is_of_registers(const char *text)
{
    static const char *const first[] = {"rip 0x", "rax ", "rsi ", "r9  ", "r13 "};

    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        if (behind(text, first[i]) != NULL)
            return true;
    return false;
}

static void control_says(struct host_end *end, unsigned at, const char *line)
{
    const char *text = behind(line, "coracle: ");
    uint64_t address;
    bool is_first;

    if (text != NULL && !is_of_registers(text)) {
        snprintf(end->message, sizeof(end->message), "%s", text);
        end->message_at = at;
        end->has_backtrace = false;
    } else if (end->message[0] != '\0' && find_frame(line, &address, &is_first)) {
        end->has_backtrace = true;
    }
}

/* ---- lines ---- */

static void take_line(struct host_end *end)
{
    unsigned at = end->nr_lines++;
    char **place = &end->kept[at % HOST_END_LINES];
    const char *text;

    end->line[end->length] = '\0';
    end->length = 0;
    free(*place);
    *place = strdup(end->line);
    text = behind(end->line, "(coracle) ");
    if (text != NULL)
        hypervisor_says(end, at, text);
    else
        control_says(end, at, end->line);
}

void host_end_read(struct host_end *end, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n')
            take_line(end);
        else if (bytes[i] != '\r' && end->length < HOST_END_LINE)
            end->line[end->length++] = (unsigned char)bytes[i] < ' ' ? '.' : bytes[i];
    }
}

/* ---- the file ---- */

/* The reason and its lines. */
static void write_all(const struct host_end *end, const struct symbol_files *symbols, FILE *file)
{
    unsigned oldest = end->nr_lines > HOST_END_LINES ? end->nr_lines - HOST_END_LINES : 0;
    unsigned first = end->reason_at > oldest ? end->reason_at : oldest;

    fprintf(file, "%s\n", end->reason);
    for (unsigned i = first; i < end->nr_lines; i++) {
        const char *line = end->kept[i % HOST_END_LINES];

        if (line != NULL && behind(line, "(coracle) timeline: ") == NULL)
            print_symbolized(symbols, line, file);
    }
}

/* Whoever reads it finds all of it, or nothing. */
static void write_file(const struct host_end *end, const struct host_place *place,
                       const struct symbol_files *symbols)
{
    char *path = host_file(place, FILE_NAME), *part = host_file(place, FILE_NAME ".part");
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (file != NULL)
        write_all(end, symbols, file);
    if (file == NULL || fclose(file) != 0 || rename(part, path) != 0)
        report("cannot write %s: %s", path, strerror(errno));
    free(path);
    free(part);
}

void host_end_write(struct host_end *end, const struct host_place *place, const struct symbol_files *symbols,
                    const char *otherwise)
{
    if (end->length != 0)
        take_line(end);
    if (!end->in_order)
        set_reason(end, some_lines_before(end->nr_lines), "%s", otherwise);
    if (end->reason[0] != '\0') {
        report("the host '%s' has ended: %s", place->name, end->reason);
        write_file(end, place, symbols);
    }
    for (unsigned i = 0; i < HOST_END_LINES; i++)
        free(end->kept[i]);
    *end = (struct host_end){0};
}

char *host_end_reason(const struct host_place *place)
{
    char *reason = host_read(place, FILE_NAME);

    if (reason != NULL && reason[0] != '\0')
        return reason;
    free(reason);
    return NULL;
}

bool host_end_tell(const struct host_place *place)
{
    char *reason = host_end_reason(place);
    bool known = reason != NULL;

    if (known)
        report("the host '%s' has ended: %s; %s/" FILE_NAME " says more", place->name, reason,
               place->directory);
    free(reason);
    return known;
}

void host_end_forget(const struct host_place *place)
{
    char *path = host_file(place, FILE_NAME);

    if (unlink(path) != 0 && errno != ENOENT)
        report("cannot remove %s: %s", path, strerror(errno));
    free(path);
}
