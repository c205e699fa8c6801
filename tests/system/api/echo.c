/* SPDX-License-Identifier: MIT */
/* A domain for the API's tests: repeats lines, or talks without end. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    char line[200];

    if (argc > 1 && strcmp(argv[1], "flood") == 0) {
        for (unsigned i = 0;; i++) {
            printf("line %u\n", i);
        }
    }
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n") != 0) {
        printf("got: %s", line);
        fflush(stdout);
    }
    puts("bye");
    return 0;
}
