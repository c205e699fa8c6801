/* SPDX-License-Identifier: MIT */
/*
 * More instructions that store into a page table which is mapped read-only: what they leave in the table, in
 * registers and in flags. The entries are not present ones, so that any bits may stand in them.
 */
#include "tests/abi/lib/test.h"

#define VA 0x20000000ul

static volatile uint64_t *slot; /* VA's entry and those behind it */

static void begin(void)
{
    map_at(VA, 0);
    slot = table_of(VA, 1) + ((VA >> 12) & 511);
}

#define FLAGS 0x8d5ul /* CF PF AF ZF SF OF */

/* One instruction on slot[0] (rbx) with rax, rcx and the flags given. */
#define STORE(name, text, before, a_in, c_in, flags_in)                                                      \
    do {                                                                                                     \
        volatile uint64_t a_ = (a_in), c_ = (c_in), f_ = (flags_in);                                         \
        long vector_;                                                                                        \
                                                                                                             \
        *slot = (before);                                                                                    \
        vector_ = PROBE({                                                                                    \
                      uint64_t a = a_, c = c_, f = f_;                                                       \
                                                                                                             \
                      __asm__ volatile("pushq %2; popfq; " text "; pushfq; popq %2; cld"                     \
                                       : "+a"(a), "+c"(c), "+r"(f)                                           \
                                       : "b"(slot)                                                           \
                                       : "cc", "memory");                                                    \
                      a_ = a;                                                                                \
                      c_ = c;                                                                                \
                      f_ = f;                                                                                \
                  }).vector;                                                                                 \
        observe(vector_, name ": vector");                                                                   \
        observe((long)*slot, name ": entry");                                                                \
        observe((long)a_, name ": rax");                                                                     \
        observe((long)c_, name ": rcx");                                                                     \
        observe((long)(f_ & FLAGS), name ": flags");                                                         \
    } while (0)

#define BITS 0x1234567876543210ul

static void arithmetic(void)
{
    begin();
    STORE("addl", "addl %%eax, (%%rbx)", BITS, 0xfffffffe, 0, 2);
    STORE("adcq", "adcq %%rax, (%%rbx)", BITS, 1, 0, 3);
    STORE("sbbw", "sbbw %%ax, (%%rbx)", BITS, 0x4320, 0, 3);
    STORE("subb", "subb %%al, (%%rbx)", BITS, 0x20, 0, 2);
    STORE("subb of ah", "subb %%ah, (%%rbx)", BITS, 0x2000, 0, 2);
    STORE("orb in the middle", "orb $0x42, 3(%%rbx)", BITS, 0, 0, 2);
    STORE("andw", "andw $0xff0, 4(%%rbx)", BITS, 0, 0, 2);
    STORE("xorl upper half", "xorl %%ecx, 4(%%rbx)", BITS, 0, 0xffffffff, 2);
    STORE("incq that makes it present", "incq (%%rbx)", 0xfffffffffffffffe, 0, 0, 3);
    STORE("incl", "incl 4(%%rbx)", BITS, 0, 0, 3);
    STORE("decl", "decl 4(%%rbx)", BITS, 0, 0, 3);
    STORE("notq that makes it present", "notq (%%rbx)", BITS, 0, 0, 3);
    STORE("notb", "notb 1(%%rbx)", BITS, 0, 0, 3);
    STORE("negw", "negw 2(%%rbx)", BITS, 0, 0, 2);
}

static void exchanges(void)
{
    begin();
    STORE("xchgb", "xchgb %%cl, 1(%%rbx)", BITS, 0, 0x1177, 2);
    STORE("xchgl", "xchgl %%eax, (%%rbx)", BITS, ~1ul, 0, 2);
    STORE("xaddq", "lock xaddq %%rcx, (%%rbx)", BITS, 0, 0x100, 2);
    STORE("xaddb", "xaddb %%ah, (%%rbx)", BITS, 0x7700, 0, 2);
    STORE("cmpxchgl that matches", "lock cmpxchgl %%ecx, (%%rbx)", BITS, 0x76543210, 0xff00, 2);
    STORE("cmpxchgl that does not", "lock cmpxchgl %%ecx, (%%rbx)", BITS, 0x76543211, 0xff00, 2);
    STORE("cmpxchgb that does not", "cmpxchgb %%cl, 7(%%rbx)", BITS, ~0ul, 0xff00, 2);
    STORE("cmpxchgw that matches", "cmpxchgw %%cx, 6(%%rbx)", BITS, 0x1234, 0x42, 2);
}

static void bits(void)
{
    begin();
    STORE("btsq by register", "btsq %%rax, (%%rbx)", BITS, 63, 0, 2);
    STORE("btrl by register", "btrl %%eax, (%%rbx)", BITS, 4, 0, 2);
    STORE("btcq by register, behind", "btcq %%rax, -8(%%rbx)", BITS, 64 + 9, 0, 2);
    STORE("btsw by register, before", "btsw %%ax, 4(%%rbx)", BITS, 0xffff, 0, 2);
    STORE("btcl constant", "btcl $31, 4(%%rbx)", BITS, 0, 0, 2);
}

static void forms(void)
{
    begin();
    STORE("movnti", "movntiq %%rax, (%%rbx)", 0, BITS, 0, 2);
    STORE("mov with an index", "movq %%rax, (%%rbx,%%rcx,8)", 0, BITS, 0, 2);
    STORE("mov by r13", "mov %%rbx, %%r13; movl $0x120, (%%r13)", BITS, 0, 0, 2);
    STORE("movw", "movw $0x4242, 6(%%rbx)", BITS, 0, 0, 2);
    STORE("mov with prefixes", ".byte 0x2e, 0x3e; movq %%rax, (%%rbx)", 0, BITS, 0, 2);
    STORE("push constant", "mov %%rsp, %%r8; lea 8(%%rbx), %%rsp; pushq $-2; mov %%r8, %%rsp", 0, 0, 0, 2);
}

/* Several elements, upwards and downwards; each store faults by itself. */
static void strings(void)
{
    static uint64_t from[4] = {0x10, 0x20, 0x30, 0x40};
    volatile uint64_t *to, *source;
    uint64_t n = 4;

    begin();
    to = slot;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0x550) : "memory");
    check(to == slot + 4 && n == 0, "rep stosq: pointer and count");
    check(slot[0] == 0x550 && slot[3] == 0x550 && slot[4] == 0, "rep stosq: entries");
    to = slot + 3;
    source = from + 3;
    n = 4;
    __asm__ volatile("std; rep movsq; cld" : "+D"(to), "+S"(source), "+c"(n) : : "memory");
    check(to == slot - 1 && source + 1 == from && n == 0, "rep movsq downwards: pointers and count");
    check(slot[0] == 0x10 && slot[3] == 0x40, "rep movsq downwards: entries");
    to = slot;
    n = 8;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0x70) : "memory");
    check_eq((long)slot[0], 0x7070707070707070, "rep stosb");
    to = slot;
    check_eq(PROBE(__asm__ volatile("movsq"
                                    :
                                    : "D"(to), "S"(0x10000)
                                    : "memory"))
                 .vector,
             PF, "movsq from nowhere");
    check_eq((long)slot[0], 0x7070707070707070, "movsq from nowhere: nothing stored");
    for (unsigned i = 0; i < 4; i++) {
        slot[i] = 0;
    }
}

static volatile unsigned long steps, step_rip;

static bool step(struct regs *r)
{
    steps++;
    step_rip = r->rip;
    r->rflags &= ~0x100ul;
    return true;
}

static void tracing(void)
{
    extern char behind_store[];

    begin();
    set_trap_handler(DB, step);
    __asm__ volatile(
        "pushfq; orq $0x100, (%%rsp); popfq; movq $0x40, (%0); .globl behind_store; behind_store: nop"
        :
        : "r"(slot)
        : "cc", "memory");
    set_trap_handler(DB, NULL);
    check_eq((long)steps, 1, "one step");
    check_eq((long)step_rip, (long)behind_store, "behind the store");
    check_eq((long)*slot, 0x40, "the store");
    *slot = 0;
}

/* Code that ends at a page's end, with nothing behind it. */
static void page_end(void)
{
    static const uint8_t code[] = {0x48, 0x89, 0x07, 0xc3}; /* mov %rax, (%rdi); ret */
    char *text = page_alloc();
    const char *entry = (const char *)0x20400000 + PAGE_SIZE - sizeof(code);

    begin();
    memcpy(text + PAGE_SIZE - sizeof(code), code, sizeof(code));
    check_eq(map_at(0x20400000, make_pte(text, PTE_RO)), 0, "map the code");
    check_eq(map_at(0x20401000, 0), 0, "nothing behind it");
    check_eq(PROBE(__asm__ volatile("call *%2"
                                    :
                                    : "a"(0x60), "D"(slot), "r"(entry)
                                    : "memory"))
                 .vector,
             NO_TRAP, "it runs");
    check_eq((long)*slot, 0x60, "and stores");
    map_at(0x20400000, 0);
    *slot = 0;
    page_free(text);
}

const struct test_case test_cases[] = {
    {"arithmetic", arithmetic, false},
    {"exchanges", exchanges, false},
    {"bits", bits, false},
    {"forms", forms, false},
    {"strings", strings, false},
    {"tracing", tracing, false},
    {"page_end", page_end, false},
    {0},
};
