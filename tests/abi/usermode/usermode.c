/* SPDX-License-Identifier: MIT */
/* Guest user mode: the second page table, system calls, traps and events from user mode, what iret lets
 * through. */
#include "tests/abi/lib/test.h"

extern char user_code[], user_code_end[];

#define FLAGS 0x57700ul /* TF, IF, DF, IOPL, NT, RF, AC */

static void setup(void)
{
    check_eq(user_setup(user_code, user_code_end), 0, "user address space");
}

static void report(struct trap t, const char *name)
{
    observe(t.vector, "%s: vector", name);
    observe((long)t.error, "%s: error", name);
    observe((long)(t.regs.cs & 0xffffffffffff), "%s: cs with saved mask", name);
    observe((long)(t.regs.ss & 0xffff), "%s: ss", name);
    observe((long)(t.regs.rflags & FLAGS), "%s: flags", name);
    if (t.regs.rip - USER_CODE < PAGE_SIZE) {
        observe((long)(t.regs.rip - USER_CODE), "%s: rip", name);
    }
}

static void system_call(void)
{
    struct trap t = user_run(0, 0x1234567887654321);

    check_eq(t.vector, VEC_SYSCALL, "it arrives");
    check_eq((long)t.regs.rax, 0x1234567887654321, "rax");
    check_eq((long)t.regs.rdi, 0x1234567887654321, "rdi");
    check_eq((long)t.regs.rbx, 0x1111, "rbx");
    check_eq((long)t.regs.rdx, 0x2222, "rdx");
    check_eq((long)t.regs.rcx, (long)t.regs.rip, "rcx is the return address");
    check_eq((long)(t.regs.r11 & 0x200), 0x200, "r11 holds the flags");
    check_eq((long)t.regs.rsp, USER_STACK, "rsp");
    report(t, "syscall");
}

static void traps(void)
{
    report(user_run(0x80, 0), "hlt");
    report(user_run(0xa0, 0), "int3");
    report(user_run(0xc0, 0), "flags");
    report(user_run(0xe0, 0), "int 0x80");
    report(user_run(0x120, 0), "read of cr0");
    report(user_run(0x140, 0), "in");
    report(user_run(0x160, 0), "divide");
    report(user_run(0x1a0, 0), "rdmsr");
}

static void memory(void)
{
    static const struct {
        const char *name;
        unsigned long va;
    } places[] = {
        {"own text", USER_CODE}, {"own stack", USER_STACK - 8},           {"nothing", 0x30000000},
        {"page 0", 0},           {"hypervisor", HYPERVISOR_VIRT_END - 8}, {"non-canonical", 1ul << 62}};

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        struct trap t = user_run(0x40, places[i].va);

        observe(t.vector, "read %s: vector", places[i].name);
        observe((long)t.error, "read %s: error", places[i].name);
        if (t.vector == PF) {
            check_eq((long)t.cr2, (long)places[i].va, "read %s: cr2", places[i].name);
        }
        t = user_run(0x60, places[i].va);
        observe(t.vector, "write %s: vector", places[i].name);
        observe((long)t.error, "write %s: error", places[i].name);
        t = user_run(0x180, places[i].va);
        if (i > 0) {
            observe(t.vector, "call %s: vector", places[i].name);
        }
    }
    check_eq(user_run(0x40, (unsigned long)start_info).vector, PF, "the kernel's pages are not there");
}

/* The user's page tables and the kernel's are two: each mode sees its own. */
static void two_tables(void)
{
    check_eq(probe_read(USER_CODE), PF, "the kernel does not see the user's pages");
    check_eq(user_run(0x40, USER_CODE).vector, VEC_SYSCALL, "the user does");
    check_eq(probe_read(USER_CODE), PF, "and the kernel still does not");
}

static volatile unsigned long from_user;

/* Ends the user's spin: the frame goes on at the system call behind the loop. */
static bool on_event(struct regs *r)
{
    if ((r->cs & 3) == 3) {
        from_user++;
        r->rip = USER_CODE;
    }
    return false;
}

/* An event that comes while the user spins: the upcall enters the kernel and its iret goes back to the user.
 */
static void event_in_user_mode(void)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 30000000};
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = 0};
    struct trap t;

    hcall(event_channel_op, EVTCHNOP_bind_virq, &bind);
    hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL);
    set_trap_handler(VEC_EVENT, on_event);
    hcall(vcpu_op, VCPUOP_set_singleshot_timer, 0, &timer);
    t = user_run(0x100, 0x99);
    set_trap_handler(VEC_EVENT, NULL);
    check_eq((long)from_user, 1, "the upcall came from user mode");
    check_eq((long)event_count[bind.port], 1, "with the timer's event");
    check_eq(t.vector, VEC_SYSCALL, "and the user went on");
    check_eq((long)t.regs.rax, 0x99, "where the kernel sent it");
}

/* Frames for iret that ask for too much. */
static void iret_flags(void)
{
    static const struct {
        const char *name;
        uint64_t flags;
    } tries[] = {{"none", 0},     {"IF", 0x200},        {"IOPL 3", 0x3200}, {"NT", 0x4200},
                 {"AC", 0x40200}, {"DF", 0x600},        {"VM", 0x20200},    {"VIF and VIP", 0x180200},
                 {"RF", 0x10200}, {"reserved", 0x8228}, {"ID", 0x200200}};

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        struct iret_context f = {.rip = USER_CODE + 0xc0,
                                 .cs = FLAT_USER_CS,
                                 .rflags = tries[i].flags,
                                 .rsp = USER_STACK,
                                 .ss = FLAT_USER_SS};
        struct trap t = user_run_frame(&f, 0);

        observe(t.vector, "%s: vector", tries[i].name);
        observe((long)(t.regs.rax & 0x3f7f00), "%s: flags seen by the user", tries[i].name);
        observe((long)(t.regs.rflags & 0x3f7f00), "%s: flags in the frame", tries[i].name);
    }
}

static void iret_selectors(void)
{
    static const struct {
        const char *name;
        uint64_t cs, ss, rip, rsp;
    } tries[] = {
        {"null cs", 3, FLAT_USER_SS, USER_CODE, USER_STACK},
        {"data as cs", 0xe02b, FLAT_USER_SS, USER_CODE, USER_STACK},
        {"the hypervisor's cs", 0xe00b, FLAT_USER_SS, USER_CODE, USER_STACK},
        {"cs beyond the table", 0xfffb, FLAT_USER_SS, USER_CODE, USER_STACK},
        {"the hypervisor's ss", FLAT_USER_CS, 0xe013, USER_CODE, USER_STACK},
        {"code as ss", FLAT_USER_CS, FLAT_USER_CS, USER_CODE, USER_STACK},
        {"LDT cs", 7, FLAT_USER_SS, USER_CODE, USER_STACK},
        {"cs above 16 bits", FLAT_USER_CS | 0x70000, FLAT_USER_SS, USER_CODE, USER_STACK},
        {"non-canonical rip", FLAT_USER_CS, FLAT_USER_SS, 1ul << 62, USER_STACK},
        {"first non-canonical rip", FLAT_USER_CS, FLAT_USER_SS, 1ul << 47, USER_STACK},
        {"non-canonical rsp", FLAT_USER_CS, FLAT_USER_SS, USER_CODE, 1ul << 62},
        {"rip in the hypervisor", FLAT_USER_CS, FLAT_USER_SS, HYPERVISOR_VIRT_END - PAGE_SIZE, USER_STACK},
        {"null ss", FLAT_USER_CS, 3, USER_CODE, USER_STACK},
        {"ss of ring 0", FLAT_USER_CS, 0xe028, USER_CODE, USER_STACK}};

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        struct iret_context f = {
            .rip = tries[i].rip, .cs = tries[i].cs, .rflags = 0x202, .rsp = tries[i].rsp, .ss = tries[i].ss};
        struct trap t = user_run_frame(&f, 0);

        observe(t.vector, "%s: vector", tries[i].name);
        observe((long)t.error, "%s: error", tries[i].name);
    }
}

/* In a system call's frame only some registers count. */
static void in_syscall(void)
{
    struct iret_context f = {.rax = 0x77,
                             .r11 = 0x1111,
                             .rcx = 0x2222,
                             .flags = VGCF_in_syscall,
                             .rip = USER_CODE + 0x60,
                             .cs = FLAT_USER_CS,
                             .rflags = 0x202,
                             .rsp = USER_STACK,
                             .ss = FLAT_USER_SS};
    struct trap t = user_run_frame(&f, 0x1000);

    check_eq(t.vector, PF, "the user ran");
    check_eq((long)t.regs.rax, 0x77, "rax is restored");
    observe((long)t.regs.rip - (long)USER_CODE, "rip");
    observe(t.regs.rcx == USER_CODE + 0x60, "rcx is the return address");
    f.flags = 0;
    t = user_run_frame(&f, 0x1000);
    check_eq((long)t.regs.rcx, 0x2222, "without the flag rcx is restored");
    check_eq((long)t.regs.r11, 0x1111, "and r11");
}

static struct trap run_32bit(unsigned long offset)
{
    struct iret_context f = {.rip = USER_CODE + offset,
                             .cs = FLAT_USER_CS32,
                             .rflags = 0x202,
                             .rsp = USER_STACK,
                             .ss = FLAT_USER_SS32};

    return user_run_frame(&f, 0);
}

/* 32-bit user code under a 64-bit kernel. */
static void compatibility_mode(void)
{
    struct callback_register cb = {.type = CALLBACKTYPE_syscall32, .flags = CALLBACKF_mask_events};
    struct trap t = run_32bit(0x200);

    check_eq(t.vector, 0x80, "int 0x80 arrives");
    check_eq((long)t.regs.rax, 0x12345678, "with its register");
    check_eq((long)(t.regs.cs & 0xffff), FLAT_USER_CS32, "from a 32-bit segment");
    report(run_32bit(0x220), "syscall without a callback");
    cb.address = trap_entry_address(VEC_SYSCALL32);
    hcall(callback_op, CALLBACKOP_register, &cb);
    report(run_32bit(0x220), "syscall with a callback");
}

const struct test_case test_cases[] = {
    {"setup", setup, false},
    {"system_call", system_call, false},
    {"traps", traps, false},
    {"memory", memory, false},
    {"two_tables", two_tables, false},
    {"event_in_user_mode", event_in_user_mode, false},
    {"iret_flags", iret_flags, false},
    {"iret_selectors", iret_selectors, false},
    {"in_syscall", in_syscall, false},
    {"compatibility_mode", compatibility_mode, false},
    {0},
};
