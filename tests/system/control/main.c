/* SPDX-License-Identifier: MIT */
/* The frame of the scenarios; see test.h. */
#include "tests/system/control/scenarios.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "tests/bench/split/split.h"
#include "toolstack/control/archive.h"
#include "toolstack/control/reaper.h"
#include "toolstack/control/xc.h"

/* Those that measure run only when they are named. */
static const struct {
    const char *name;
    void (*run)(void);
    bool named_only;
} scenarios[] = {
    {"hello", scenario_hello, false},
    {"refused", scenario_refused, false},
    {"obey", scenario_obey, false},
    {"long_line", scenario_long_line, false},
    {"restart", scenario_restart, false},
    {"storm", scenario_storm, false},
    {"preserve", scenario_preserve, false},
    {"destroy", scenario_destroy, false},
    {"crash", scenario_crash, false},
    {"flood", scenario_flood, false},
    {"storms", scenario_storms, false},
    {"readers", scenario_readers, false},
    {"rounds", scenario_rounds, false},
    {"large", scenario_large, false},
    {"crowd", scenario_crowd, false},
    {"ends", scenario_ends, false},
    {"deaf", scenario_deaf, false},
    {"balloon", scenario_balloon, false},
    {"grow", scenario_grow, false},
    {"storeuser", scenario_storeuser, false},
    {"given", scenario_given, true},
    {"cost", scenario_cost, true},
    {"full", scenario_full, false},
    {"autostart", scenario_autostart, false},
    {"net", scenario_net, true},
    {"net_hotplug", scenario_net_hotplug, true},
    {"net_refused", scenario_net_refused, true},
    {"net_evil", scenario_net_evil, true},
    {"grub", scenario_grub, true},
    {"evil_blkback", scenario_evil_blkback, true},
    {"linux", scenario_linux, true},
    {"attack_vcpus", scenario_attack_vcpus, true},
    {"attack_events", scenario_attack_events, true},
    {"attack_ports", scenario_attack_ports, true},
    {"attack_grants", scenario_attack_grants, true},
    {"attack_maps", scenario_attack_maps, true},
    {"attack_code", scenario_attack_code, true},
    {"attack_vm86", scenario_attack_vm86, true},
    {"attack_tables", scenario_attack_tables, true},
    {"attack_store", scenario_attack_store, true},
    {"attack_console", scenario_attack_console, true},
    {"fuzz", scenario_fuzz, true},
    {"bench_net", scenario_bench_net, true},
    {"bench_syn", scenario_bench_syn, true},
    {"bench_idle", scenario_bench_idle, true},
    {"bench_blk", scenario_bench_blk, true},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

#define LOOK (SECOND / 20)

static const char *current;
static unsigned failures;

bool check(bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        printf("not ok %s: %s (%s:%d)\n", current, what, file, line);
        failures++;
    }
    return holds;
}

bool wait_for(bool (*done)(void *argument), void *argument, unsigned seconds)
{
    uint64_t now = cor_monotonic_ns(), deadline = now + seconds * SECOND;

    /* Not all that is waited for (free memory, for one) comes with an event of ours: a look now and then. */
    while (!done(argument) && now < deadline) {
        loop_turn(now + LOOK < deadline ? now + LOOK : deadline);
        now = cor_monotonic_ns();
    }
    return done(argument);
}

static bool is_gone(void *argument)
{
    return !domain_find(argument);
}

bool wait_gone(const char *name, unsigned seconds)
{
    return wait_for(is_gone, (void *)(uintptr_t)name, seconds);
}

bool has_output(const char *name, const char *text)
{
    static char bytes[CONSOLE_LOG_MAX + 1];
    struct console *console = domain_console(name);
    uint64_t position = 0;
    size_t length;

    if (!console) {
        return false;
    }
    length = console_log_read(console_log(console), &position, bytes, CONSOLE_LOG_MAX);
    bytes[length] = 0;
    return strstr(bytes, text) != NULL;
}

void show_output(const char *name)
{
    static char bytes[CONSOLE_LOG_MAX];
    struct console *console = domain_console(name);
    uint64_t position = 0;
    size_t length = console ? console_log_read(console_log(console), &position, bytes, sizeof(bytes)) : 0;

    printf("# output of %s:\n", name);
    fwrite(bytes, 1, length, stdout);
    printf("# end of the output of %s\n", name);
}

struct expected {
    const char *name, *text;
};

static bool has_expected(void *argument)
{
    const struct expected *expected = argument;

    return has_output(expected->name, expected->text);
}

bool wait_output(const char *name, const char *text, unsigned seconds)
{
    struct expected expected = {name, text};

    return wait_for(has_expected, &expected, seconds);
}

struct domain_config simple(const char *name, const char *kernel, uint64_t memory_kib, const char *cmdline)
{
    return (struct domain_config){.name = (char *)(uintptr_t)name,
                                  .kernel = (char *)(uintptr_t)kernel,
                                  .memory_kib = memory_kib,
                                  .cmdline = (char *)(uintptr_t)cmdline};
}

struct domain *create(const struct domain_config *config)
{
    struct domain_error error;
    struct domain *domain = domain_create(config, &error);

    if (!domain) {
        printf("# %s: %s\n", config->name, error.text);
    }
    CHECK(domain != NULL);
    return domain;
}

uint16_t domain_number(struct domain *domain)
{
    struct domain_info info;

    domain_describe(domain, &info);
    return info.domid;
}

void destroy(const char *name)
{
    struct domain *domain = domain_find(name);

    if (CHECK(domain != NULL)) {
        CHECK(domain_destroy(domain, NULL) == 0);
    }
}

struct typing {
    struct console_attachment attachment;
    const char *rest;
};

static bool typed_all(void *argument)
{
    struct typing *typing = argument;

    typing->rest += console_write(&typing->attachment, typing->rest, strlen(typing->rest));
    return !*typing->rest;
}

void type(const char *name, const char *text)
{
    struct typing typing = {.rest = text};

    console_attach(domain_console(name), &typing.attachment, false);
    CHECK(wait_for(typed_all, &typing, PATIENCE));
    console_detach(&typing.attachment);
}

uint64_t free_pages(void)
{
    struct xen_sysctl_physinfo host;

    reaper_wait();
    return xc_physinfo(&host) ? 0 : host.free_pages;
}

static int argument_count;
static char **arguments;

uint64_t option(const char *name, uint64_t otherwise)
{
    size_t length = strlen(name);

    for (int i = 1; i < argument_count; i++) {
        if (!strncmp(arguments[i], name, length) && arguments[i][length] == '=') {
            return strtoull(arguments[i] + length + 1, NULL, 10);
        }
    }
    return otherwise;
}

/* The scenarios that the arguments name, or all. */
static bool wanted(const char *name)
{
    for (int i = 1; i < argument_count; i++) {
        if (!strcmp(arguments[i], name)) {
            return true;
        }
    }
    return argument_count < 2;
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;

    argument_count = argc;
    arguments = argv;
    current = "start";
    if (!CHECK(domains_init() == 0) || !CHECK(archive_images() == 0)) {
        return 1;
    }
    for (size_t i = 0; i < SCENARIOS; i++) {
        if (wanted(scenarios[i].name) && (argc > 1 || !scenarios[i].named_only)) {
            current = scenarios[i].name;
            failures = 0;
            scenarios[i].run();
            passed += failures == 0;
            failed += failures != 0;
            if (!failures) {
                printf("ok %s\n", current);
            }
        }
    }
    printf("done: %u passed, %u failed\n", passed, failed);
    return failed != 0;
}
