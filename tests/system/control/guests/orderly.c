/* SPDX-License-Identifier: MIT */
/*
 * A domain that can be asked to end. Arguments: "wait" sleeps in pause(), "busy" computes, "handler" has a
 * handler for SIGTERM that ends with status 7, "deaf" ignores it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void goodbye(void)
{
    printf("goodbye\n");
}

static void handler(int signo)
{
    printf("signal %d\n", signo);
    exit(7);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "wait";

    atexit(goodbye);
    if (!strcmp(how, "handler")) {
        signal(SIGTERM, handler);
    } else if (!strcmp(how, "deaf")) {
        signal(SIGTERM, SIG_IGN);
    }
    printf("main %s\n", how);
    fflush(stdout);
    for (volatile unsigned long i = 0;; i++) {
        if (strcmp(how, "busy") != 0) {
            pause();
        }
    }
}
