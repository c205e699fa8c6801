/* SPDX-License-Identifier: MIT */
/* A user address space beside the kernel's, and the way into it and back. */
#include "tests/abi/lib/test.h"
#include "tests/abi/lib/internal.h"

/* A fresh table whose entry for USER_CODE is `entry`; read-only already, as a page table must be. */
static uint64_t *table_with(unsigned index, uint64_t entry)
{
    uint64_t *table = page_alloc();

    table[index] = entry;
    return set_read_only(table) == 0 ? table : NULL;
}

long user_setup(const char *code, const char *end)
{
    char *text = page_alloc();
    uint64_t *l1 = page_alloc(), *l2, *l3, *l4;
    unsigned long va = USER_CODE;
    long error;

    memcpy(text, code, (unsigned long)end - (unsigned long)code);
    l1[(va >> 12) & 511] = make_pte(text, PTE_RO);
    l1[((USER_STACK - 1) >> 12) & 511] = make_pte(page_alloc(), PTE_RW);
    error = set_read_only(l1);
    l2 = table_with((va >> 21) & 511, make_pte(l1, PTE_RW));
    l3 = table_with((va >> 30) & 511, make_pte(l2, PTE_RW));
    l4 = table_with((va >> 39) & 511, make_pte(l3, PTE_RW));
    if (error == 0) {
        error = mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(l4), 0);
    }
    return error != 0 ? error : mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(l4), 0);
}

struct trap user_run_frame(const struct iret_context *frame, unsigned long rdi)
{
    unsigned long rsp;

    /* The user's traps arrive below all that this call still needs. */
    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    hcall(stack_switch, FLAT_KERNEL_SS, (rsp - 4096) & ~15ul);
    return PROBE(load_iret_frame(frame, rdi));
}

struct trap user_run(unsigned long offset, unsigned long arg)
{
    struct iret_context frame = {.rip = USER_CODE + offset,
                                 .cs = FLAT_USER_CS,
                                 .rflags = 0x202,
                                 .rsp = USER_STACK,
                                 .ss = FLAT_USER_SS};

    return user_run_frame(&frame, arg);
}
