/* SPDX-License-Identifier: MIT */
/*
 * Bad neighbours: while domains attack, another one is served and others come and go; and when the attackers
 * are destroyed, all that they held is back. With counted=1 (the machine's clock counts instructions) the
 * victim has its share of the processor, too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvboot/abi.h"
#include "pvboot/hypercall.h"
#include <xen/event_channel.h>
#include "coracle/clock.h"
#include "coracle/mem.h"
#include "tests/system/control/attack_page.h"
#include "tests/system/control/scenarios.h"
#include "toolstack/control/domain_internal.h"
#include "toolstack/control/xenstore.h"

#define WORK       100000000 /* instructions of the victim's work */
#define SHARE_LEFT 95        /* percent of its fair share that the victim gets at least */
#define ATTACKERS  2u

#define BEGINS "attack begins"

struct attack {
    const char *kernel, *cmdline, *says; /* when it has begun, and all that can be had is taken */
    unsigned vcpus;
    uint64_t memory_kib;
};

/* ------------------------------------------------------------------ what is there */

/* Ports of ours that are not free. */
static unsigned own_ports(void)
{
    struct evtchn_status status = {.dom = DOMID_SELF};
    unsigned used = 0;

    for (status.port = 1; !hypercall_event_channel_op(EVTCHNOP_status, &status); status.port++) {
        used += status.status != EVTCHNSTAT_closed;
    }
    return used;
}

struct inventory {
    uint64_t pages, nodes;
    unsigned ports;
};

static struct inventory inventory(void)
{
    return (struct inventory){free_pages(), store_node_count(xenstore()), own_ports()};
}

/* Is all back but at most `kept` pages? */
static bool same(const struct inventory *before, uint64_t kept)
{
    struct inventory now = inventory();

    if (now.pages > before->pages || now.pages + kept < before->pages || now.nodes != before->nodes ||
        now.ports != before->ports) {
        printf("# free pages %" PRIu64 " and %" PRIu64 ", nodes %" PRIu64 " and %" PRIu64
               ", ports %u and %u\n",
               before->pages, now.pages, before->nodes, now.nodes, before->ports, now.ports);
        return false;
    }
    return true;
}

static uint8_t *shared_page(const struct domain *domain)
{
    return domain->rings + COR_PAGE_SIZE;
}

/* What an attacker has done so far: calls that it counted, bytes that it said. */
static uint64_t progress(const char *name)
{
    struct domain *domain = domain_find(name);
    uint64_t done = 0;

    if (!domain || !domain->rings) {
        return 0;
    }
    for (unsigned i = 0; i < ATTACK_COUNTERS; i++) {
        done += ((volatile uint64_t *)(shared_page(domain) + ATTACK_COUNT_OFFSET))[i];
    }
    return done + console_log(domain->console)->end;
}

/* ------------------------------------------------------------------ the victim */

/* Nanoseconds that the victim's work took; 0: it did not come to an end. */
static uint64_t work(void)
{
    static char bytes[CONSOLE_LOG_MAX + 1];
    const struct console_log *log = console_log(domain_console("victim"));
    uint64_t position = log->end;
    static unsigned times;
    char line[48], answer[32];
    const char *worked;

    snprintf(line, sizeof(line), "work %u\ndone %u\n", WORK / 2, ++times);
    snprintf(answer, sizeof(answer), "heard done %u\n", times);
    type("victim", line);
    if (!CHECK(wait_output("victim", answer, PATIENCE))) {
        return 0;
    }
    bytes[console_log_read(log, &position, bytes, CONSOLE_LOG_MAX)] = 0;
    worked = strstr(bytes, "worked ");
    return CHECK(worked != NULL) ? strtoull(worked + 7, NULL, 10) : 0;
}

/* It answers, it wakes when it should, it computes. rivals: domains that want the processor beside it. */
static void is_served(unsigned rivals)
{
    static unsigned questions;
    uint64_t took;

    for (unsigned i = 0; i < 10; i++) {
        char text[32], answer[64];

        snprintf(text, sizeof(text), "are you there %u\n", ++questions);
        snprintf(answer, sizeof(answer), "heard %s", text);
        type("victim", text);
        if (!CHECK(wait_output("victim", answer, PATIENCE))) {
            return;
        }
    }
    type("victim", "ticks\n");
    CHECK(wait_output("victim", "ticks 20\n", PATIENCE));
    took = work();
    if (took && option("counted", 0)) {
        printf("# %u instructions took the victim %" PRIu64 " ns beside %u\n", WORK, took, rivals);
        CHECK((uint64_t)WORK * (rivals + 1) * 100 / SHARE_LEFT >= took);
    }
}

/* ------------------------------------------------------------------ an attack */

static const char *attacker_name(unsigned i)
{
    static const char *const names[ATTACKERS] = {"attacker1", "attacker2"};

    return names[i];
}

static struct domain_config attacker(const struct attack *attack, unsigned i)
{
    struct domain_config config =
        simple(attacker_name(i), attack->kernel, attack->memory_kib, attack->cmdline);

    config.max_vcpus = config.vcpus = attack->vcpus;
    return config;
}

/* Tells each attacker the other one's domid. */
static void introduce(void)
{
    for (unsigned i = 0; i < ATTACKERS; i++) {
        const struct domain *domain = domain_find(attacker_name(i));
        struct domain *other = domain_find(attacker_name((i + 1) % ATTACKERS));

        *(volatile uint32_t *)(shared_page(domain) + ATTACK_PARTNER_OFFSET) = domain_number(other) + 1u;
    }
}

static void let(const char *name, uint32_t what)
{
    const struct domain *domain = domain_find(name);

    if (domain) {
        *(volatile uint32_t *)(shared_page(domain) + ATTACK_GO_OFFSET) = what;
    }
}

static bool make_all(const struct attack *attack)
{
    struct domain_config victim = simple("victim", "victim", 4096, NULL);

    if (!create(&victim)) {
        return false;
    }
    for (unsigned i = 0; i < ATTACKERS; i++) {
        struct domain_config config = attacker(attack, i);

        if (!create(&config)) {
            return false;
        }
    }
    introduce();
    return true;
}

static void destroy_all(void)
{
    for (unsigned i = 0; i < ATTACKERS; i++) {
        destroy(attacker_name(i));
    }
    destroy("victim");
}

/* Another domain comes, answers, and goes. */
static void others_come_and_go(void)
{
    struct domain_config more = simple("more", "answer", 4096, NULL);

    if (create(&more)) {
        CHECK(wait_output("more", "main ", PATIENCE));
        type("more", "hello\n");
        CHECK(wait_output("more", "heard hello\n", PATIENCE));
        destroy("more");
    }
}

/* All run, and the attackers have begun. */
static bool begin(const struct attack *attack)
{
    if (!make_all(attack) || !CHECK(wait_output("victim", "main\n", PATIENCE))) {
        return false;
    }
    for (unsigned i = 0; i < ATTACKERS; i++) {
        let(attacker_name(i), ATTACK_GO_TAKE);
        if (!CHECK(wait_output(attacker_name(i), attack->says, PATIENCE))) {
            show_output(attacker_name(i));
            return false;
        }
    }
    for (unsigned i = 0; i < ATTACKERS; i++) {
        let(attacker_name(i), ATTACK_GO_ATTACK);
    }
    return true;
}

static void run(const struct attack *attack)
{
    uint64_t done[ATTACKERS];
    struct inventory before;

    if (!begin(attack)) {
        return;
    }
    others_come_and_go();
    destroy_all(); /* heaps and tables, ours and the hypervisor's, have the size that they keep */
    before = inventory();
    if (!begin(attack)) {
        return;
    }
    for (unsigned i = 0; i < ATTACKERS; i++) {
        done[i] = progress(attacker_name(i));
    }
    is_served(ATTACKERS + 1); /* the attackers and we, who serve them */
    others_come_and_go();
    for (unsigned i = 0; i < ATTACKERS; i++) {
        uint64_t now = progress(attacker_name(i));

        printf("# %s: %" PRIu64 " more calls or bytes\n", attacker_name(i), now - done[i]);
        if (!CHECK(now > done[i])) { /* it does attack */
            show_output(attacker_name(i));
        }
    }
    destroy_all();
    CHECK(same(&before, 0));
}

void scenario_attack_vcpus(void)
{
    run(&(struct attack){"attacker", "vcpus", "128 vCPUs run", 128, 4096});
}

void scenario_attack_events(void)
{
    run(&(struct attack){"attacker", "events", BEGINS, 4, 4096});
}

void scenario_attack_ports(void)
{
    run(&(struct attack){"attacker", "ports", "all ports are taken", 4, 4096});
}

void scenario_attack_grants(void)
{
    run(&(struct attack){"attacker", "grants", BEGINS, 4, 4096});
}

/* The attackers map each other's pages, and end in either order while they hold all that they can. */
void scenario_attack_maps(void)
{
    static const struct attack attack = {"attacker", "maps", "no handle is left", 4, 4096};
    struct inventory before;

    run(&attack);
    before = inventory();
    if (!begin(&attack)) {
        return;
    }
    destroy(attacker_name(1));
    is_served(2);
    CHECK(progress(attacker_name(0)) > 0);
    destroy(attacker_name(0));
    destroy("victim");
    CHECK(same(&before, 0));
}

void scenario_attack_code(void)
{
    run(&(struct attack){"attacker", "code", BEGINS, 4, 4096});
}

static bool is_over_or_says(void *argument)
{
    return !domain_find(argument) || has_output(argument, "there is no such mode");
}

/* It ends, or stays in the mode that it is in; nobody else minds. */
void scenario_attack_vm86(void)
{
    struct domain_config victim = simple("victim", "victim", 4096, NULL);
    struct domain_config config = simple("vm86", "attacker", 4096, "vm86");
    const char *record;

    if (!create(&victim) || !create(&config)) {
        return;
    }
    CHECK(wait_for(is_over_or_says, (void *)(uintptr_t) "vm86", PATIENCE));
    is_served(1);
    record = domain_crash_record("vm86");
    printf("# %s\n", record ? record : "no crash");
    if (domain_find("vm86")) {
        destroy("vm86");
    } else {
        CHECK(record && strstr(record, "virtual-8086 mode"));
    }
    destroy("victim");
}

void scenario_attack_tables(void)
{
    run(&(struct attack){"attacker", "tables", BEGINS, 4, 8192});
}

void scenario_attack_store(void)
{
    run(&(struct attack){"storebomb", NULL, "the store gives no more", 1, 8192});
}

void scenario_attack_console(void)
{
    /* A line said once before the flood would be gone from the bounded log by the time that we look. */
    run(&(struct attack){"answer", "-- flood", "flood ", 1, 4096});
}

/* ------------------------------------------------------------------ random calls */

#define KEPT      8u    /* pages of tables that the hypervisor keeps for its heap, whatever comes */
#define LIFE      10000 /* calls of each of its vCPUs, */
#define LAST_MOVE 1000  /* and of the last thing that it begins, at most */
/* How often the fuzzer is looked at. */
#define LOOK (option("counted", 0) ? SECOND / 64 : SECOND / 20)
/*
 * Without a call: it has lost itself. If not, nothing is lost but its seed. Short where instructions are
 * counted: one that overwrites its own code has 300 times fewer of them in a second of ours
 * (attackers/code.c).
 */
#define STALL (option("counted", 0) ? SECOND / 16 : 2 * SECOND)

struct fuzzing {
    uint64_t seed, done;  /* done: by those that are gone */
    uint64_t seen, since; /* by the one that runs; when that last grew */
    unsigned runs, stalls;
};

/* Ends the fuzzer that runs, if one does; what it has done counts. */
static void fuzz_end(struct fuzzing *fuzzing)
{
    if (domain_find("fuzzer")) {
        destroy("fuzzer");
    }
    fuzzing->done += fuzzing->seen;
    fuzzing->seen = 0;
}

static bool fuzz_begin(struct fuzzing *fuzzing)
{
    char line[64] = "";
    struct domain_config config = simple("fuzzer", "fuzzer", 8192, line);

    snprintf(line, sizeof(line), "fuzz seed=%" PRIu64 " calls=%" PRIu64 " reckless=%u", fuzzing->seed,
             option("life", LIFE), fuzzing->seed % 4 == 0);
    config.max_vcpus = config.vcpus = 4;
    config.on_reboot = ACTION_DESTROY;
    fuzzing->seed++;
    fuzzing->runs++;
    fuzzing->since = cor_monotonic_ns();
    return create(&config) != NULL;
}

static bool is_stalled(struct fuzzing *fuzzing)
{
    if (cor_monotonic_ns() - fuzzing->since <= STALL) {
        return false;
    }
    fuzzing->stalls++;
    return true;
}

/*
 * Calls that the fuzzer has made. It counts them in memory of its own, which it may overwrite as all else: a
 * count that none of its vCPUs comes to in a life is none.
 */
static uint64_t calls_made(void)
{
    const struct domain *domain = domain_find("fuzzer");
    uint64_t most = option("life", LIFE) + LAST_MOVE, made = 0;

    for (unsigned i = 0; domain && domain->rings && i < ATTACK_COUNTERS; i++) {
        uint64_t count = ((volatile uint64_t *)(shared_page(domain) + ATTACK_COUNT_OFFSET))[i];

        made += count <= most ? count : 0;
    }
    return made;
}

static bool is_over(struct fuzzing *fuzzing)
{
    uint64_t now = calls_made();

    if (now > fuzzing->seen) {
        fuzzing->seen = now;
        fuzzing->since = cor_monotonic_ns();
    }
    return !domain_find("fuzzer") || fuzzing->done + fuzzing->seen >= option("calls", 200000);
}

/*
 * calls=N random hypercalls from seed=N on, by a domain that is made again with the next seed whenever it has
 * ended or lost itself.
 */
void scenario_fuzz(void)
{
    struct domain_config victim = simple("victim", "victim", 4096, NULL);
    struct fuzzing fuzzing = {.seed = option("seed", 1)};
    uint64_t calls = option("calls", 200000), told = 0;
    uint64_t step = option("step", calls < 1000000 ? calls / 10 : 100000);
    struct inventory before;

    if (!create(&victim) || !CHECK(wait_output("victim", "main\n", PATIENCE)) || !fuzz_begin(&fuzzing)) {
        return;
    }
    destroy("fuzzer");
    before = inventory();
    while (fuzzing.done < calls) {
        if (!fuzz_begin(&fuzzing)) {
            return;
        }
        while (!is_over(&fuzzing) && !is_stalled(&fuzzing)) {
            loop_turn(cor_monotonic_ns() + LOOK);
            if (fuzzing.done + fuzzing.seen - told >= step) {
                told = fuzzing.done + fuzzing.seen;
                printf("# %" PRIu64 " calls, %u fuzzers, %u lost themselves, seed %" PRIu64 "\n", told,
                       fuzzing.runs, fuzzing.stalls, fuzzing.seed - 1);
                is_served(2); /* while it goes on */
                fuzzing.since = cor_monotonic_ns();
            }
        }
        fuzz_end(&fuzzing);
        if (!CHECK(same(&before, KEPT))) {
            printf("# after the seed %" PRIu64 "\n", fuzzing.seed - 1);
            return;
        }
    }
    printf("fuzz %" PRIu64 " calls in %u runs\n", fuzzing.done, fuzzing.runs);
    is_served(1);
    destroy("victim");
}
