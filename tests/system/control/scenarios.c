/* SPDX-License-Identifier: MIT */
/* What domains do, one scenario a function. */
#include <stdio.h>
#include <string.h>
#include "tests/system/control/test.h"

/* A domain is made, says something, ends, and is gone; its log stays. */
static void hello(void)
{
    struct domain_config config = simple("hello", "hello", 4096, "-- one \"two words\"");
    uint64_t before = free_pages();

    if (create(&config)) {
        CHECK(wait_gone("hello", 10));
        CHECK(has_output("hello", "Hello from a Coracle domain.\r\nargv[1] = one\r\nargv[2] = two words\r\n"));
        show_output("hello");
        CHECK(free_pages() == before);
    }
}

const struct scenario scenarios[] = {{"hello", hello}, {NULL, NULL}};
