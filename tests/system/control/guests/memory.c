/* SPDX-License-Identifier: MIT */
/*
 * A domain that tells its pages when asked: "pages"; takes memory: "take MIB"; and checks what it took:
 * "check".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/mem.h"

#define MIB (1ul << 20)

static unsigned char *taken;
static unsigned long size;

int main(void)
{
    char line[64];

    printf("main\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        if (!strncmp(line, "pages", 5)) {
            printf("has %lu\n", (unsigned long)cor_pages_total());
        } else if (!strncmp(line, "take ", 5)) {
            size = strtoul(line + 5, NULL, 10) * MIB;
            taken = malloc(size);
            for (unsigned long i = 0; taken && i < size; i += 64) {
                taken[i] = (unsigned char)(i >> 12);
            }
            printf("%s %lu\n", taken ? "taken" : "no memory for", size / MIB);
        } else if (!strncmp(line, "check", 5)) {
            unsigned long bad = 0;
            for (unsigned long i = 0; taken && i < size; i += 64) {
                bad += taken[i] != (unsigned char)(i >> 12);
            }
            printf("%lu MiB, %lu bad\n", size / MIB, bad);
        }
        fflush(stdout);
    }
    return 0;
}
