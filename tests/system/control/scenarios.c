/* SPDX-License-Identifier: MIT */
/* What domains do, one scenario a function. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "tests/system/control/test.h"

/* A domain is made, says something, ends, and is gone; its log stays. */
static void hello(void)
{
    struct domain_config config = simple("hello", "hello", 4096, "-- one \"two words\"");
    uint64_t before = free_pages();

    if (create(&config)) {
        CHECK(wait_gone("hello", 10));
        CHECK(has_output("hello", "Hello from a Coracle domain.\nargv[1] = one\nargv[2] = two words\n"));
        CHECK(free_pages() == before);
    }
}

/* The moment when the domain's main() began, as it says itself. */
static uint64_t main_moment(const char *name)
{
    char bytes[64] = "";
    struct console *console = domain_console(name);
    uint64_t position = 0;

    console_log_read(console_log(console), &position, bytes, sizeof(bytes) - 1);
    return !strncmp(bytes, "main ", 5) ? strtoull(bytes + 5, NULL, 10) : 0;
}

/* How long it takes from a request to main(), with more and more domains beside. */
static void cost(void)
{
    for (unsigned i = 1; i <= 200; i++) {
        char name[16];
        struct domain_config config = simple(name, "answer", 4096, NULL);
        struct domain_info info;
        struct domain *domain;
        uint64_t begun, returned;

        snprintf(name, sizeof(name), "d%u", i);
        begun = cor_monotonic_ns();
        domain = create(&config);
        returned = cor_monotonic_ns();
        if (!domain || !CHECK(wait_output(name, "\n", 10))) {
            return;
        }
        domain_describe(domain, &info);
        if (i < 4 || i == 50 || i == 100 || i == 200) {
            printf("bench create.%u %llu %llu\n", i, (unsigned long long)(main_moment(name) - begun),
                   (unsigned long long)(returned - begun));
        }
    }
}

const struct scenario scenarios[] = {{"hello", hello}, {"cost", cost}, {NULL, NULL}};
