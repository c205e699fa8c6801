/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/timeline.h"

#include <inttypes.h>
#include <string.h>

#define NAME_SIZE 32

static const char line_start[] = "(coracle) timeline: ";

bool is_timeline(const char *line)
{
    return strncmp(line, line_start, strlen(line_start)) == 0;
}

void timeline_learn_rate(struct timeline *timeline, const char *line)
{
    uint64_t khz;

    if (sscanf(line, "(coracle) clock: TSC %" SCNu64 " kHz", &khz) == 1)
        timeline->tsc_khz = khz;
}

void timeline_print_line(struct timeline *timeline, const char *line, FILE *out)
{
    char name[NAME_SIZE];
    uint64_t tsc, waited;

    if (timeline->tsc_khz == 0 ||
        sscanf(line + strlen(line_start), "%31s tsc=%" SCNu64 " waited=%" SCNu64, name, &tsc, &waited) != 3) {
        fprintf(out, "%s\n", line);
        return;
    }
    if (!timeline->begun)
        fprintf(out, "boot timeline            since start   of it waiting for clocks\n");
    timeline->begun = true;
    for (char *at = name; *at != '\0'; at++)
        if (*at == '_')
            *at = ' ';
    fprintf(out, "  %-20s %10.2f ms %10.2f ms\n", name, (double)tsc / (double)timeline->tsc_khz,
            (double)waited / (double)timeline->tsc_khz);
}
