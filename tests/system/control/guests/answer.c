/* SPDX-License-Identifier: MIT */
/*
 * A domain that answers: says when its main() began (monotonic nanoseconds of the host), obeys its arguments,
 * then lines of its console, as orders: "exit N", "crash", "watchdog", "reboot", "fault", "stackless",
 * "say TEXT", "flood", "storm"; anything else is given back as "heard LINE".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "pvboot/hypercall.h"

static void shut_down(unsigned reason)
{
    struct sched_shutdown shutdown = {.reason = reason};

    fflush(stdout);
    hypercall_sched_op(SCHEDOP_shutdown, &shutdown);
}

/* A fault with a known chain of calls. */
__attribute__((noinline)) static void inner(volatile int *where)
{
    *where = 1;
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void outer(volatile int *where)
{
    inner(where);
    __asm__ volatile("" ::: "memory");
}

static void obey(const char *order)
{
    if (!strncmp(order, "exit ", 5)) {
        exit(atoi(order + 5));
    } else if (!strcmp(order, "crash")) {
        shut_down(SHUTDOWN_crash);
    } else if (!strcmp(order, "watchdog")) {
        shut_down(SHUTDOWN_watchdog);
    } else if (!strcmp(order, "sleep")) {
        struct sched_watchdog watchdog = {.timeout = 1};

        hypercall_sched_op(SCHEDOP_watchdog, &watchdog); /* in a second, unless told again */
        for (;;) {
        }
    } else if (!strcmp(order, "reboot")) {
        shut_down(SHUTDOWN_reboot);
    } else if (!strcmp(order, "fault")) {
        static volatile uintptr_t nowhere = 16;

        outer((volatile int *)nowhere);
    } else if (!strcmp(order, "stackless")) {
        __asm__ volatile("mov $16, %%rsp\n\tud2" ::
                             : "memory"); /* nothing can be delivered: the hypervisor ends it */
    } else if (!strncmp(order, "say ", 4)) {
        printf("%s\n", order + 4);
    } else if (!strcmp(order, "flood")) {
        for (unsigned long i = 0;; i++) {
            printf("flood %lu, and more of what nobody wants to read\n", i);
        }
    } else if (!strcmp(order, "storm")) {
        printf("storm begins\n");
        for (struct evtchn_send send = {.port = 1};; send.port = send.port % 4 + 1) {
            hypercall_event_channel_op(EVTCHNOP_send, &send); /* those that lead to others are among them */
        }
    } else {
        printf("heard %s\n", order);
    }
}

int main(int argc, char **argv)
{
    uint64_t begun = cor_monotonic_ns();
    static char line[4096];

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("main %llu\n", (unsigned long long)begun);
    for (int i = 1; i < argc; i++) {
        obey(argv[i]);
    }
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        obey(line);
    }
    printf("end of input\n");
    return 0;
}
