/* SPDX-License-Identifier: MIT */
/*
 * Debian's Linux as an ordinary domain: its console, and its drivers of disks and interfaces with our
 * backends. What it does there is told in tests/system/linux/guest.sh; the disks are looked at by
 * test_control.py.
 */
#include "tests/system/control/scenarios.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "pvboot/abi.h"
#include <xen/sched.h>
#include "toolstack/backend/blk.h"
#include "toolstack/backend/net.h"
#include "toolstack/control/xenstore.h"
#include "toolstack/device/device.h"

#define XVDA 51712u
#define XVDB 51728u

/* A command of guest.sh, which must succeed. */
static bool tell(const char *command)
{
    char line[80];

    snprintf(line, sizeof(line), "%s\n", command);
    type("linux", line);
    snprintf(line, sizeof(line), "init: %s ended", command);
    if (!CHECK(wait_output("linux", line, PATIENCE))) {
        printf("# %s\n", command);
        return false;
    }
    snprintf(line, sizeof(line), "init: %s ended 0", command);
    if (!CHECK(has_output("linux", line))) {
        printf("# %s\n", command);
        return false;
    }
    return true;
}

static bool start(void)
{
    static struct domain_device disks[] = {{.text = (char *)"phy:vda,xvda,w,discard"},
                                           {.text = (char *)"phy:vdb,xvdb,r"}};
    static struct domain_device vifs[] = {
        {.text = (char *)"bridge=br0"}, {.text = (char *)"bridge=lan"}, {.text = (char *)"bridge=lan"}};
    struct domain_config config = simple("linux", "linux", 256 * 1024, "console=hvc0 quiet");

    config.ramdisk = (char *)"initramfs";
    config.vcpus = 2;
    config.disks = disks;
    config.nr_disks = 2;
    config.vifs = vifs;
    config.nr_vifs = 3;
    return create(&config) &&
           CHECK(wait_output("linux", "init: runs on Linux with 2 processors in xen", PATIENCE));
}

static bool start_echo(void)
{
    static struct domain_device vif = {.text = (char *)"bridge=lan,ip=10.9.0.1/24"};
    struct domain_config config = simple("server", "echo", 16384, "--");

    config.vifs = &vif;
    config.nr_vifs = 1;
    return create(&config) && CHECK(wait_output("server", "echo: TCP", PATIENCE));
}

/* A large page goes from one interface to another, in frames that are longer than a wire takes. */
static bool check_large_frames(uint16_t domid, unsigned from, unsigned to, const char *command)
{
    struct netback_counters sent, received, before[2];

    CHECK(netback_counters(domid, from, &before[0]) == 0 && netback_counters(domid, to, &before[1]) == 0);
    if (!tell(command)) {
        return false;
    }
    CHECK(netback_counters(domid, from, &sent) == 0 && netback_counters(domid, to, &received) == 0);
    CHECK(sent.tx_bytes - before[0].tx_bytes > 1u << 20);
    CHECK((sent.tx_bytes - before[0].tx_bytes) / (sent.tx_frames - before[0].tx_frames) > 1514);
    CHECK((received.rx_bytes - before[1].rx_bytes) / (received.rx_frames - before[1].rx_frames) > 1514);
    CHECK(sent.tx_errors == 0 && received.rx_errors == 0);
    return true;
}

/* What Linux has chosen of what we offer: two rings of four pages for its two processors. */
static void check_rings(uint16_t domid)
{
    static const struct {
        const char *node, *value;
    } nodes[] = {{"ring-page-order", "2"}, {"multi-queue-num-queues", "2"}, {"feature-persistent", "1"}};

    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        char path[80];
        const char *value;

        snprintf(path, sizeof(path), "/local/domain/%u/device/vbd/%u/%s", domid, XVDA, nodes[i].node);
        value = store_read(xenstore(), path, NULL);
        if (!CHECK(value && !strcmp(value, nodes[i].value))) {
            printf("# %s is %s\n", path, value ? value : "not there");
        }
    }
}

static bool is_removed(void *path)
{
    return !store_read(xenstore(), path, NULL);
}

/* Linux is asked to let go of an interface and a disk, does so, and gets others in their places. */
static void replug(uint16_t domid)
{
    struct domain_error error;
    char path[80];

    CHECK(netback_remove(domid, 1, false, &error) == 0);
    CHECK(blk_detach(domid, XVDB, false, &error) == 0);
    tell("gone eth1 xvdb");
    snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/1/state", domid);
    CHECK(wait_for(is_removed, path, PATIENCE));
    snprintf(path, sizeof(path), "/local/domain/0/backend/vbd/%u/%u/state", domid, XVDB);
    CHECK(wait_for(is_removed, path, PATIENCE));
    CHECK(netback_add(domid, "bridge=lan,devid=1", &error) == 1);
    CHECK(blk_attach(domid, "phy:vdb,xvdb,r", &error) == 0);
    tell("read_only again");
    tell("echoes again");
}

void scenario_linux(void)
{
    struct domain_end end;
    uint16_t domid;

    CHECK(device_init() > 0);
    begin_net();
    blk_backend_init();
    if (!start() || !start_echo()) {
        show_output("linux");
        return;
    }
    domid = domain_number(domain_find("linux"));
    if (!tell("disk 2") || !tell("discard") || !tell("read_only") || !tell("dhcp") || !tell("echoes") ||
        !tell("between") || !check_large_frames(domid, 2, 1, "from_eth2") ||
        !check_large_frames(domid, 1, 2, "from_eth1")) {
        show_output("linux");
        return;
    }
    check_rings(domid);
    replug(domid);
    tell("rebind");
    tell("echoes once more");
    show_output("linux");
    type("linux", "poweroff -f\n");
    CHECK(wait_gone("linux", PATIENCE));
    CHECK(domain_last_end("linux", &end) && end.reason == SHUTDOWN_poweroff);
    destroy("server");
}
