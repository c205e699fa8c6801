/* SPDX-License-Identifier: MIT */
/* The smallest program: says hello and shows its arguments. */
#include <stdio.h>

int main(int argc, char **argv)
{
    printf("Hello from a Coracle domain.\n");
    for (int i = 1; i < argc; i++)
        printf("argv[%d] = %s\n", i, argv[i]);
    return 0;
}
