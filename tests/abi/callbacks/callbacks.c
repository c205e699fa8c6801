/* SPDX-License-Identifier: MIT */
/* callback_op, the old set_callbacks, and iret from kernel to kernel. */
#include "tests/abi/lib/test.h"

static long register_callback(unsigned type, unsigned flags, unsigned long address)
{
    struct callback_register op = {.type = (uint16_t)type, .flags = (uint16_t)flags, .address = address};

    return hcall(callback_op, CALLBACKOP_register, &op);
}

static long unregister_callback(unsigned type)
{
    struct callback_unregister op = {.type = (uint16_t)type};

    return hcall(callback_op, CALLBACKOP_unregister, &op);
}

static void registration(void)
{
    for (unsigned type = 0; type < 10; type++) {
        observe(register_callback(type, 0, trap_entry_address(VEC_SYSCALL)), "register type %u", type);
        observe(register_callback(type, 0xfffe, trap_entry_address(VEC_SYSCALL)), "type %u, unknown flags",
                type);
        observe(register_callback(type, 0, 1ul << 62), "type %u, non-canonical address", type);
        observe(register_callback(type, 0, HYPERVISOR_VIRT_START), "type %u, hypervisor's address", type);
    }
    for (unsigned type = 0; type < 10; type++) {
        observe(unregister_callback(type), "unregister type %u", type);
    }
    install_traps();
    observe(hcall(callback_op, CALLBACKOP_register, 0x10000), "register, unmapped argument");
    observe(hcall(callback_op, CALLBACKOP_unregister, 0x10000), "unregister, unmapped argument");
    observe(hcall(callback_op, 2, 0x10000), "command 2");
}

static uint8_t seen_mask;

static bool note_mask(struct regs *r)
{
    (void)r;
    seen_mask = vcpu_info()->evtchn_upcall_mask;
    return false;
}

/* The event callback masks upcalls, whatever its flags say. */
static void event_mask(void)
{
    for (unsigned flags = 0; flags < 2; flags++) {
        struct evtchn_bind_ipi op = {.vcpu = 0};

        check_eq(register_callback(CALLBACKTYPE_event, flags, trap_entry_address(VEC_EVENT)), 0, "flags %u",
                 flags);
        hcall(event_channel_op, EVTCHNOP_bind_ipi, &op);
        set_trap_handler(VEC_EVENT, note_mask);
        seen_mask = 9;
        events_on();
        port_send(op.port);
        check_eq(seen_mask, 1, "flags %u: masked in the upcall", flags);
        check_eq(vcpu_info()->evtchn_upcall_mask, 0, "flags %u: unmasked after", flags);
        set_trap_handler(VEC_EVENT, NULL);
        port_close(op.port);
    }
}

static void set_callbacks(void)
{
    struct evtchn_bind_ipi op = {.vcpu = 0};

    check_eq(hcall(set_callbacks, trap_entry_address(VEC_EVENT), trap_entry_address(VEC_FAILSAFE),
                   trap_entry_address(VEC_SYSCALL)),
             0, "set all three");
    hcall(event_channel_op, EVTCHNOP_bind_ipi, &op);
    event_count[op.port] = 0;
    events_on();
    port_send(op.port);
    check_eq((long)event_count[op.port], 1, "events arrive");
    port_close(op.port);
    install_traps();
}

/* iret to the kernel itself, with frames of our making. The code that it enters comes back by int3. */
static struct trap iret_to(const struct iret_context *frame)
{
    return user_run_frame(frame, 0);
}

extern char landing[];
__asm__(".globl landing\nlanding: int3\n");

static void iret_kernel(void)
{
    static const struct {
        const char *name;
        uint64_t flags, cs;
    } tries[] = {{"plain", 0x2, 0xe030},           {"IF", 0x202, 0xe030},      {"ring 1", 0x2, 0xe031},
                 {"ring 2", 0x2, 0xe032},          {"IOPL 3", 0x3002, 0xe030}, {"NT", 0x4002, 0xe030},
                 {"VM", 0x20002, 0xe030},          {"AC", 0x40002, 0xe030},    {"DF", 0x402, 0xe030},
                 {"high flags", 1ul << 40, 0xe030}};

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        struct iret_context f = {.rax = 1,
                                 .r11 = 2,
                                 .rcx = 3,
                                 .rip = (uint64_t)landing,
                                 .cs = tries[i].cs,
                                 .rflags = tries[i].flags,
                                 .rsp = (uint64_t)this_vcpu() + 2048,
                                 .ss = FLAT_KERNEL_SS};
        struct trap t = iret_to(&f);

        check_eq(t.vector, BP, "%s: arrives", tries[i].name);
        check_eq((long)(t.regs.cs & 0xffff), 0xe030, "%s: in kernel mode", tries[i].name);
        check(t.regs.rax == 1 && t.regs.r11 == 2 && t.regs.rcx == 3, "%s: registers", tries[i].name);
        observe((long)(t.regs.cs >> 32), "%s: mask before int3", tries[i].name);
        observe((long)(t.regs.rflags & 0x3f7f00), "%s: flags", tries[i].name);
    }
}

/* An event that is pending while masked is delivered by the iret that unmasks, before the next instruction.
 */
static void iret_delivers(void)
{
    struct evtchn_bind_ipi op = {.vcpu = 0};
    struct iret_context f = {.rip = (uint64_t)landing,
                             .cs = 0xe030,
                             .rflags = 0x202,
                             .rsp = (uint64_t)this_vcpu() + 2048,
                             .ss = FLAT_KERNEL_SS};
    struct trap t;

    hcall(event_channel_op, EVTCHNOP_bind_ipi, &op);
    event_count[op.port] = 0;
    events_off();
    port_send(op.port);
    t = iret_to(&f);
    check_eq(t.vector, BP, "arrives");
    check_eq((long)event_count[op.port], 1, "after the event");
    events_off();
    f.rflags = 0x2;
    port_send(op.port);
    (void)iret_to(&f);
    check_eq((long)event_count[op.port], 1, "an iret that keeps the mask does not deliver");
    port_clear(op.port);
    port_close(op.port);
}

/* Bad frames for a return to the kernel: a trap or the failsafe callback, never more. */
static void iret_bad(void)
{
    static const struct {
        const char *name;
        uint64_t rip, cs, ss;
    } tries[] = {{"hypervisor's cs", 0, 0xe008, FLAT_KERNEL_SS},
                 {"null cs", 0, 0, FLAT_KERNEL_SS},
                 {"cs beyond the table", 0, 0xfff8, FLAT_KERNEL_SS},
                 {"non-canonical rip", 1ul << 62, 0xe030, FLAT_KERNEL_SS},
                 {"hypervisor's ss", 0, 0xe030, 0xe010},
                 {"LDT ss", 0, 0xe030, 0xf},
                 {"code ss", 0, 0xe030, 0xe033}};

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        struct iret_context f = {.rip = tries[i].rip != 0 ? tries[i].rip : (uint64_t)landing,
                                 .cs = tries[i].cs,
                                 .rflags = 2,
                                 .rsp = (uint64_t)this_vcpu() + 2048,
                                 .ss = tries[i].ss};
        struct trap t = iret_to(&f);

        observe(t.vector, "%s: vector", tries[i].name);
        observe((long)t.error, "%s: error", tries[i].name);
    }
}

/* A frame that cannot be read is death. */
static void iret_no_frame(void)
{
    dying("iret with no frame");
    __asm__ volatile("mov $0x1000, %%esp; mov %0, %%eax; syscall" : : "i"(__HYPERVISOR_iret) : "memory");
    survived();
}

/* Returning to user mode without a user page table is death. */
static void iret_no_user(void)
{
    struct iret_context f = {
        .rip = USER_CODE, .cs = FLAT_USER_CS, .rflags = 0x202, .rsp = USER_STACK, .ss = FLAT_USER_SS};

    dying("iret to a user mode that is not");
    user_run_frame(&f, 0);
    survived();
}

const struct test_case test_cases[] = {
    {"registration", registration, false},
    {"event_mask", event_mask, false},
    {"set_callbacks", set_callbacks, false},
    {"iret_kernel", iret_kernel, false},
    {"iret_delivers", iret_delivers, false},
    {"iret_bad", iret_bad, false},
    {"iret_no_frame", iret_no_frame, true},
    {"iret_no_user", iret_no_user, true},
    {0},
};
