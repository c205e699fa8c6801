/* SPDX-License-Identifier: MIT */
/*
 * Figures of the split drivers, from the control domain's place: one guest, or two, netback and blkback with
 * a trivial peer and a trivial disk behind them. With counted instructions and one processor
 * (tests/bench/run).
 */
#include "tests/bench/split/split.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/split/load.h"
#include "tests/bench/split/peer.h"
#include "tests/system/control/test.h"
#include "toolstack/backend/blk.h"
#include "toolstack/backend/net.h"
#include "toolstack/device/blkdev.h"

#define UNWATCHED 0x7ff0u /* no domain's number */
#define IDLE_MOST 150000u /* instructions in 10 s: a wake and what it does, not ten a second */
#define CLIENT    "mac=00:16:3e:00:00:02,bridge=lan,ip=10.9.0.2" LOAD_NETWORK
#define SERVER    "mac=00:16:3e:00:00:01,bridge=lan,ip=" LOAD_SERVER LOAD_NETWORK

/* ------------------------------------------------------------------ domains */

static void begin(void)
{
    static bool begun;

    if (!begun) {
        netback_init();
        begun = true;
    }
}

static struct domain *start(const char *name, const char *kernel, const char *cmdline, const char *vif,
                            const char *disk)
{
    struct domain_config config = simple(name, kernel, 16384, cmdline);
    struct domain_device devices[2] = {{.text = (char *)(uintptr_t)vif}, {.text = (char *)(uintptr_t)disk}};

    config.vifs = &devices[0];
    config.nr_vifs = 1;
    config.disks = &devices[1];
    config.nr_disks = disk != NULL;
    config.on_poweroff = config.on_crash = ACTION_PRESERVE;
    if (!strcmp(kernel, "httpd")) {
        config.ramdisk = (char *)(uintptr_t) "site";
    }
    return create(&config);
}

static bool is_done(void *unused)
{
    (void)unused;
    return peer_is_done();
}

/* A guest that makes load, beside a server (NULL: none), until it is done; it stays. False: it did not. */
static bool load(const char *what, struct domain *server, const char *disk)
{
    char cmdline[32];
    struct domain *guest;
    bool done = false;

    snprintf(cmdline, sizeof(cmdline), "-- %s", what);
    guest = start("guest", "load", cmdline, CLIENT, disk);
    if (guest && CHECK(peer_join("lan"))) {
        peer_watch(domain_number(guest), server ? domain_number(server) : UNWATCHED);
        done = CHECK(wait_for(is_done, NULL, 60));
        if (!done) {
            show_output("guest");
        }
        peer_leave();
    }
    return done;
}

/* ------------------------------------------------------------------ network */

static void datagrams(void)
{
    load("datagrams", NULL, NULL);
    destroy("guest");
}

static void with_server(const char *what, const char *kernel, const char *cmdline, const char *says)
{
    struct domain *server = start("server", kernel, cmdline, SERVER, NULL);

    if (server && CHECK(wait_output("server", says, 60))) {
        load(what, server, NULL);
        destroy("guest");
    }
    destroy("server");
}

void scenario_bench_net(void)
{
    begin();
    datagrams();
    with_server("stream", "load", "-- serve", "load: serving");
    with_server("requests", "httpd", NULL, "httpd: serving");
}

static bool has_answered(void *unused)
{
    (void)unused;
    return peer_answered() != 0;
}

static bool never(void *unused)
{
    (void)unused;
    return false;
}

/* From the request for a web server's domain to its first SYN and ACK. */
void scenario_bench_syn(void)
{
    static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0, 0, 1}, address[4] = {10, 9, 0, 1};
    uint64_t begun;

    begin();
    for (unsigned round = 0; round < 2; round++) {
        wait_for(never, NULL, 1); /* an idle processor scrubs what the domains before have left */
        begun = cor_monotonic_ns();
        if (start("server", "httpd", NULL, SERVER, NULL) && CHECK(peer_join("lan"))) {
            peer_knock(mac, address, 80);
            if (CHECK(wait_for(has_answered, NULL, 60)) && round) {
                printf("bench create_to_syn %" PRIu64 "\n", peer_answered() - begun);
            }
            peer_leave();
        }
        destroy("server");
    }
}

static bool is_alive(struct domain *domain)
{
    struct domain_info info;

    domain_describe(domain, &info);
    return info.state == DOMAIN_RUNNING;
}

/*
 * A web server with a network that nobody uses: what it takes of ten seconds, and how often it runs, by the
 * time that a wake takes, once everything about addresses is settled.
 */
void scenario_bench_idle(void)
{
    struct domain *server;
    uint64_t before;

    begin();
    server = start("server", "httpd", NULL, SERVER, NULL);
    if (server && CHECK(wait_output("server", "httpd: serving", 60))) {
        wait_for(never, NULL, 20);
        before = peer_used(domain_number(server));
        wait_for(never, NULL, 10);
        before = peer_used(domain_number(server)) - before;
        printf("bench idle_second %" PRIu64 "\n", before / 10);
        if (!CHECK(before <= IDLE_MOST) || !CHECK(is_alive(server))) {
            show_output("server");
        }
    }
    destroy("server");
}

/* ------------------------------------------------------------------ disk */

#define STARTS 1024u
#define DEPTH  32u

static uint64_t starts[STARTS]; /* when the disk was asked */
static unsigned nr_starts;

/* A disk that does all that it is asked in its next turn, and keeps nothing. */
static struct blkdev memory_disk;
static struct blk_request *asked[DEPTH];
static unsigned nr_asked;
static struct loop_task disk_turn;

static void do_requests(struct loop_task *task)
{
    (void)task;
    for (unsigned i = 0; i < nr_asked; i++) {
        blkdev_done(&memory_disk, asked[i], 0);
    }
    nr_asked = 0;
    blkdev_resume(&memory_disk);
}

static int start_request(struct blkdev *dev, struct blk_request *request)
{
    (void)dev;
    if (nr_asked == DEPTH) {
        return -EAGAIN;
    }
    if (nr_starts < STARTS) {
        starts[nr_starts++] = cor_monotonic_ns();
    }
    asked[nr_asked++] = request;
    loop_post(&disk_turn);
    return 0;
}

static void stop(struct blkdev *dev)
{
    (void)dev;
}

static void add_disk(void)
{
    static const struct blkdev_ops ops = {.start = start_request, .stop = stop};

    memory_disk = (struct blkdev){.driver = "none",
                                  .sectors = 65536,
                                  .sector_size = BLKDEV_SECTOR,
                                  .max_segments = 64,
                                  .max_sectors = 1024,
                                  .dma_bits = 64,
                                  .ops = &ops};
    disk_turn.run = do_requests;
    blkdev_add(&memory_disk, "mem");
}

/*
 * The guest's line about its reads that were alone: START, and the sums since then of the moments when they
 * began and ended. The disk was asked for the first of them after one for another read.
 */
static void print_ways(void)
{
    char text[512];
    uint64_t position = 0, start_ns, began, ended, sum = 0;
    size_t length = console_log_read(console_log(domain_console("guest")), &position, text, sizeof(text) - 1);
    const char *line;
    unsigned rounds = 64;

    text[length] = 0;
    line = strstr(text, "load: start");
    if (CHECK(line) && CHECK(sscanf(line, "load: start %" SCNu64 " began %" SCNu64 " ended %" SCNu64,
                                    &start_ns, &began, &ended) == 3)) {
        unsigned first = 0;

        while (first < nr_starts && starts[first] < start_ns) {
            first++;
        }
        for (unsigned i = first; i < first + rounds; i++) {
            sum += starts[i] - start_ns;
        }
        printf("bench blk_out %" PRIu64 "\nbench blk_in %" PRIu64 "\n", (sum - began) / rounds,
               (ended - sum) / rounds);
    }
}

void scenario_bench_blk(void)
{
    begin();
    blk_backend_init();
    add_disk();
    if (load("disk", NULL, "phy:mema,xvda,w")) {
        print_ways();
    }
    destroy("guest");
}
