/* SPDX-License-Identifier: MIT */
/* A program that knows files alone, and copies what stands on its disk to the console. */
#include <stdio.h>

int main(int argc, char **argv)
{
    FILE *file = fopen(argc > 1 ? argv[1] : "/dev/xvda", "r");
    char line[100];

    if (!file || !fgets(line, sizeof(line), file)) {
        perror("the disk");
        return 1;
    }
    printf("read: %s", line);
    return 0;
}
