/* SPDX-License-Identifier: MIT */
/* Networks of domains: guests that talk to each other, and frontends that break the protocol beside them. */
#include "tests/system/control/scenarios.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "pvboot/abi.h"
#include <xen/io/xenbus.h>
#include "toolstack/backend/net.h"
#include "toolstack/control/xenstore.h"

/* A configuration with one interface. */
static struct domain_config with_vif(struct domain_device *vif, const char *name, const char *kernel,
                                     const char *cmdline, const char *line)
{
    struct domain_config config = simple(name, kernel, 16384, cmdline);

    vif->text = (char *)(uintptr_t)line;
    config.vifs = vif;
    config.nr_vifs = 1;
    return config;
}

static struct domain *start_server(void)
{
    static struct domain_device vif;
    struct domain_config config =
        with_vif(&vif, "server", "echo", "--", "mac=00:16:3e:00:00:01,bridge=lan,ip=10.9.0.1/24,antispoof=1");
    struct domain *domain = create(&config);

    return domain && CHECK(wait_output("server", "echo: TCP", PATIENCE)) ? domain : NULL;
}

/* A guest that talks to the server, and ends. */
static void ask(const char *cmdline, const char *line)
{
    struct domain_device vif;
    struct domain_config config = with_vif(&vif, "client", "netask", cmdline, line);

    config.on_poweroff = ACTION_PRESERVE;
    if (create(&config)) {
        if (!CHECK(wait_output("client", "patient good", PATIENCE)) ||
            !CHECK(wait_output("client", "tcp good", PATIENCE)) ||
            !CHECK(wait_output("client", "udp good", PATIENCE))) {
            show_output("client");
        }
        destroy("client");
    }
}

/* The hypervisor's heap keeps a page or two for what it needs again; a leak would be one a domain. */
#define HEAP_PAGES 2u

static bool has_free(void *pages)
{
    return free_pages() + HEAP_PAGES >= *(const uint64_t *)pages;
}

/* Memory of domains that end comes back piece by piece. */
static void check_free(uint64_t before)
{
    if (!CHECK(wait_for(has_free, &before, PATIENCE))) {
        printf("# %lu pages are free, of %lu\n", free_pages(), before);
    }
}

#define LAN2 "bridge=lan,ip=10.9.0.2/24"

void begin_net(void)
{
    static bool begun;

    if (!begun) {
        netback_init();
        begun = true;
    }
}

static bool is_caught(void *domain)
{
    struct netback_counters counters;

    return !netback_counters(domain_number(domain), 0, &counters) && counters.spoofed >= 3;
}

/* A guest that takes an address which is not its own is heard by nobody. */
static void spoof(void)
{
    struct domain_device vif;
    struct domain_config config = with_vif(&vif, "client", "netask", "ip=10.9.0.2/24 -- 10.9.0.1",
                                           "bridge=lan,ip=10.9.0.3/24,antispoof=1");
    struct domain *client = create(&config);

    if (client) {
        CHECK(wait_for(is_caught, client, PATIENCE));
        CHECK(!wait_output("client", "tcp good", 0));
        destroy("client");
    }
}

/* Two guests on a bridge, with one queue and with several, with and without a limit. */
void scenario_net(void)
{
    struct netback_counters counters;
    struct domain *server;
    uint64_t before;

    begin_net();
    if (!start_server()) {
        show_output("server");
        return;
    }
    ask("netqueues=3 -- 10.9.0.1", LAN2);
    destroy("server");
    before = free_pages(); /* now the hypervisor has what it keeps for our maps and ports */
    server = start_server();
    if (!server) {
        return;
    }
    ask("-- 10.9.0.1", LAN2 ",antispoof=1");
    ask("netqueues=3 -- 10.9.0.1", LAN2);
    ask("-- 10.9.0.1", LAN2 ",rate=40Mb/s");
    spoof();
    CHECK(netback_counters(domain_number(server), 0, &counters) == 0);
    CHECK(counters.tx_bytes > 3 * 512 * 1024 && counters.rx_bytes > 3 * 512 * 1024);
    CHECK(counters.spoofed == 0 && counters.tx_errors == 0);
    destroy("server");
    check_free(before);
}

/* ------------------------------------------------------------------ hot add and remove */

static const char *state_of(const struct domain *domain, unsigned devid)
{
    static char path[96];

    snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/%u/state",
             domain_number((struct domain *)(uintptr_t)domain), devid);
    return store_read(xenstore(), path, NULL);
}

static bool is_connected(void *domain)
{
    const char *state = state_of(domain, 1);

    return state && !strcmp(state, "4");
}

static bool is_removed(void *domain)
{
    return !state_of(domain, 1);
}

void scenario_net_hotplug(void)
{
    struct domain_error error;
    struct domain *server;

    begin_net();
    server = start_server();
    for (unsigned round = 0; server && round < 3; round++) {
        CHECK(netback_add(domain_number(server), "bridge=dmz,ip=10.8.0.1/24", &error) == 1);
        CHECK(wait_for(is_connected, server, PATIENCE));
        ask("-- 10.8.0.1", "bridge=dmz,ip=10.8.0.2/24");
        CHECK(netback_remove(domain_number(server), 1, false, &error) == 0);
        CHECK(wait_for(is_removed, server, PATIENCE));
        ask("-- 10.9.0.1", LAN2); /* the other one is as it was */
    }
    CHECK(server && netback_remove(domain_number(server), 1, false, &error) == -ENOENT);
    destroy("server");
}

/* ------------------------------------------------------------------ bad input */

static void refuse(const char *line, int code, const char *says)
{
    struct domain_device vif;
    struct domain_config config = with_vif(&vif, "bad", "netask", "--", line);
    struct domain_error error = {0};

    CHECK(domain_create(&config, &error) == NULL);
    if (!CHECK(error.error == code) || !CHECK(strstr(error.text, says) != NULL)) {
        printf("# %s: %d, %s\n", line, error.error, error.text);
    }
    CHECK(domain_find("bad") == NULL);
}

void scenario_net_refused(void)
{
    uint64_t before, nodes;

    begin_net();
    if (!start_server()) {
        return;
    }
    before = free_pages();
    nodes = store_node_count(xenstore());
    refuse("mac=00:16:3e:00:00:01,bridge=lan", -EADDRINUSE, "vif 0 of the domain \"server\"");
    refuse("mac=00:16:3e", -EINVAL, "expected a unicast address");
    refuse("rate=fast", -EINVAL, "10Mb/s");
    refuse("bridge=lan,colour=red", -EINVAL, "found \"colour\"");
    check_free(before);
    CHECK(store_node_count(xenstore()) == nodes);
    ask("-- 10.9.0.1", "mac=00:16:3e:00:00:02," LAN2);
    destroy("server");
}

/* ------------------------------------------------------------------ malicious frontends */

static bool has_error(void *number)
{
    char path[80];

    snprintf(path, sizeof(path), "/local/domain/0/error/backend/vif/%u/0/error", *(const uint16_t *)number);
    return store_read(xenstore(), path, NULL) != NULL;
}

/* It is stopped, with an error node, and its neighbours do not notice. */
static void evil(const char *how, bool stopped)
{
    struct domain_device vif;
    char cmdline[32] = "";
    struct domain_config config = with_vif(&vif, "evil", "netevil", cmdline, "bridge=lan");
    struct domain *domain;
    uint16_t number;

    snprintf(cmdline, sizeof(cmdline), "-- %s", how);
    domain = create(&config);
    if (!domain) {
        return;
    }
    number = domain_number(domain);
    if (stopped && !CHECK(wait_for(has_error, &number, PATIENCE))) {
        printf("# %s\n", how);
        show_output("evil");
    }
    if (!strcmp(how, "gone")) {
        CHECK(wait_output("evil", "answered -1", PATIENCE));
        CHECK(wait_output("evil", "answered again -1", PATIENCE));
    }
    if (!strcmp(how, "storm")) {
        CHECK(wait_output("evil", "storm begins", PATIENCE));
    }
    ask("-- 10.9.0.1", LAN2);
    CHECK(stopped == has_error(&number) || !strcmp(how, "change"));
    destroy("evil");
    CHECK(!has_error(&number));
}

void scenario_net_evil(void)
{
    static const struct {
        const char *how;
        bool stopped;
    } ways[] = {{"index", true}, {"back", true},  {"buffers", true}, {"endless", true},
                {"rings", true}, {"gone", false}, {"change", false}, {"storm", false}};
    uint64_t before;

    begin_net();
    if (!start_server()) {
        return;
    }
    evil("storm", false);
    before = free_pages(); /* now the hypervisor has what it keeps for our maps and ports */
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        evil(ways[i].how, ways[i].stopped);
    }
    check_free(before);
    destroy("server");
}
