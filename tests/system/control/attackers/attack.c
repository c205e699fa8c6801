/* SPDX-License-Identifier: MIT */
/* What all attacks share: the console, the count, random numbers, vCPUs. */
#include "tests/system/control/attackers/attack.h"

static struct attacker attackers[MAX_VCPUS];
static void (*all_run)(struct attacker *a);

uint8_t *console_page(void)
{
    return pfn_to_va(mfn_to_pfn(start_info->console.domU.mfn));
}

void say(const char *text)
{
    static bool busy; /* lines of two vCPUs do not mix */
    struct xencons_interface *ring = (void *)console_page();
    struct evtchn_send send = {.port = start_info->console.domU.evtchn};

    while (__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE)) {
        hcall(sched_op, SCHEDOP_yield);
    }
    while (*text != 0) {
        if (ring->out_prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) < sizeof(ring->out)) {
            ring->out[MASK_XENCONS_IDX(ring->out_prod, ring->out)] = *text++;
            __atomic_store_n(&ring->out_prod, ring->out_prod + 1, __ATOMIC_RELEASE);
        } else {
            hcall(sched_op, SCHEDOP_yield);
        }
    }
    __atomic_clear(&busy, __ATOMIC_RELEASE);
    hcall(event_channel_op, EVTCHNOP_send, &send);
}

void counted(void)
{
    __atomic_fetch_add((uint64_t *)(console_page() + ATTACK_COUNT_OFFSET), 1, __ATOMIC_RELAXED);
}

unsigned below(struct attacker *a, unsigned n)
{
    a->state ^= a->state << 13;
    a->state ^= a->state >> 7;
    a->state ^= a->state << 17;
    return (unsigned)((a->state * 0x2545f4914f6cdd1d >> 33) % n);
}

static void run(void *arg)
{
    struct attacker *a = arg;

    a->id = this_vcpu()->id;
    a->state = a->id * 0x9e3779b97f4a7c15 + 1;
    for (;;) {
        (void)PROBE(all_run(a)); /* a trap ends one round */
        events_off();
    }
}

void on_all_vcpus(void (*body)(struct attacker *a))
{
    all_run = body;
    for (unsigned i = 1; i < MAX_VCPUS && vcpu_start(i, run, &attackers[i]) == 0; i++) {
        hcall(sched_op, SCHEDOP_yield);
    }
    say("attack begins\n");
    run(&attackers[0]);
    __builtin_unreachable();
}

const struct test_case test_cases[] = {
    {"vcpus", attack_vcpus, true},   {"events", attack_events, true}, {"ports", attack_ports, true},
    {"grants", attack_grants, true}, {"maps", attack_maps, true},     {"code", attack_code, true},
    {"vm86", attack_vm86, true},     {"tables", attack_tables, true}, {0}};
