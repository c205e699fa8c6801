/* SPDX-License-Identifier: MIT */
/*
 * Stores into page tables that are mapped read-only: the hypervisor emulates the faulting instruction and
 * vets the entry, as Linux relies on. Only L1 tables; a store into a higher one is the guest's page fault.
 */
#include "tests/abi/lib/test.h"

#define VA 0x20000000ul

static volatile uint64_t *slot; /* VA's entry, through the read-only mapping of its L1 */
static char *page;
static uint64_t pte;

static void begin(void)
{
    if (page == NULL) {
        page = page_alloc();
    }
    pte = make_pte(page, PTE_RW);
    map_at(VA, 0);
    slot = table_of(VA, 1) + ((VA >> 12) & 511);
}

static void flush(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = VA};

    hcall(mmuext_op, &op, 1, NULL, DOMID_SELF);
}

static bool maps_page(void)
{
    flush();
    *(volatile uint64_t *)page += 1;
    return (*slot & PTE_ADDR) == (pte & PTE_ADDR) && probe_read(VA) == NO_TRAP &&
           *(volatile uint64_t *)VA == *(volatile uint64_t *)page;
}

static void moves(void)
{
    begin();
    check_eq(PROBE(*slot = pte).vector, NO_TRAP, "mov");
    check(maps_page(), "mov: takes effect");
    check_eq(PROBE(__asm__ volatile("movq $0, (%0)"
                                    :
                                    : "r"(slot)
                                    : "memory"))
                 .vector,
             NO_TRAP, "mov of a constant");
    flush();
    check_eq(probe_read(VA), PF, "mov of a constant: takes effect");
    check_eq(PROBE(__asm__ volatile("mov %0, %%rdi; mov %1, %%rax; stosq"
                                    :
                                    : "r"(slot), "r"(pte)
                                    : "rdi", "rax", "memory"))
                 .vector,
             NO_TRAP, "stosq");
    check(maps_page(), "stosq: takes effect");
    check_eq(PROBE(__asm__ volatile("mov %0, %%rdi; lea %1, %%rsi; movsq"
                                    :
                                    : "r"(slot), "m"(pte)
                                    : "rdi", "rsi", "memory"))
                 .vector,
             NO_TRAP, "movsq");
    check(maps_page(), "movsq: takes effect");
}

static void exchanges(void)
{
    volatile uint64_t old, got = 0;

    begin();
    *slot = pte ^ PTE_W;
    flush();
    (void)probe_read(VA);
    *slot = pte ^ PTE_W;
    check_eq(PROBE(got = __atomic_exchange_n(slot, pte, __ATOMIC_SEQ_CST)).vector, NO_TRAP, "xchg");
    check_eq((long)(got & PTE_ADDR), (long)(pte & PTE_ADDR), "xchg: returns the old entry");
    check(maps_page(), "xchg: takes effect");

    *slot = 0;
    old = 0;
    check_eq(PROBE({
                 uint64_t want = 0;

                 got =
                     __atomic_compare_exchange_n(slot, &want, pte, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
                 old = want;
             }).vector,
             NO_TRAP, "cmpxchg");
    check_eq((long)got, 1, "cmpxchg: succeeds");
    check(maps_page(), "cmpxchg: takes effect");
    check_eq(PROBE({
                 uint64_t want = 0x123;

                 got = __atomic_compare_exchange_n(slot, &want, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
                 old = want;
             }).vector,
             NO_TRAP, "cmpxchg that does not match");
    check_eq((long)got, 0, "cmpxchg that does not match: fails");
    check_eq((long)(old & PTE_ADDR), (long)(pte & PTE_ADDR), "cmpxchg that does not match: reads the entry");
    check(maps_page(), "cmpxchg that does not match: changes nothing");
}

static void arithmetic(void)
{
    begin();
    *slot = pte;
    check_eq(PROBE(__asm__ volatile("lock andq %1, (%0)"
                                    :
                                    : "r"(slot), "r"(~PTE_W)
                                    : "memory", "cc"))
                 .vector,
             NO_TRAP, "lock and");
    flush();
    check_eq(probe_write(VA, 0), PF, "lock and: takes effect");
    check_eq(PROBE(__asm__ volatile("lock orq %1, (%0)"
                                    :
                                    : "r"(slot), "r"(PTE_W)
                                    : "memory", "cc"))
                 .vector,
             NO_TRAP, "lock or");
    check(maps_page() && probe_write(VA, 0) == NO_TRAP, "lock or: takes effect");
    check_eq(PROBE(__asm__ volatile("lock btrq $1, (%0)"
                                    :
                                    : "r"(slot)
                                    : "memory", "cc"))
                 .vector,
             NO_TRAP, "lock btr");
    flush();
    check_eq(probe_write(VA, 0), PF, "lock btr: takes effect");
    check_eq(PROBE(__asm__ volatile("lock btsq $1, (%0)"
                                    :
                                    : "r"(slot)
                                    : "memory", "cc"))
                 .vector,
             NO_TRAP, "lock bts");
    check(maps_page() && probe_write(VA, 0) == NO_TRAP, "lock bts: takes effect");
    check_eq(PROBE(__asm__ volatile("xorq $0x200, (%0)"
                                    :
                                    : "r"(slot)
                                    : "memory", "cc"))
                 .vector,
             NO_TRAP, "xor");
    check(maps_page(), "xor: takes effect");
    check_eq(PROBE(__asm__ volatile("addq $0x200, (%0)"
                                    :
                                    : "r"(slot)
                                    : "memory", "cc"))
                 .vector,
             NO_TRAP, "add");
    check(maps_page(), "add: takes effect");
    *slot = 0;
    flush();
}

/* Narrow stores are emulated too, in what they do to the whole entry. */
static void narrow(void)
{
    begin();
    *slot = pte & ~0xfful;
    observe(PROBE(__asm__ volatile("movb %1, (%0)"
                                   :
                                   : "r"(slot), "q"((char)0x67)
                                   : "memory"))
                .vector,
            "one byte");
    observe((long)(*slot & 0x67), "one byte: low bits");
    *slot = pte;
    observe(PROBE(__asm__ volatile("movl $0, (%0)" : : "r"(slot) : "memory")).vector, "four bytes");
    observe((long)(uint32_t)*slot, "four bytes: low half");
    *slot = 0;
    flush();
}

static void refused(void)
{
    uint64_t *l1_of_us = table_of((unsigned long)__virt_base, 1);
    struct trap t;

    begin();
    t = PROBE(*slot = make_pte(l1_of_us, PTE_RW));
    observe(t.vector, "a writable mapping of a table");
    check_eq((long)*slot, 0, "a writable mapping of a table: not stored");
    t = PROBE(*slot = (NO_MFN << 12) | PTE_RW);
    observe(t.vector, "a frame beyond memory");
    check_eq((long)*slot, 0, "a frame beyond memory: not stored");
    t = PROBE(*slot = pte | (1ul << 51));
    observe(t.vector, "reserved bits");
    check_eq(PROBE(*slot = pte & ~PTE_P).vector, NO_TRAP, "an entry that is not present");
    check_eq((long)*slot, (long)(pte & ~PTE_P), "an entry that is not present: stored");
    *slot = 0;
    check_eq(PROBE(table_of(VA, 2)[(VA >> 21) & 511] = 0).vector, PF, "a store into an L2");
    check_eq(PROBE(table_of(VA, 3)[(VA >> 30) & 511] = 0).vector, PF, "a store into an L3");
    check_eq(PROBE(table_of(VA, 4)[(VA >> 39) & 511] = 0).vector, PF, "a store into an L4");
    observe(PROBE(__asm__ volatile("movdqu %%xmm0, (%0)" : : "r"(slot) : "memory")).vector, "sixteen bytes");
    observe(PROBE(*(volatile uint64_t *)((unsigned long)slot + 4) = 0).vector, "an unaligned store");
    set_read_only(page);
    check_eq(PROBE(*(volatile uint64_t *)page = 1).vector, PF, "a read-only page that is no table");
    set_writable(page);
}

/* A store with the flags of a push: stack pointers move only when it works. */
static void push(void)
{
    volatile unsigned long moved = 0;

    begin();
    check_eq(
        PROBE(__asm__ volatile("mov %%rsp, %%rbx; lea 8(%1), %%rsp; push %2; mov %%rsp, %0; mov %%rbx, %%rsp"
                               : "=&r"(moved)
                               : "r"(slot), "r"(pte)
                               : "rbx", "memory"))
            .vector,
        NO_TRAP, "push into an L1");
    check_eq((long)moved, (long)slot, "push into an L1: rsp");
    check(maps_page(), "push into an L1: takes effect");
    *slot = 0;
    flush();
}

const struct test_case test_cases[] = {
    {"moves", moves, false},
    {"exchanges", exchanges, false},
    {"arithmetic", arithmetic, false},
    {"narrow", narrow, false},
    {"push", push, false},
    {"refused", refused, false},
    {0},
};
