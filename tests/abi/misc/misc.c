/* SPDX-License-Identifier: MIT */
/* The small calls: multicall, vm_assist, console_io, physdev_op, nmi_op. */
#include "tests/abi/lib/test.h"
#include <xen/nmi.h>

static void multicall(void)
{
    static multicall_entry_t calls[64];
    static xen_capabilities_info_t caps;
    unsigned wrong = 0;

    for (unsigned i = 0; i < 64; i++) {
        calls[i] = (multicall_entry_t){.op = __HYPERVISOR_xen_version, .args = {XENVER_version, 0}};
    }
    check_eq(hcall(multicall, calls, 64), 0, "64 calls");
    for (unsigned i = 0; i < 64; i++) {
        wrong += calls[i].result != ((4 << 16) | 17);
    }
    check_eq(wrong, 0, "each has its result");
    calls[0] = (multicall_entry_t){.op = 11};
    calls[1] = (multicall_entry_t){.op = __HYPERVISOR_xen_version,
                                   .args = {XENVER_capabilities, (unsigned long)caps}};
    calls[2] = (multicall_entry_t){.op = __HYPERVISOR_xen_version, .args = {XENVER_capabilities, 0x10000}};
    calls[3] = (multicall_entry_t){.op = __HYPERVISOR_sched_op, .args = {SCHEDOP_yield, 0}};
    calls[4] = (multicall_entry_t){.op = 1ul << 32};
    check_eq(hcall(multicall, calls, 5), 0, "calls that fail");
    check_eq((long)calls[0].result, -XEN_ENOSYS, "unknown call");
    check_eq((long)calls[1].result, 0, "the next goes on");
    check(strncmp(caps, "xen-3.0-x86_64", 14) == 0, "and does its work");
    check_eq((long)calls[2].result, -XEN_EFAULT, "bad argument");
    check_eq((long)calls[3].result, 0, "yield");
    observe((long)calls[4].result, "call number with high bits");
    calls[0] = (multicall_entry_t){.op = __HYPERVISOR_multicall, .args = {(unsigned long)(calls + 8), 2}};
    observe(hcall(multicall, calls, 1), "a multicall in a multicall");
    observe((long)calls[0].result, "its result");
    observe(hcall(multicall, calls, 0), "none");
    observe(hcall(multicall, 0x10000, 1), "unmapped list");
    observe(hcall(multicall, 0x10000, 0), "unmapped list of none");
    observe(hcall(multicall, MACH2PHYS_VIRT_START, 1), "list in M2P");
    observe(hcall(multicall, 1ul << 62, 1), "non-canonical list");
}

/* A long list with work in it, while events come in: it is preempted and goes on. */
static void long_multicall(void)
{
    static multicall_entry_t calls[2000];
    struct vcpu_set_singleshot_timer timer;
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = 0};
    unsigned wrong = 0;

    hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL);
    hcall(event_channel_op, EVTCHNOP_bind_virq, &bind);
    events_on();
    for (unsigned round = 0; round < 5; round++) {
        timer = (struct vcpu_set_singleshot_timer){.timeout_abs_ns = now() + 300000};
        for (unsigned i = 0; i < 2000; i++) {
            calls[i] = (multicall_entry_t){.op = __HYPERVISOR_xen_version, .args = {XENVER_version, 0}};
        }
        hcall(vcpu_op, VCPUOP_set_singleshot_timer, 0, &timer);
        wrong += hcall(multicall, calls, 2000) != 0;
        for (unsigned i = 0; i < 2000; i++) {
            wrong += calls[i].result != ((4 << 16) | 17);
        }
    }
    check_eq(wrong, 0, "all results are right");
    {
        uint64_t end = now() + PATIENCE;

        while (event_count[bind.port] == 0 && now() < end) {
        }
    }
    check(event_count[bind.port] > 0, "and the events came");
    port_close(bind.port);
}

static void vm_assist(void)
{
    for (unsigned type = 0; type < 8; type++) {
        observe(hcall(vm_assist, VMASST_CMD_enable, type), "enable %u", type);
        observe(hcall(vm_assist, VMASST_CMD_disable, type), "disable %u", type);
    }
    observe(hcall(vm_assist, VMASST_CMD_enable, 32), "enable 32");
    observe(hcall(vm_assist, VMASST_CMD_enable, 63), "enable 63");
    observe(hcall(vm_assist, VMASST_CMD_enable, 1000), "enable 1000");
    observe(hcall(vm_assist, 2, 0), "command 2");
    hcall(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
}

static void console(void)
{
    static char buffer[64];

    observe(hcall(console_io, CONSOLEIO_write, 0, buffer), "write nothing");
    observe(hcall(console_io, CONSOLEIO_read, 0, buffer), "read nothing");
    observe(hcall(console_io, CONSOLEIO_read, sizeof(buffer), buffer), "read when nothing was typed");
    observe(hcall(console_io, CONSOLEIO_write, 5, 0x10000), "write from an unmapped buffer");
    observe(hcall(console_io, CONSOLEIO_write, 5, MACH2PHYS_VIRT_END), "write from the hypervisor's memory");
    observe(hcall(console_io, 2, 0, buffer), "command 2");
    observe(hcall(console_io, 77, 0, buffer), "command 77");
}

/* Keys typed on the machine's console reach the initial domain by VIRQ_CONSOLE and CONSOLEIO_read. */
static void console_input(void)
{
    struct evtchn_bind_virq bind = {.virq = VIRQ_CONSOLE, .vcpu = 0};
    static char line[64];
    uint64_t end = now() + PATIENCE;
    long have = 0;

    check_eq(hcall(event_channel_op, EVTCHNOP_bind_virq, &bind), 0, "bind VIRQ_CONSOLE");
    events_on();
    print("# input\n");
    while (have < 9 && now() < end) {
        long n = hcall(console_io, CONSOLEIO_read, sizeof(line) - (unsigned long)have, line + have);

        if (n < 0) {
            break;
        }
        have += n;
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    check_eq(have, 9, "nine characters");
    check(strncmp(line, "some keys", 9) == 0, "as they were typed");
    check(event_count[bind.port] > 0, "and an event said so");
    port_close(bind.port);
}

static void physdev(void)
{
    static const unsigned refused[] = {0, 1, 2, 3, 26, 50, 1000};

    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        check(hcall(physdev_op, refused[i], 0x10000) < 0, "command %u with an unmapped argument", refused[i]);
    }
    observe(hcall(physdev_op, PHYSDEVOP_set_iopl, 0x10000), "set_iopl, unmapped argument");
    observe(hcall(physdev_op, PHYSDEVOP_set_iobitmap, 0x10000), "set_iobitmap, unmapped argument");
    observe(hcall(physdev_op, 1000, NULL), "command 1000");
}

static void nmi(void)
{
    struct xennmi_callback cb = {.handler_address = trap_entry_address(VEC_NMI)};

    observe(hcall(nmi_op, XENNMI_register_callback, &cb), "register");
    observe(hcall(nmi_op, XENNMI_unregister_callback, NULL), "unregister");
    cb.handler_address = 1ul << 62;
    observe(hcall(nmi_op, XENNMI_register_callback, &cb), "register a non-canonical address");
    observe(hcall(nmi_op, 2, NULL), "command 2");
}

/* The guest's own NMI: delivered to its callback, upcalls masked, whatever the mask was. */
static void send_nmi(void)
{
    struct xennmi_callback cb = {.handler_address = trap_entry_address(VEC_NMI)};
    struct trap t;

    hcall(nmi_op, XENNMI_register_callback, &cb);
    events_off();
    t = PROBE(hcall(vcpu_op, VCPUOP_send_nmi, 0, NULL));
    observe(t.vector, "vector");
    observe(hcall(vcpu_op, VCPUOP_send_nmi, 9, NULL), "to a vCPU that is not");
    hcall(nmi_op, XENNMI_unregister_callback, NULL);
    observe(PROBE(hcall(vcpu_op, VCPUOP_send_nmi, 0, NULL)).vector, "without a callback");
}

const struct test_case test_cases[] = {
    {"multicall", multicall, false},
    {"long_multicall", long_multicall, false},
    {"vm_assist", vm_assist, false},
    {"console", console, false},
    {"physdev", physdev, false},
    {"nmi", nmi, false},
    {"send_nmi", send_nmi, true},
    {"console_input", console_input, true},
    {0},
};
