/* SPDX-License-Identifier: MIT */
/* One domain's life: it is made, obeys, ends in all the ways that there are, and leaves nothing. */
#include "tests/system/control/scenarios.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvboot/abi.h"
#include <xen/sched.h>
#include "coracle/clock.h"
#include "toolstack/control/archive.h"
#include "toolstack/control/xenstore.h"

void scenario_hello(void)
{
    struct domain_config config = simple("hello", "hello", 4096, "-- one \"two words\"");
    uint64_t before = free_pages();

    if (create(&config)) {
        CHECK(wait_gone("hello", PATIENCE));
        CHECK(has_output("hello", "Hello from a Coracle domain.\nargv[1] = one\nargv[2] = two words\n"));
        CHECK(free_pages() == before);
    }
}

/* ------------------------------------------------------------------ what cannot be made */

static void refused(const struct domain_config *config, int expected, const char *text)
{
    struct domain_error error = {0};
    uint64_t free = free_pages(), nodes = store_node_count(xenstore());

    if (!CHECK(!domain_create(config, &error)) || !CHECK(error.error == expected) ||
        !CHECK(strstr(error.text, text))) {
        printf("# expected %d \"%s\", found %d \"%s\"\n", expected, text, error.error, error.text);
    }
    CHECK(free_pages() == free);
    CHECK(store_node_count(xenstore()) == nodes);
}

void scenario_refused(void)
{
    static char broken[] = "no ELF file at all, but long enough to hold the header of one: 64 bytes";
    struct domain_config good = simple("good", "answer", 4096, NULL), bad = good;
    char line[2000];

    bad.name = (char *)"a b";
    refused(&bad, -EINVAL, "name");
    bad = good;
    bad.name = (char *)"17";
    refused(&bad, -EINVAL, "digits");
    bad = good;
    bad.kernel = (char *)"missing";
    refused(&bad, -ENOENT, "missing");
    bad = good;
    bad.ramdisk = (char *)"missing";
    refused(&bad, -ENOENT, "ramdisk");
    bad = good;
    bad.memory_kib = 1024;
    refused(&bad, -EINVAL, "KiB");
    bad.memory_kib = 1ull << 30;
    refused(&bad, -ENOMEM, "not enough memory");
    bad = good;
    bad.vcpus = 3;
    bad.max_vcpus = 2;
    refused(&bad, -EINVAL, "vcpus");
    bad = good;
    bad.cpus = (char *)"200";
    refused(&bad, -EINVAL, "cpus");
    bad = good;
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = 0;
    bad.cmdline = line;
    refused(&bad, -EINVAL, "command line");
    CHECK(image_add_static("broken", broken, sizeof(broken)) == 0);
    bad = good;
    bad.kernel = (char *)"broken";
    refused(&bad, -EINVAL, "ELF");
    CHECK(image_remove("broken") == 0);
    good.uuid[0] = 1;
    if (create(&good)) {
        refused(&good, -EEXIST, "already");
        bad = good;
        bad.name = (char *)"other";
        refused(&bad, -EEXIST, "uuid");
        CHECK(image_remove("answer") == -EBUSY);
        destroy("good");
    }
}

/* ------------------------------------------------------------------ orders */

void scenario_obey(void)
{
    struct domain_config config = simple("obey", "answer", 4096, NULL);
    struct domain_info info;
    struct domain_end end;
    struct domain *domain = create(&config);

    if (!domain || !CHECK(wait_output("obey", "main ", PATIENCE))) {
        return;
    }
    type("obey", "first\nsecond\n");
    CHECK(wait_output("obey", "heard first\nheard second\n", PATIENCE));
    CHECK(domain_pause(domain, NULL) == 0);
    type("obey", "third\n");
    CHECK(!wait_output("obey", "heard third\n", 1));
    domain_describe(domain, &info);
    CHECK(info.state == DOMAIN_PAUSED && info.memory_kib == 4096 && info.vcpus == 1);
    CHECK(info.overhead_kib > 0 && info.overhead_kib <= 64);
    CHECK(info.main_ns > info.created_ns && info.main_ns < cor_monotonic_ns());
    CHECK(info.cpu_ns > 0 && info.cpu_ns < cor_monotonic_ns() - info.created_ns);
    CHECK(domain_unpause(domain, NULL) == 0);
    CHECK(wait_output("obey", "heard third\n", PATIENCE));
    CHECK(domain_rename(domain, "renamed", NULL) == 0);
    CHECK(!domain_find("obey") && domain_find("renamed") == domain);
    CHECK(domain_schedule(domain, 512, ~0u, NULL) == 0);
    CHECK(domain_pin(domain, ~0u, "0", NULL) == 0);
    CHECK(domain_pin(domain, 1, "0", NULL) == -EINVAL);
    CHECK(domain_pin(domain, 0, "5", NULL) == -EINVAL);
    type("renamed", "exit 7\n");
    CHECK(wait_gone("renamed", PATIENCE));
    CHECK(domain_last_end("renamed", &end) && end.reason == SHUTDOWN_poweroff && end.exit_status == 7);
    CHECK(has_output("renamed", "heard third\n"));
}

/* A long line passes both rings, which are smaller than it. */
void scenario_long_line(void)
{
    struct domain_config config = simple("long", "answer", 4096, NULL);
    static char line[3500], expected[3600];

    if (!create(&config) || !CHECK(wait_output("long", "main ", PATIENCE))) {
        return;
    }
    for (unsigned i = 0; i < sizeof(line) - 2; i++) {
        line[i] = (char)('a' + i % 26);
    }
    line[sizeof(line) - 2] = '\n';
    type("long", line);
    snprintf(expected, sizeof(expected), "heard %s", line);
    CHECK(wait_output("long", expected, PATIENCE));
    destroy("long");
}

/* ------------------------------------------------------------------ ends */

struct ends {
    struct domain_observer observer;
    unsigned ended, gone, reasons[8];
};

static void note_end(struct domain_observer *observer, const char *name, struct domain *domain,
                     const struct domain_end *end)
{
    struct ends *ends = (struct ends *)observer;

    (void)name;
    if (end && domain && ends->ended < 8) {
        ends->reasons[ends->ended++] = end->reason;
    }
    ends->gone += !domain;
}

void scenario_restart(void)
{
    struct domain_config config = simple("again", "answer", 4096, NULL);
    struct ends ends = {.observer.changed = note_end};
    uint64_t before = free_pages();
    struct domain *domain;
    uint16_t first;

    config.on_reboot = ACTION_RESTART;
    domain = create(&config);
    if (!domain || !CHECK(wait_output("again", "main ", PATIENCE))) {
        return;
    }
    domain_observe(&ends.observer);
    first = domain_number(domain);
    type("again", "reboot\n");
    CHECK(wait_output("again", "again was restarted", PATIENCE));
    CHECK(wait_output("again", "restarted\r\nmain ", PATIENCE));
    CHECK(domain_find("again") == domain && domain_number(domain) != first);
    type("again", "exit 3\n");
    CHECK(wait_gone("again", PATIENCE));
    CHECK(ends.ended == 2 && ends.reasons[0] == SHUTDOWN_reboot && ends.reasons[1] == SHUTDOWN_poweroff);
    CHECK(ends.gone == 1);
    domain_unobserve(&ends.observer);
    CHECK(free_pages() == before);
}

/* It reboots as soon as it runs, again and again: that is given up. */
void scenario_storm(void)
{
    struct domain_config config = simple("storm", "answer", 4096, "-- reboot");
    uint64_t before = free_pages();

    config.on_reboot = ACTION_RESTART;
    if (create(&config)) {
        CHECK(wait_gone("storm", PATIENCE));
        CHECK(has_output("storm", "5 times in a row: not restarted again"));
        CHECK(free_pages() == before);
    }
}

static bool is_shut_down(void *domain)
{
    struct domain_info info;

    domain_describe(domain, &info);
    return info.state == DOMAIN_SHUTDOWN;
}

void scenario_preserve(void)
{
    struct domain_config config = simple("keep", "answer", 4096, NULL);
    struct domain_info info;
    struct domain_end end;
    struct domain *domain;

    config.on_poweroff = ACTION_PRESERVE;
    domain = create(&config);
    if (!domain || !CHECK(wait_output("keep", "main ", PATIENCE))) {
        return;
    }
    CHECK(!domain_last_end("keep", &end));
    type("keep", "exit 9\n");
    CHECK(wait_for(is_shut_down, domain, PATIENCE));
    CHECK(!wait_gone("keep", 1));
    domain_describe(domain, &info);
    CHECK(info.state == DOMAIN_SHUTDOWN && info.end.ended && info.end.reason == SHUTDOWN_poweroff);
    CHECK(domain_pause(domain, NULL) == -EINVAL);
    CHECK(domain_shutdown(domain, false, NULL) == -EINVAL);
    destroy("keep");
    CHECK(domain_last_end("keep", &end) && end.reason == SHUTDOWN_poweroff);
}

void scenario_destroy(void)
{
    struct domain_config config = simple("victim", "answer", 4096, NULL);
    struct domain_end end;
    uint64_t before = free_pages(), nodes = store_node_count(xenstore());

    config.paused = true;
    if (create(&config)) {
        CHECK(!wait_output("victim", "main ", 1));
        destroy("victim");
        CHECK(!domain_find("victim"));
        CHECK(domain_last_end("victim", &end) && end.reason == DOMAIN_DESTROYED);
        CHECK(free_pages() == before);
        CHECK(store_node_count(xenstore()) == nodes);
    }
}

/* ------------------------------------------------------------------ crashes */

/* hypervisor: whether it is the one that ends the domain. */
static void crash(const char *name, const char *order, unsigned reason, bool hypervisor)
{
    struct domain_config config = simple(name, "answer", 8192, NULL);
    struct domain_end end;
    const char *record;
    char typed[32];

    config.vcpus = 2;
    CHECK(domain_crash_record(name) == NULL);
    if (!create(&config) || !CHECK(wait_output(name, "main ", PATIENCE))) {
        return;
    }
    snprintf(typed, sizeof(typed), "%s\n", order);
    type(name, typed);
    CHECK(wait_gone(name, PATIENCE));
    CHECK(domain_last_end(name, &end) && end.reason == reason);
    record = domain_crash_record(name);
    if (CHECK(record != NULL)) {
        CHECK(strstr(record, "vCPU 0, kernel mode"));
        CHECK(strstr(record, "  rip 0000000000"));
        CHECK(strstr(record, "  stack: "));
        CHECK(strstr(record, "  #0 0x4"));
        CHECK(hypervisor || strstr(record, "  #2 0x4")); /* more than the place and its caller */
        CHECK(!strstr(record, "hypervisor: ") == !hypervisor);
        printf("# %s", record);
    }
}

void scenario_crash(void)
{
    crash("crashes", "crash", SHUTDOWN_crash, false);
    crash("faults", "fault", SHUTDOWN_crash, false);
    crash("killed", "stackless", SHUTDOWN_crash, true);
    crash("bitten", "watchdog", SHUTDOWN_watchdog, false);
    crash("late", "sleep", SHUTDOWN_watchdog, false);
}

/* ------------------------------------------------------------------ the boot archive */

struct order {
    struct domain_observer observer;
    char names[64];
};

static void note_start(struct domain_observer *observer, const char *name, struct domain *domain,
                       const struct domain_end *end)
{
    struct order *order = (struct order *)observer;

    if (domain && !end && strlen(order->names) + strlen(name) + 2 < sizeof(order->names)) {
        strcat(order->names, name);
        strcat(order->names, " ");
    }
}

/* Its configurations start in order of file name; those that are wrong are passed over. */
void scenario_autostart(void)
{
    struct order order = {.observer.changed = note_start};

    domain_observe(&order.observer);
    CHECK(archive_autostart() == 0);
    CHECK(wait_output("third", "main ", PATIENCE));
    domain_unobserve(&order.observer);
    if (!CHECK(!strcmp(order.names, "first third "))) {
        printf("# %s\n", order.names);
    }
    CHECK(wait_output("first", "heard as it was told\n", PATIENCE));
    destroy("first");
    destroy("third");
}
