/* SPDX-License-Identifier: MIT */
/* The two ways into the hypervisor, the page and a bare `syscall`: what they keep and what they refuse. */
#include "tests/abi/lib/test.h"

struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rflags;
};

/* Loads all registers from *r but rsp, calls or makes a bare system call, and stores them back. */
void call_page(struct registers *r, void *entry);
void call_direct(struct registers *r);
extern char direct_return[];

static void fill(struct registers *r)
{
    uint64_t *word = (uint64_t *)r;

    for (unsigned i = 0; i < sizeof(*r) / 8; i++) {
        word[i] = 0x1111111111111111ull * (i + 1) ^ 0x5a5a;
    }
    r->rdi = XENVER_version;
    r->rsi = 0;
    r->rflags =
        0xac3; /* SF, ZF, CF, OF: status flags that a call has no business with; bit 9 is IF, set anyway */
}

#define KEPT(reg) check_eq((long)r.reg, (long)want.reg, "%s keeps " #reg, how)

static void compare(const char *how, struct registers r, struct registers want)
{
    KEPT(rbx);
    KEPT(rbp);
    KEPT(rdi);
    KEPT(rsi);
    KEPT(rdx);
    KEPT(r8);
    KEPT(r9);
    KEPT(r10);
    KEPT(r12);
    KEPT(r13);
    KEPT(r14);
    KEPT(r15);
    check_eq((long)(r.rflags & 0xed5), (long)(want.rflags & 0xed5) | 0x200, "%s keeps flags", how);
    check_eq((long)r.rax, (4 << 16) | 17, "%s answers", how);
}

static void page(void)
{
    extern char hypercall_page[];
    struct registers r, want;

    fill(&r);
    want = r;
    call_page(&r, hypercall_page + __HYPERVISOR_xen_version * 32);
    compare("page", r, want);
    check_eq((long)r.rcx, (long)want.rcx, "page keeps rcx");
    check_eq((long)r.r11, (long)want.r11, "page keeps r11");
}

static void direct(void)
{
    struct registers r, want;

    fill(&r);
    r.rax = __HYPERVISOR_xen_version;
    want = r;
    call_direct(&r);
    compare("syscall", r, want);
    check_eq((long)r.rcx, (long)direct_return, "rcx is the return address");
    check_eq((long)(r.r11 & 0xed5), (long)(want.rflags & 0xed5) | 0x200, "r11 is the flags");
}

/* The direction flag must neither disturb the hypervisor nor be lost. */
static void direction(void)
{
    static xen_capabilities_info_t caps;
    struct registers r;

    fill(&r);
    r.rax = __HYPERVISOR_xen_version;
    r.rdi = XENVER_capabilities;
    r.rsi = (uint64_t)caps;
    r.rflags = 0x402;
    call_direct(&r);
    check_eq((long)r.rax, 0, "a call with DF set works");
    check_eq((long)(r.rflags & 0x400), 0x400, "DF is kept");
    check(strncmp(caps, "xen-3.0-x86_64", 14) == 0, "and its copy goes upwards");
}

static void numbers(void)
{
    static const uint64_t unknown[] = {11,  43,  46,  47,  55,  56,           57,        63,   64,       65,
                                       100, 127, 128, 255, 256, 0xfffffffful, 1ul << 32, ~0ul, 1ul << 63};

    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
        struct registers r;

        fill(&r);
        r.rax = unknown[i];
        r.rdi = r.rsi = r.rdx = r.r10 = r.r8 = 0;
        call_direct(&r);
        observe((long)r.rax, "call number 0x%lx", unknown[i]);
    }
}

/* Commands are 32-bit: what lies above them is not looked at. Call numbers are 64-bit. */
static void widths(void)
{
    struct registers r;

    fill(&r);
    r.rax = __HYPERVISOR_xen_version;
    r.rdi = XENVER_version | (0xabcdul << 32);
    call_direct(&r);
    observe((long)r.rax, "command with high bits");
    fill(&r);
    r.rax = __HYPERVISOR_xen_version | (1ul << 32);
    call_direct(&r);
    observe((long)r.rax, "call number with high bits");
}

/* A command that no call has. The second list: calls that a hypervisor for single applications need not have.
 */
static void wild_commands(void)
{
    static const struct {
        const char *name;
        unsigned number;
    } calls[] = {{"nmi_op", 28},    {"callback_op", 30}, {"vm_assist", 21},  {"event_channel_op", 32},
                 {"memory_op", 12}, {"mmuext_op", 26},   {"mmu_update", 1},  {"grant_table_op", 20},
                 {"sched_op", 29},  {"vcpu_op", 24},     {"physdev_op", 33}, {"console_io", 18},
                 {"multicall", 13}, {"set_timer_op", 15}},
      optional[] = {{"platform_op", 7}, {"xsm_op", 27}, {"xenoprof_op", 31}, {"hvm_op", 34},
                    {"sysctl", 35},     {"domctl", 36}, {"tmem_op", 38},     {"argo_op", 39},
                    {"pmu_op", 40},     {"dm_op", 41},  {"hypfs_op", 42}};

    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        observe(hypercall(calls[i].number, 0x7ffffff0, 0, 0, 0, 0), "%s", calls[i].name);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(optional); i++) {
        check(hypercall(optional[i].number, 0x7ffffff0, 0, 0, 0, 0) < 0, "%s refuses", optional[i].name);
    }
}

const struct test_case test_cases[] = {
    {"page", page, false},
    {"direct", direct, false},
    {"direction", direction, false},
    {"numbers", numbers, false},
    {"widths", widths, false},
    {"wild_commands", wild_commands, false},
    {0},
};
