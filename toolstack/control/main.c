/* SPDX-License-Identifier: MIT */
/* The control domain's start: an ordered list, then the event loop. */
#include <stdio.h>
#include <string.h>
#include "toolstack/control/domain.h"
#include "toolstack/control/loop.h"

/* A step that must not fail: without it there is no host. */
static bool step(const char *what, int error)
{
    if (error) {
        printf("control: %s cannot start: %s\n", what, strerror(-error));
    }
    return !error;
}

int main(void)
{
    if (!step("the life cycle of domains", domains_init())) {
        return 1;
    }
    loop_run();
}
