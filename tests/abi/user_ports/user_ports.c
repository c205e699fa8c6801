/* SPDX-License-Identifier: MIT */
/* Privileged instructions in guest user mode: ports by IOPL 3 or by the kernel's bitmap, the rest never. */
#include "tests/abi/lib/test.h"

extern const char user_code[], user_code_end[];

static const char *const names[] = {"in",     "out",      "cli",       "sti",      "clts",        "rdmsr",
                                    "wrmsr",  "read cr3", "write cr2", "read dr7", "write dr0",   "wbinvd",
                                    "xsetbv", "hlt",      "insb",      "rdtsc",    "forced cpuid"};

static void all(const char *when)
{
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        struct trap t = user_run(i * 32, USER_STACK - 64);

        observe(t.vector, "%s, %s: vector", when, names[i]);
        observe((long)t.error, "%s, %s: error", when, names[i]);
        if (t.vector != VEC_SYSCALL) {
            check_eq((long)t.regs.rip, (long)(USER_CODE + i * 32), "%s, %s: rip", when, names[i]);
        }
    }
}

static void permissions(void)
{
    static uint8_t bits[8192];
    struct physdev_set_iopl iopl = {.iopl = 1};
    struct physdev_set_iobitmap map = {.nr_ports = 0x100};

    check_eq(user_setup(user_code, user_code_end), 0, "user address space");
    all("at first");
    hcall(physdev_op, PHYSDEVOP_set_iopl, &iopl);
    all("IOPL 1");
    iopl.iopl = 3;
    hcall(physdev_op, PHYSDEVOP_set_iopl, &iopl);
    all("IOPL 3");
    iopl.iopl = 0;
    hcall(physdev_op, PHYSDEVOP_set_iopl, &iopl);
    memset(bits, 0xff, sizeof(bits));
    bits[0x84 / 8] = 0xef;
    set_xen_guest_handle(map.bitmap, bits);
    hcall(physdev_op, PHYSDEVOP_set_iobitmap, &map);
    all("by bitmap");
    map.nr_ports = 0;
    hcall(physdev_op, PHYSDEVOP_set_iobitmap, &map);
    all("in the end");
}

const struct test_case test_cases[] = {
    {"permissions", permissions, false},
    {0},
};
