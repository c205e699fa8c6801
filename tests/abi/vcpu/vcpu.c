/* SPDX-License-Identifier: MIT */
/* Several vCPUs of one domain: start, stop, IPIs, shared memory, TLB flushes, vcpu_info elsewhere, run
 * states. */
#include "tests/abi/lib/test.h"

#define MS 1000000ull

static volatile unsigned long started[MAX_VCPUS], pings[MAX_VCPUS], stop[MAX_VCPUS];

static long bind_ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi op = {.vcpu = vcpu};
    long error = hcall(event_channel_op, EVTCHNOP_bind_ipi, &op);

    return error != 0 ? error : (long)op.port;
}

static long is_up(unsigned vcpu)
{
    return hcall(vcpu_op, VCPUOP_is_up, vcpu, NULL);
}

static bool wait_down(unsigned vcpu)
{
    uint64_t end = now() + PATIENCE;

    while (is_up(vcpu) != 0) {
        if (now() > end) {
            return false;
        }
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    return true;
}

static void say_started(void *arg)
{
    started[this_vcpu()->id] = (unsigned long)arg;
}

static void life(void)
{
    for (unsigned id = 1; id < MAX_VCPUS; id++) {
        observe(is_up(id), "vcpu %u is up before", id);
        check_eq(vcpu_start(id, say_started, (void *)(unsigned long)(id + 100)), 0, "start vcpu %u", id);
        check(wait_until(&started[id], id + 100), "vcpu %u runs", id);
        check(wait_down(id), "vcpu %u goes down", id);
        observe(vcpu_start(id, say_started, (void *)1ul), "initialise vcpu %u again", id);
    }
    check_eq(is_up(0), 1, "vcpu 0 is up");
    observe(is_up(4), "a vCPU that is not");
    observe(is_up(0xffffffff), "vCPU -1");
}

/* A vCPU that is down comes up where it was: behind its call of VCPUOP_down. */
static void down_and_up(void)
{
    started[1] = 0;
    check_eq(hcall(vcpu_op, VCPUOP_up, 1, NULL), 0, "up");
    check_eq(hcall(vcpu_op, VCPUOP_up, 1, NULL), 0, "up when it is up");
    check_eq(hcall(vcpu_op, VCPUOP_down, 1, NULL), 0, "down from outside");
    check(wait_down(1), "it is down");
}

static void initialise_errors(void)
{
    static struct vcpu_guest_context c;

    observe(hcall(vcpu_op, VCPUOP_initialise, 0, &c), "vCPU 0, which runs");
    observe(hcall(vcpu_op, VCPUOP_initialise, 9, &c), "a vCPU that is not");
    observe(hcall(vcpu_op, VCPUOP_initialise, 1, 0x10000), "unmapped context");
    for (unsigned cmd = 14; cmd < 30; cmd += 5) {
        observe(hcall(vcpu_op, cmd, 0, 0x10000), "command %u", cmd);
    }
}

static long ipi_port[MAX_VCPUS];

/* Echoes each IPI to vCPU 0 until told to stop. */
static void echo(void *arg)
{
    unsigned id = this_vcpu()->id;

    (void)arg;
    started[id] = 1;
    while (stop[id] == 0) {
        events_off();
        if (event_count[ipi_port[id]] == pings[id]) {
            hcall(sched_op, SCHEDOP_block, NULL);
        }
        events_on();
        if (event_count[ipi_port[id]] != pings[id]) {
            pings[id] = event_count[ipi_port[id]];
            port_send((unsigned)ipi_port[0]);
        }
    }
}

static void ipis(void)
{
    ipi_port[0] = bind_ipi(0);
    events_on();
    for (unsigned id = 1; id < MAX_VCPUS; id++) {
        unsigned lost = 0;

        ipi_port[id] = bind_ipi(id);
        check(ipi_port[id] > 0, "port for vcpu %u", id);
        check_eq(vcpu_start(id, echo, NULL), 0, "start vcpu %u", id);
        check(wait_until(&started[id], 1), "vcpu %u runs", id);
        for (unsigned round = 1; round <= 200; round++) {
            unsigned long before = event_count[ipi_port[0]];
            uint64_t end = now() + PATIENCE;

            port_send((unsigned)ipi_port[id]);
            while (event_count[ipi_port[0]] == before && now() < end) {
                hcall(sched_op, SCHEDOP_yield, NULL);
            }
            lost += event_count[ipi_port[0]] == before;
            if (lost > 2) {
                break;
            }
        }
        check_eq(lost, 0, "200 round trips with vcpu %u", id);
        check_eq((long)pings[id], 200, "vcpu %u saw each", id);
    }
    for (unsigned id = 1; id < MAX_VCPUS; id++) {
        stop[id] = 1;
        port_send((unsigned)ipi_port[id]);
        check(wait_down(id), "vcpu %u ends", id);
    }
}

static volatile unsigned long shared_counter, lock_word;

static void count_locked(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 5000; i++) {
        while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE)) {
            hcall(sched_op, SCHEDOP_yield, NULL);
        }
        shared_counter++;
        __atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
    }
    __atomic_fetch_add(&started[0], 1, __ATOMIC_SEQ_CST);
}

static void memory(void)
{
    started[0] = 0;
    for (unsigned id = 1; id < MAX_VCPUS; id++) {
        check_eq(vcpu_start(id, count_locked, NULL), 0, "start vcpu %u", id);
    }
    count_locked(NULL);
    check(wait_until(&started[0], MAX_VCPUS), "all are done");
    check_eq((long)shared_counter, 5000 * MAX_VCPUS, "no increment is lost");
    for (unsigned id = 1; id < MAX_VCPUS; id++) {
        check(wait_down(id), "vcpu %u ends", id);
    }
}

#define VA 0x20000000ul
static volatile unsigned long flush_round, flush_seen, flush_value;

/* Reads VA for each round that vCPU 0 announces. */
static void reader(void *arg)
{
    unsigned long round = 0;

    (void)arg;
    while (round < 50) {
        while (flush_round == round) {
            hcall(sched_op, SCHEDOP_yield, NULL);
        }
        round++;
        flush_value = *(volatile unsigned long *)VA;
        flush_seen = round;
    }
}

/* A mapping changed on one vCPU with a flush everywhere is never seen old on another. */
static void flush_everywhere(void)
{
    unsigned long *page[2] = {page_alloc(), page_alloc()};
    unsigned wrong = 0;

    *page[0] = 1000;
    *page[1] = 1001;
    map_at(VA, make_pte(page[0], PTE_RW));
    check_eq(vcpu_start(1, reader, NULL), 0, "start the reader");
    for (unsigned long round = 1; round <= 50; round++) {
        update_va(VA, make_pte(page[round & 1], PTE_RW),
                  round & 2 ? UVMF_INVLPG | UVMF_ALL : UVMF_TLB_FLUSH | UVMF_ALL);
        flush_round = round;
        if (!wait_until(&flush_seen, round)) {
            break;
        }
        wrong += flush_value != 1000 + (round & 1);
    }
    check_eq((long)flush_seen, 50, "50 rounds");
    check_eq(wrong, 0, "the new page every time");
    check(wait_down(1), "the reader ends");
    update_va(VA, 0, UVMF_INVLPG | UVMF_ALL);
    page_free(page[0]);
    page_free(page[1]);
}

static void ports_follow(void)
{
    struct evtchn_bind_vcpu bind = {.vcpu = 1};
    struct evtchn_status s = {.dom = DOMID_SELF};

    bind.port = s.port = (evtchn_port_t)port_new();
    check_eq(hcall(event_channel_op, EVTCHNOP_bind_vcpu, &bind), 0, "bind an unbound port to vcpu 1");
    check_eq(hcall(event_channel_op, EVTCHNOP_status, &s), 0, "status");
    check_eq(s.vcpu, 1, "it is there");
    port_close(bind.port);
}

static void virq_timer_elsewhere(void)
{
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = 2};
    struct vcpu_set_singleshot_timer timer = {0};

    check_eq(hcall(event_channel_op, EVTCHNOP_bind_virq, &bind), 0, "VIRQ_TIMER of vcpu 2");
    observe(hcall(vcpu_op, VCPUOP_set_singleshot_timer, 2, &timer), "its timer set from vcpu 0");
    port_close(bind.port);
}

static void runstate(void)
{
    static struct vcpu_runstate_info info, area;
    struct vcpu_register_runstate_memory_area reg = {0};

    for (unsigned id = 0; id < MAX_VCPUS; id++) {
        uint64_t deadline = now() + PATIENCE;

        check_eq(hcall(vcpu_op, VCPUOP_get_runstate_info, id, &info), 0, "vcpu %u", id);
        /* One that was just told to go down may not have left its processor yet. */
        while (id != 0 && info.state == RUNSTATE_running && now() < deadline) {
            hcall(sched_op, SCHEDOP_yield, NULL);
            hcall(vcpu_op, VCPUOP_get_runstate_info, id, &info);
        }
        check(id == 0 ? info.state == RUNSTATE_running : info.state == RUNSTATE_offline, "state of vcpu %u",
              id);
    }
    check(info.state_entry_time <= now(), "entry time is in the past");
    set_xen_guest_handle(reg.addr.h, &area);
    check_eq(hcall(vcpu_op, VCPUOP_register_runstate_memory_area, 0, &reg), 0, "register the area");
    check_eq(area.state, RUNSTATE_running, "it says running");
    {
        uint64_t blocked = area.time[RUNSTATE_blocked];

        hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL);
        events_off();
        /* Again if the machine was away between the look at the clock and the wait. */
        for (unsigned i = 0; i < 20 && area.time[RUNSTATE_blocked] < blocked + 50 * MS; i++) {
            hcall(sched_op, SCHEDOP_poll, &(struct sched_poll){.timeout = now() + 300 * MS});
        }
        check(area.time[RUNSTATE_blocked] >= blocked + 50 * MS, "it counts the time blocked");
    }
    set_xen_guest_handle(reg.addr.h, (void *)0x10000);
    observe(hcall(vcpu_op, VCPUOP_register_runstate_memory_area, 0, &reg), "area that is not mapped");
    set_xen_guest_handle(reg.addr.h, (void *)MACH2PHYS_VIRT_START);
    observe(hcall(vcpu_op, VCPUOP_register_runstate_memory_area, 0, &reg), "area in M2P");
    set_xen_guest_handle(reg.addr.h, (void *)(HYPERVISOR_VIRT_END - 8));
    observe(hcall(vcpu_op, VCPUOP_register_runstate_memory_area, 0, &reg), "area in the hypervisor");
    observe(hcall(vcpu_op, VCPUOP_get_runstate_info, 77, &info), "a vCPU that is not");
    observe(hcall(vcpu_op, VCPUOP_get_runstate_info, 0, 0x10000), "unmapped argument");
}

static void time_area(void)
{
    static struct vcpu_time_info area;
    struct vcpu_register_time_memory_area reg = {0};

    set_xen_guest_handle(reg.addr.h, &area);
    check_eq(hcall(vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, &reg), 0, "register");
    check(area.tsc_to_system_mul == vcpu_info()->time.tsc_to_system_mul, "the frequency is there");
    check_eq(area.version & 1, 0, "version is even");
    set_xen_guest_handle(reg.addr.h, (void *)0x10000);
    observe(hcall(vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, &reg), "unmapped area");
}

/* vcpu_info moved to a page of ours: events of vCPU 3 show there. */
static void vcpu_info_elsewhere(void)
{
    char *page = page_alloc();
    vcpu_info_t *info = (vcpu_info_t *)(page + 128);
    struct vcpu_register_vcpu_info reg = {.mfn = va_to_mfn(page), .offset = 128};
    long port = bind_ipi(3);

    reg.offset = 4096 - 32;
    observe(hcall(vcpu_op, VCPUOP_register_vcpu_info, 3, &reg), "across the page's end");
    reg.offset = 4;
    observe(hcall(vcpu_op, VCPUOP_register_vcpu_info, 3, &reg), "unaligned");
    reg.offset = 128;
    reg.mfn = NO_MFN;
    observe(hcall(vcpu_op, VCPUOP_register_vcpu_info, 3, &reg), "beyond memory");
    reg.mfn = va_to_mfn((void *)start_info->pt_base);
    observe(hcall(vcpu_op, VCPUOP_register_vcpu_info, 3, &reg), "in a page table");
    reg.mfn = va_to_mfn(page);
    check_eq(hcall(vcpu_op, VCPUOP_register_vcpu_info, 3, &reg), 0, "register");
    observe(hcall(vcpu_op, VCPUOP_register_vcpu_info, 3, &reg), "twice");
    observe(hcall(vcpu_op, VCPUOP_register_vcpu_info, 9, &reg), "for a vCPU that is not");
    port_send((unsigned)port);
    check_eq(info->evtchn_upcall_pending, 1, "an event shows there");
    check(info->evtchn_pending_sel != 0, "with its selector");
}

const struct test_case test_cases[] = {
    {"life", life, false},
    {"down_and_up", down_and_up, false},
    {"initialise_errors", initialise_errors, false},
    {"ipis", ipis, true},
    {"memory", memory, true},
    {"flush_everywhere", flush_everywhere, true},
    {"ports_follow", ports_follow, false},
    {"virq_timer_elsewhere", virq_timer_elsewhere, false},
    {"runstate", runstate, false},
    {"time_area", time_area, false},
    {"vcpu_info_elsewhere", vcpu_info_elsewhere, false},
    {0},
};
