/* SPDX-License-Identifier: MIT */
/* The control domain's start: an ordered list, then the event loop. */
#include "toolstack/control/loop.h"

int main(void)
{
    loop_run();
}
