/* SPDX-License-Identifier: MIT */
/* Many domains: one after the other, and all at once. */
#include "tests/system/control/scenarios.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "coracle/mem.h"
#include "toolstack/control/reaper.h"
#include "toolstack/control/xenstore.h"

#define ROUNDS 1000u
#define CROWD  200u

#define HEAP_STEP 64u /* pages by which the heap grows */

/*
 * Bytes that malloc has given out. newlib's malloc.h declares the members of struct mallinfo as size_t, its
 * library was made with ints.
 */
struct malloc_information {
    int arena, free_chunks, unused[5], used, free, top;
};
struct malloc_information malloc_information(void) __asm__("mallinfo");

static int malloc_used(void)
{
    return malloc_information().used;
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

/* Rounds of create, run, destroy: half of them end by themselves. */
static bool play_rounds(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct domain_config config = simple("round", "answer", 4096, i % 2 ? "-- \"exit 1\"" : NULL);

        if (!create(&config) || !CHECK(wait_output("round", "\n", PATIENCE))) {
            return false;
        }
        if (i % 2) {
            CHECK(wait_gone("round", PATIENCE));
        } else {
            destroy("round");
        }
    }
    return true;
}

void scenario_rounds(void)
{
    uint64_t before, nodes;
    size_t own;
    int used;

    if (!play_rounds(100)) { /* records, tables and heaps have the size that they keep */
        return;
    }
    before = free_pages();
    nodes = store_node_count(xenstore());
    own = cor_pages_free();
    used = malloc_used();
    play_rounds(ROUNDS);
    CHECK(free_pages() == before);
    CHECK(malloc_used() == used);
    CHECK(own - cor_pages_free() <= HEAP_STEP); /* its pieces lie elsewhere */
    CHECK(store_node_count(xenstore()) == nodes);
}

static const char *crowd_name(unsigned i)
{
    static char name[16];

    snprintf(name, sizeof(name), "d%u", i);
    return name;
}

static bool make_crowd(void)
{
    for (unsigned i = 1; i <= CROWD; i++) {
        struct domain_config config = simple(crowd_name(i), "answer", 4096, NULL);

        if (!create(&config)) {
            return false;
        }
    }
    return true;
}

static void destroy_crowd(void)
{
    for (unsigned i = 1; i <= CROWD; i++) {
        if (domain_find(crowd_name(i))) {
            destroy(crowd_name(i));
        }
    }
}

/* Two hundred domains at once, all of which answer, and what each costs beside its own memory. */
void scenario_crowd(void)
{
    uint64_t before = free_pages(), own = cor_pages_free(), host, control;

    if (!make_crowd()) {
        return;
    }
    for (unsigned i = 1; i <= CROWD; i++) {
        char text[32];

        snprintf(text, sizeof(text), "you %u\n", i);
        type(crowd_name(i), text);
    }
    for (unsigned i = 1; i <= CROWD; i++) {
        char text[32];

        snprintf(text, sizeof(text), "heard you %u\n", i);
        CHECK(wait_output(crowd_name(i), text, PATIENCE));
    }
    host = (before - free_pages()) * 4 / CROWD - 4096;
    control = (own - cor_pages_free()) * 4 / CROWD;
    printf("bench overhead_host %" PRIu64 "\nbench overhead_control %" PRIu64 "\n", host, control);
    CHECK(host + control <= 64);
    destroy_crowd();
    before = free_pages(); /* the hypervisor has kept tables of our own ports, for so many */
    if (make_crowd()) {
        destroy_crowd();
        CHECK(free_pages() == before);
    }
}

/* Domains until no more fit: the last one is refused with figures, leaves nothing, and the others go on. */
void scenario_full(void)
{
    uint64_t before, left;
    struct domain_error error;
    unsigned made = 0;
    char text[32];

    for (unsigned round = 0; round < 2; round++) { /* tables of our own ports stay after the first */
        before = free_pages();
        for (made = 0;; made++) {
            struct domain_config config = simple(crowd_name(made), "answer", 4096, NULL);

            left = free_pages();
            if (!domain_create(&config, &error)) {
                break;
            }
        }
        CHECK(error.error == -ENOMEM);
        CHECK(strstr(error.text, "memory"));
        CHECK(free_pages() == left);
        CHECK(made > 10);
        for (unsigned i = 0; i < made; i += made / 4) {
            snprintf(text, sizeof(text), "round %u\n", round);
            type(crowd_name(i), text);
            snprintf(text, sizeof(text), "heard round %u\n", round);
            CHECK(wait_output(crowd_name(i), text, PATIENCE));
        }
        for (unsigned i = 0; i < made; i++) {
            destroy(crowd_name(i));
        }
    }
    CHECK(free_pages() == before);
}

static bool never(void *unused)
{
    (void)unused;
    return false;
}

/*
 * How long it takes from a request to main(), with more and more domains beside. Run with counted
 * instructions.
 */
void scenario_cost(void)
{
    struct domain_config warm = simple("warm", "answer", 4096, NULL);
    uint64_t first = 0, last = 0, begun;

    /* After the first domain, idle processors scrub what memory held before the start. */
    if (create(&warm)) {
        destroy("warm");
    }
    wait_for(never, NULL, 1);

    for (unsigned i = 1; i <= CROWD; i++) {
        struct domain_config config = simple(crowd_name(i), "answer", 4096, NULL);
        uint64_t took;

        begun = cor_monotonic_ns();
        if (!create(&config) || !CHECK(wait_output(crowd_name(i), "\n", PATIENCE))) {
            return;
        }
        took = main_moment(crowd_name(i)) - begun;
        first = i == 1 ? took : first;
        last = took;
        if (i == 1 || i == 50 || i == 100 || i == 200) {
            printf("bench create_to_main_%u %" PRIu64 "\n", i, took);
        }
    }
    CHECK(first <= 1000000);
    CHECK(last <= first + first / 5);
    begun = cor_monotonic_ns();
    destroy(crowd_name(CROWD));
    printf("bench destroy_%u %" PRIu64 "\n", CROWD, cor_monotonic_ns() - begun);
    destroy_crowd();
}

/* ------------------------------------------------------------------ a large one's end */

#define LARGE_KIB (512u << 10)
#define SOON_NS   2000000u

struct large_end {
    struct reaper_waiter waiter; /* first */
    uint64_t at;
};

static void large_over(struct reaper_waiter *waiter)
{
    ((struct large_end *)waiter)->at = cor_monotonic_ns();
}

static bool large_is_over(void *argument)
{
    return ((struct large_end *)argument)->at;
}

/*
 * While the memory of a large domain goes back, others are served; a new one that needs that memory gets
 * it. The clock counts instructions.
 */
void scenario_large(void)
{
    struct domain_config large = simple("large", "answer", LARGE_KIB, NULL);
    struct domain_config other = simple("other", "answer", 4096, NULL);
    struct large_end end = {.waiter.over = large_over};
    uint64_t before = free_pages(), begun, returned, answered;
    struct domain *domain = create(&large);
    uint16_t number;

    if (!domain || !create(&other) || !CHECK(wait_output("large", "main ", PATIENCE)) ||
        !CHECK(wait_output("other", "main ", PATIENCE))) {
        return;
    }
    number = domain_number(domain);
    begun = cor_monotonic_ns();
    destroy("large");
    returned = cor_monotonic_ns();
    CHECK(!domain_find("large"));
    if (!CHECK(reaper_watch(&end.waiter, number))) {
        return;
    }
    type("other", "hello\n");
    CHECK(wait_output("other", "heard hello", PATIENCE));
    answered = cor_monotonic_ns();
    CHECK(!end.at);
    CHECK(wait_for(large_is_over, &end, PATIENCE));
    printf("bench destroy_512_mib %" PRIu64 "\nbench answer_meanwhile %" PRIu64 "\n", end.at - begun,
           answered - returned);
    CHECK(returned - begun < SOON_NS && answered - returned < SOON_NS);
    CHECK(end.at - begun > 10 * SOON_NS); /* or there was nothing to be in the way */
    large.on_reboot = ACTION_RESTART;
    for (unsigned i = 0; i < 2; i++) {
        if (!create(&large) || !CHECK(wait_output("large", "main ", PATIENCE))) {
            return;
        }
        type("large", "reboot\n");
        CHECK(wait_output("large", "restarted\r\nmain ", PATIENCE));
        destroy("large");
    }
    destroy("other");
    CHECK(free_pages() == before);
}
