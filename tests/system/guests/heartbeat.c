/* SPDX-License-Identifier: MIT */
/*
 * Shows that it goes on: "busy" counts for ever and says so, "idle" waits for lines and answers
 * (tests/system/test_machine_errors.py).
 *
 * run: args=idle stdin="a line\n" out="^heard a line$"
 */
#include <stdio.h>
#include <string.h>

#define ROUNDS 2000000ul

static _Noreturn void busy(void)
{
    for (unsigned long beat = 1;; beat++) {
        for (volatile unsigned long i = 0; i < ROUNDS; i++) {
        }
        printf("beat %lu\n", beat);
    }
}

static void idle(void)
{
    char line[64];

    puts("waits");
    while (fgets(line, sizeof(line), stdin)) {
        printf("heard %s", line);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2 || (strcmp(argv[1], "busy") != 0 && strcmp(argv[1], "idle") != 0)) {
        fprintf(stderr, "heartbeat: expected busy or idle\n");
        return 2;
    }
    if (argv[1][0] == 'b') {
        busy();
    }
    idle();
    return 0;
}
