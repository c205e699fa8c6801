/* SPDX-License-Identifier: MIT */
/*
 * A domain that answers: says when its main() began (monotonic nanoseconds of the host), then obeys lines of
 * its console: "exit N", "crash", "reboot", "spin"; anything else is given back as "heard LINE".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "coracle/clock.h"

int main(int argc, char **argv)
{
    uint64_t begun = cor_monotonic_ns();
    static char line[2048];

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("main %llu\n", (unsigned long long)begun);
    if (argc > 1 && !strcmp(argv[1], "exit")) {
        return argc > 2 ? atoi(argv[2]) : 0;
    }
    while (fgets(line, sizeof(line), stdin)) {
        if (!strncmp(line, "exit ", 5)) {
            return atoi(line + 5);
        }
        if (!strcmp(line, "crash\n")) {
            abort();
        }
        printf("heard %s", line);
    }
    printf("end of input\n");
    return 0;
}
