/* SPDX-License-Identifier: MIT */
/*
 * A domain beside bad neighbours. Lines of its console: "ticks" sleeps again and again and says that it woke;
 * "work N" executes 2 N instructions and says how many nanoseconds passed;
 * anything else is given back as "heard LINE".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "coracle/clock.h"

#define TICKS   20
#define TICK_NS 10000000

static void ticks(void)
{
    unsigned good = 0;

    for (unsigned i = 0; i < TICKS; i++) {
        struct timespec tick = {.tv_nsec = TICK_NS};
        uint64_t begun = cor_monotonic_ns();

        nanosleep(&tick, NULL);
        good += cor_monotonic_ns() - begun >= TICK_NS;
    }
    printf("ticks %u\n", good);
}

static void work(uint64_t rounds)
{
    uint64_t begun = cor_monotonic_ns();

    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(rounds));
    printf("worked %" PRIu64 " ns\n", cor_monotonic_ns() - begun);
}

int main(void)
{
    static char line[256];

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("main\n");
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "ticks")) {
            ticks();
        } else if (!strncmp(line, "work ", 5)) {
            work(strtoull(line + 5, NULL, 10));
        } else {
            printf("heard %s\n", line);
        }
    }
    return 0;
}
