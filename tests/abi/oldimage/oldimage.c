/* SPDX-License-Identifier: MIT */
/* Registers at entry, and the image format from before ELF notes. */
#include "tests/abi/lib/test.h"

extern uint64_t entry_regs[17];

static void registers(void)
{
    static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

    for (unsigned i = 0; i < 16; i++) {
        if (i != 4 && i != 7) {
            check_eq((long)entry_regs[i], 0, "%s is 0", names[i]);
        }
    }
    check_eq((long)entry_regs[4], (long)start_info, "rsi is the start info");
    check_eq((long)entry_regs[7], (long)(start_info->pt_base + (start_info->nr_pt_frames + 1) * PAGE_SIZE),
             "rsp is the end of the boot stack");
    observe((long)entry_regs[16], "rflags");
}

static void works(void)
{
    check_eq(hcall(xen_version, XENVER_version, NULL), (4 << 16) | 17, "the hypercall page is filled");
    check(strncmp(start_info->magic, "xen-3.0-x86_64", 14) == 0, "magic");
    check_eq((long)va_to_pfn(__virt_base), 0, "frame 0 is at VIRT_BASE");
}

const struct test_case test_cases[] = {{"registers", registers, false}, {"works", works, false}, {0}};
