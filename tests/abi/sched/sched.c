/* SPDX-License-Identifier: MIT */
/* sched_op on one vCPU: yield, block, poll, shutdown, watchdog. Each shutdown reason is a boot of its own. */
#include "tests/abi/lib/test.h"

#define MS 1000000ull

static long bind_ipi(void)
{
    struct evtchn_bind_ipi op = {.vcpu = 0};

    return hcall(event_channel_op, EVTCHNOP_bind_ipi, &op) == 0 ? (long)op.port : -1;
}

static void yield(void)
{
    long bad = 0;

    for (unsigned i = 0; i < 1000; i++) {
        bad |= hcall(sched_op, SCHEDOP_yield, NULL);
    }
    check_eq(bad, 0, "a thousand times");
    check_eq(hcall(sched_op_compat, SCHEDOP_yield, 0), 0, "by the old call");
}

/* An event that is pending already ends a block at once. */
static void block(void)
{
    long port = bind_ipi();

    events_off();
    event_count[port] = 0;
    port_send((unsigned)port);
    check_eq(hcall(sched_op, SCHEDOP_block, NULL), 0, "returns");
    check_eq((long)event_count[port], 1, "with the event delivered");
    check_eq(vcpu_info()->evtchn_upcall_mask, 0, "and upcalls unmasked");
    port_close((unsigned)port);
}

static long poll(evtchn_port_t *ports, unsigned n, uint64_t timeout)
{
    struct sched_poll p = {.nr_ports = n, .timeout = timeout};

    set_xen_guest_handle(p.ports, ports);
    return hcall(sched_op, SCHEDOP_poll, &p);
}

static void polling(void)
{
    evtchn_port_t ports[2] = {(evtchn_port_t)bind_ipi(), (evtchn_port_t)bind_ipi()}, bad = 5000;
    uint64_t begin;

    events_off();
    begin = now();
    check_eq(poll(ports, 2, begin + 20 * MS), 0, "timeout");
    check(now() >= begin + 20 * MS, "takes its time");
    begin = now();
    check_eq(poll(ports, 2, begin - MS), 0, "timeout in the past");
    port_send(ports[1]);
    begin = now();
    check_eq(poll(ports, 2, begin + 2 * PATIENCE), 0, "a pending port");
    check(now() < begin + PATIENCE, "ends it at once");
    check(port_pending(ports[1]), "and stays pending");
    check_eq(vcpu_info()->evtchn_upcall_mask, 1, "upcalls stay masked");
    /* Masked ports count too: that is what poll is for. */
    port_clear(ports[1]);
    port_mask(ports[0]);
    port_send(ports[0]);
    begin = now();
    check_eq(poll(ports, 2, begin + 2 * PATIENCE), 0, "a pending masked port");
    check(now() < begin + PATIENCE, "ends it at once too");
    port_clear(ports[0]);
    /* An event on another port does not. */
    port_send(ports[1]);
    begin = now();
    check_eq(poll(ports, 1, begin + 20 * MS), 0, "an event elsewhere");
    check(now() >= begin + 20 * MS, "does not end it");
    port_clear(ports[1]);
    observe(poll(&bad, 1, now() + MS), "bad port");
    observe(poll(ports, 129, now() + MS), "too many ports");
    observe(poll((evtchn_port_t *)0x10000, 1, now() + MS), "unmapped ports");
    check_eq(poll(NULL, 0, now() + MS), 0, "no port");
    observe(hcall(sched_op, SCHEDOP_poll, 0x10000), "unmapped argument");
    vcpu_info()->evtchn_upcall_pending = 0;
    port_close(ports[0]);
    port_close(ports[1]);
}

static void odd_calls(void)
{
    struct sched_remote_shutdown remote = {.domain_id = 77, .reason = SHUTDOWN_crash};

    observe(hcall(sched_op, SCHEDOP_shutdown, 0x10000), "shutdown with an unmapped argument");
    check(hcall(sched_op, SCHEDOP_remote_shutdown, &remote) < 0, "remote shutdown of nobody");
    observe(hcall(sched_op, SCHEDOP_shutdown_code, 0x10000), "shutdown_code with an unmapped argument");
    check(hcall(sched_op, SCHEDOP_pin_override, 0x10000) < 0, "pin_override with an unmapped argument");
    observe(hcall(sched_op, 8, NULL), "command 8");
    observe(hcall(sched_op, 1000, NULL), "command 1000");
    observe(hcall(sched_op_compat, 8, 0), "old command 8");
}

static long watchdog(unsigned id, unsigned timeout)
{
    struct sched_watchdog w = {.id = id, .timeout = timeout};

    return (int)hcall(sched_op, SCHEDOP_watchdog, &w); /* stock Xen returns 32 bits */
}

static void watchdogs(void)
{
    long first = watchdog(0, 100), second;

    check(first > 0, "a first one");
    second = watchdog(0, 100);
    observe(first, "its number");
    observe(second, "the second one's number");
    observe(watchdog(0, 100), "a third");
    check_eq(watchdog((unsigned)first, 200), 0, "kick it");
    check_eq(watchdog((unsigned)first, 0), 0, "stop it");
    check_eq(watchdog((unsigned)second, 0), 0, "stop the second");
    observe(watchdog(99, 10), "kick one that is not");
    observe(hcall(sched_op, SCHEDOP_watchdog, 0x10000), "unmapped argument");
    check_eq(watchdog(0, 100), first, "the number is free again");
    check_eq(watchdog((unsigned)first, 0), 0, "stop");
}

/* The machine goes down for this reason; shutdown never returns. */
static void shut_down(unsigned reason)
{
    struct sched_shutdown s = {.reason = reason};

    dying("reason %u", reason);
    hcall(sched_op, SCHEDOP_shutdown, &s);
    survived();
}

static void poweroff(void)
{
    shut_down(SHUTDOWN_poweroff);
}

static void reboot(void)
{
    shut_down(SHUTDOWN_reboot);
}

static void crash(void)
{
    shut_down(SHUTDOWN_crash);
}

static void reason_77(void)
{
    shut_down(77);
}

static void old_call(void)
{
    dying("poweroff by the old call");
    hcall(sched_op_compat, SCHEDOP_shutdown, SHUTDOWN_poweroff);
    survived();
}

static void watchdog_bites(void)
{
    check_eq(watchdog(0, 1) > 0, 1, "start");
    dying("of the watchdog");
    for (;;) {
        hcall(sched_op, SCHEDOP_block, NULL);
    }
}

const struct test_case test_cases[] = {
    {"yield", yield, false},
    {"block", block, false},
    {"polling", polling, false},
    {"odd_calls", odd_calls, false},
    {"watchdogs", watchdogs, false},
    {"poweroff", poweroff, true},
    {"reboot", reboot, true},
    {"crash", crash, true},
    {"reason_77", reason_77, true},
    {"old_call", old_call, true},
    {"watchdog", watchdog_bites, true},
    {0},
};
