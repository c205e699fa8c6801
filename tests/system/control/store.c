/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of what goes through the store: orderly ends, memory at run time, and a domain that uses it
 * itself.
 */
#include <stdio.h>
#include <string.h>
#include "pvboot/abi.h"
#include <xen/sched.h>
#include "tests/system/control/scenarios.h"
#include "toolstack/control/xenstore.h"

/* ------------------------------------------------------------------ orderly ends */

/* A domain that is asked to end, does so as its arguments say. */
static void ask_to_end(const char *how, bool reboot, const char *last_words)
{
    char arguments[32] = "", begun[32];
    struct domain_config config = simple("orderly", "orderly", 4096, arguments);
    uint64_t before = free_pages();
    struct domain_end end;
    struct domain *domain;

    snprintf(arguments, sizeof(arguments), "-- %s", how);
    snprintf(begun, sizeof(begun), "main %s", how);
    config.on_reboot = ACTION_DESTROY;
    domain = create(&config);
    if (!domain || !CHECK(wait_output("orderly", begun, PATIENCE))) {
        return;
    }
    CHECK(domain_shutdown(domain, reboot, NULL) == 0);
    CHECK(wait_gone("orderly", PATIENCE));
    CHECK(has_output("orderly", last_words));
    CHECK(has_output("orderly", "goodbye")); /* atexit's functions have run */
    CHECK(domain_last_end("orderly", &end) && end.reason == (reboot ? SHUTDOWN_reboot : SHUTDOWN_poweroff));
    CHECK(free_pages() == before);
}

void scenario_ends(void)
{
    ask_to_end("wait", false, "goodbye");
    ask_to_end("wait", true, "goodbye");
    ask_to_end("busy", false, "goodbye");
    ask_to_end("handler", false, "signal 15");
}

static bool is_empty(void *path)
{
    const char *value = store_read(xenstore(), path, NULL);

    return value && !*value;
}

/* One that does not want to: it has heard it, as its node shows, and goes on. */
void scenario_deaf(void)
{
    struct domain_config config = simple("deaf", "orderly", 4096, "-- deaf");
    struct domain *domain = create(&config);
    char path[64];

    if (!domain || !CHECK(wait_output("deaf", "main deaf", PATIENCE))) {
        return;
    }
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domain_number(domain));
    CHECK(domain_shutdown(domain, false, NULL) == 0);
    CHECK(wait_for(is_empty, path, PATIENCE));
    CHECK(!wait_gone("deaf", 1));
    destroy("deaf");
}

/* ------------------------------------------------------------------ memory */

static uint64_t wanted_free;

static bool is_free(void *unused)
{
    (void)unused;
    return free_pages() == wanted_free;
}

static bool is_more_free(void *unused)
{
    (void)unused;
    return free_pages() > wanted_free;
}

void scenario_balloon(void)
{
    struct domain_config config = simple("balloon", "memory", 16 * 1024, NULL);
    uint64_t before;
    struct domain *domain = create(&config);

    if (!domain || !CHECK(wait_output("balloon", "main", PATIENCE))) {
        return;
    }
    before = free_pages();
    CHECK(domain_set_memory(domain, 8 * 1024, NULL) == 0);
    wanted_free = before + 2048;
    CHECK(wait_for(is_free, NULL, PATIENCE));
    type("balloon", "pages\n");
    CHECK(wait_output("balloon", "has 2048", PATIENCE));
    type("balloon", "take 12\n"); /* more than there is */
    CHECK(wait_output("balloon", "no memory for 12", PATIENCE));
    type("balloon", "take 4\n");
    CHECK(wait_output("balloon", "taken 4", PATIENCE));
    CHECK(domain_set_memory(domain, 1024, NULL) == 0); /* less than it uses: what it uses stays */
    CHECK(wait_for(is_more_free, NULL, PATIENCE));
    CHECK(!wait_gone("balloon", 1));
    type("balloon", "check\n");
    CHECK(wait_output("balloon", "4 MiB, 0 bad", PATIENCE));
    CHECK(free_pages() > wanted_free && free_pages() < wanted_free + 1024);
    CHECK(domain_set_memory(domain, 16 * 1024, NULL) == 0);
    wanted_free = before;
    CHECK(wait_for(is_free, NULL, PATIENCE));
    type("balloon", "pages\n");
    CHECK(wait_output("balloon", "has 4096", PATIENCE));
    type("balloon", "take 9\n");
    CHECK(wait_output("balloon", "taken 9", PATIENCE));
    type("balloon", "check\n");
    CHECK(wait_output("balloon", "9 MiB, 0 bad", PATIENCE));
    destroy("balloon");
}

/* A domain grows beyond what it was built with, up to its limit, and shrinks again. */
void scenario_grow(void)
{
    struct domain_config config = simple("grow", "memory", 8 * 1024, NULL);
    uint64_t before;
    struct domain *domain;

    config.max_memory_kib = 20 * 1024;
    domain = create(&config);
    if (!domain || !CHECK(wait_output("grow", "main", PATIENCE))) {
        return;
    }
    before = free_pages();
    CHECK(domain_set_memory(domain, 24 * 1024, NULL) != 0); /* above the limit */
    CHECK(domain_set_memory(domain, 20 * 1024, NULL) == 0);
    wanted_free = before - 3072;
    CHECK(wait_for(is_free, NULL, PATIENCE));
    type("grow", "pages\n");
    CHECK(wait_output("grow", "has 5120", PATIENCE));
    type("grow", "take 16\n");
    CHECK(wait_output("grow", "taken 16", PATIENCE));
    type("grow", "check\n");
    CHECK(wait_output("grow", "16 MiB, 0 bad", PATIENCE));
    destroy("grow");

    domain = create(&config);
    if (!domain || !CHECK(wait_output("grow", "main", PATIENCE))) {
        return;
    }
    CHECK(domain_set_memory(domain, 20 * 1024, NULL) == 0);
    CHECK(wait_for(is_free, NULL, PATIENCE));
    CHECK(domain_set_memory(domain, 6 * 1024, NULL) == 0);
    wanted_free = before + 512;
    CHECK(wait_for(is_free, NULL, PATIENCE));
    CHECK(domain_set_memory(domain, 12 * 1024, NULL) == 0);
    wanted_free = before - 1024;
    CHECK(wait_for(is_free, NULL, PATIENCE));
    type("grow", "take 9\n");
    CHECK(wait_output("grow", "taken 9", PATIENCE));
    type("grow", "check\n");
    CHECK(wait_output("grow", "9 MiB, 0 bad", PATIENCE));
    destroy("grow");
}

/* ------------------------------------------------------------------ a domain's own use */

void scenario_storeuser(void)
{
    struct domain_config config = simple("user", "storeuser", 8192, NULL);
    uint64_t nodes = store_node_count(xenstore());
    struct domain *domain = create(&config);
    char path[64];

    if (!domain || !CHECK(wait_output("user", "good cor_store_watch", PATIENCE))) {
        show_output("user");
        return;
    }
    snprintf(path, sizeof(path), "/local/domain/%u/data/answer", domain_number(domain));
    CHECK(store_printf(xenstore(), path, "%d", 42) == 0);
    xenstore_changed();
    CHECK(wait_output("user", "done", PATIENCE));
    if (!CHECK(!has_output("user", "bad "))) {
        show_output("user");
    }
    snprintf(path, sizeof(path), "/local/domain/%u/data/both", domain_number(domain));
    CHECK(store_read(xenstore(), path, NULL) && !strcmp(store_read(xenstore(), path, NULL), "1"));
    ask_to_end("wait", false, "goodbye"); /* it asks as fast as it can: another is served all the same */
    destroy("user");
    CHECK(store_node_count(xenstore()) == nodes);
}
