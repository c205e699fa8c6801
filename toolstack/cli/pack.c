/* SPDX-License-Identifier: MIT */
#include "toolstack/cli/cli.h"
int verb_pack(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 1;
}
