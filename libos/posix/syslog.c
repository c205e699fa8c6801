/* SPDX-License-Identifier: MIT */
/* syslog: one line a message on the standard error stream. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static struct {
    const char *ident;
    int options;
    int mask;
} state = {.mask = LOG_UPTO(LOG_DEBUG)};

void openlog(const char *ident, int options, int facility)
{
    (void)facility;
    state.ident = ident;
    state.options = options;
}

void closelog(void)
{
    state.ident = NULL;
    state.options = 0;
}

int setlogmask(int mask)
{
    int old = state.mask;

    if (mask)
        state.mask = mask;
    return old;
}

void vsyslog(int priority, const char *format, va_list args)
{
    char line[1024];
    int saved = errno, used = 0;

    if (!(LOG_MASK(LOG_PRI(priority)) & state.mask))
        return;
    if (state.ident)
        used = snprintf(line, sizeof(line) / 2, "%s: ", state.ident);
    if (used < 0 || (size_t)used >= sizeof(line) / 2)
        used = 0;
    errno = saved; /* for %m, where the C library knows it */
    vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
    if (!*line || line[strlen(line) - 1] != '\n')
        strcat(line, "\n");
    write(STDERR_FILENO, line, strlen(line));
    errno = saved;
}

void syslog(int priority, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsyslog(priority, format, args);
    va_end(args);
}
