/* SPDX-License-Identifier: MIT */
/*
 * The decoder of emulated instructions, and what emulated stores do. Decoding: known encodings, and random
 * bytes in buffers without a byte to spare. Stores: the processor runs each one, and so does the emulation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "hypervisor/pv/store.h"

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

struct encoding {
    const char *name;
    uint8_t code[INSN_BUFFER];
    struct insn want; /* registers, sizes and numbers; fields that do not apply are the decoder's defaults */
};

#define OPERAND(b, x, ...) .modrm = true, .memory = true, .base = (b), .index = (x), __VA_ARGS__
#define REGISTER(n)        .modrm = true, .rm = (n), .base = (n), .index = REG_NONE
#define PLAIN              .base = REG_NONE, .index = REG_NONE

static const struct encoding encodings[] = {
    {"mov %rax, (%rdi)",
     {0x48, 0x89, 0x07},
     {.length = 3, .opcode = 0x89, .size = 8, .rex = true, OPERAND(7, REG_NONE, .reg = 0, .rm = 7)}},
    {"mov %r9b, 0x10(%rsp)",
     {0x44, 0x88, 0x4c, 0x24, 0x10},
     {.length = 5,
      .opcode = 0x88,
      .size = 1,
      .rex = true,
      OPERAND(4, REG_NONE, .reg = 9, .rm = 4, .displacement = 0x10)}},
    {"movl $-1, -4(%rbp,%r12,8)",
     {0x42, 0xc7, 0x44, 0xe5, 0xfc, 0xff, 0xff, 0xff, 0xff},
     {.length = 9,
      .opcode = 0xc7,
      .size = 4,
      .rex = true,
      .immediate = -1,
      OPERAND(5, 12, .rm = 4, .scale = 3, .displacement = -4)}},
    {"movw $0x1234, (%rax)",
     {0x66, 0xc7, 0x00, 0x34, 0x12},
     {.length = 5, .opcode = 0xc7, .size = 2, .immediate = 0x1234, OPERAND(0, REG_NONE, .scale = 0)}},
    {"mov %eax, 0x12345678",
     {0x89, 0x04, 0x25, 0x78, 0x56, 0x34, 0x12},
     {.length = 7,
      .opcode = 0x89,
      .size = 4,
      OPERAND(REG_NONE, REG_NONE, .rm = 4, .displacement = 0x12345678)}},
    {"mov %eax, 0x100(%rip)",
     {0x89, 0x05, 0x00, 0x01, 0x00, 0x00},
     {.length = 6,
      .opcode = 0x89,
      .size = 4,
      OPERAND(REG_NONE, REG_NONE, .rm = 5, .rip_relative = true, .displacement = 0x100)}},
    {"lock cmpxchg %rdx, (%r13)",
     {0xf0, 0x49, 0x0f, 0xb1, 0x55, 0x00},
     {.length = 6,
      .two_byte = true,
      .opcode = 0xb1,
      .size = 8,
      .lock = true,
      .rex = true,
      OPERAND(13, REG_NONE, .reg = 2, .rm = 13)}},
    {"lock btrq $5, %fs:(%rbx)",
     {0xf0, 0x64, 0x48, 0x0f, 0xba, 0x33, 0x05},
     {.length = 7,
      .two_byte = true,
      .opcode = 0xba,
      .size = 8,
      .lock = true,
      .rex = true,
      .segment = 0x64,
      .immediate = 5,
      OPERAND(3, REG_NONE, .reg = 6, .rm = 3)}},
    {"rep stosq",
     {0xf3, 0x48, 0xab},
     {.length = 3, .opcode = 0xab, .size = 8, .rep = true, .rex = true, PLAIN}},
    {"push %r15", {0x41, 0x57}, {.length = 2, .opcode = 0x57, .size = 8, .rex = true, .reg = 15, PLAIN}},
    {"in (%dx), %ax", {0x66, 0xed}, {.length = 2, .opcode = 0xed, .size = 2, PLAIN}},
    {"out %al, $0x80", {0xe6, 0x80}, {.length = 2, .opcode = 0xe6, .size = 1, .immediate = -128, PLAIN}},
    {"mov %rax, %cr3",
     {0x0f, 0x22, 0xd8},
     {.length = 3, .two_byte = true, .opcode = 0x22, .size = 8, .reg = 3, REGISTER(0)}},
    {"mov %cr8, %r9",
     {0x45, 0x0f, 0x20, 0xc1},
     {.length = 4, .two_byte = true, .opcode = 0x20, .size = 8, .rex = true, .reg = 8, REGISTER(9)}},
    {"xsetbv",
     {0x0f, 0x01, 0xd1},
     {.length = 3, .two_byte = true, .opcode = 0x01, .size = 4, .reg = 2, REGISTER(1)}},
    {"rdmsr", {0x0f, 0x32}, {.length = 2, .two_byte = true, .opcode = 0x32, .size = 4, PLAIN}},
};

static void known(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(encodings); k++) {
        const struct encoding *e = &encodings[k];
        struct insn want = e->want, i;

        print_message("%s\n", e->name);
        assert_true(insn_decode(e->code, INSN_MAX, &i));
        assert_int_equal(i.length, want.length);
        assert_int_equal(i.opcode, want.opcode);
        assert_int_equal(i.two_byte, want.two_byte);
        assert_int_equal(i.size, want.size);
        assert_int_equal(i.lock, want.lock);
        assert_int_equal(i.rep, want.rep);
        assert_int_equal(i.segment, want.segment);
        assert_int_equal(i.memory, want.memory);
        assert_int_equal(i.reg, want.reg);
        assert_int_equal(i.base, want.base);
        assert_int_equal(i.index, want.index);
        assert_int_equal(i.scale, want.scale);
        assert_int_equal(i.rip_relative, want.rip_relative);
        assert_int_equal(i.displacement, want.displacement);
        assert_int_equal(i.immediate, want.immediate);
        assert_false(insn_decode(e->code, want.length - 1u, &i));
    }
}

static void refused(void **state)
{
    static const uint8_t codes[][INSN_BUFFER] = {
        {0x90},                   /* nop */
        {0xf4},                   /* hlt */
        {0x0f, 0x08},             /* invd */
        {0x0f, 0xc7, 0x0f},       /* cmpxchg8b */
        {0xe8, 0, 0, 0, 0},       /* call */
        {0xc4, 0xe1, 0x78},       /* VEX */
        {0x48, 0x66, 0x89, 0x07}, /* a prefix behind REX */
        {0x66, 0x50},             /* push of 16 bits */
    };
    static const uint8_t prefixes[INSN_BUFFER] = {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                                  0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66};
    struct insn i;

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(codes); k++) {
        assert_false(insn_decode(codes[k], INSN_MAX, &i));
    }
    assert_false(insn_decode(prefixes, INSN_MAX, &i));
    assert_false(insn_decode(prefixes, 0, &i));
}

/* Whatever the bytes: no byte beyond the buffer is read, and the answer does not depend on what follows. */
static void random_bytes(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300000; round++) {
        unsigned n = (unsigned)(rnd() % (INSN_MAX + 1));
        uint8_t *code = malloc(INSN_BUFFER);
        struct cpu_user_regs regs = {.rip = rnd(), .rdi = rnd(), .rsi = rnd(), .rcx = rnd(), .rsp = rnd()};
        struct store s = {0};
        struct insn i, again;

        for (unsigned k = 0; k < INSN_BUFFER; k++) {
            uint64_t r = rnd();

            /* Often what is likely to mean something. */
            code[k] = r & 1 ? (uint8_t)(r >> 8) : "\x66\xf0\xf3\x48\x0f\x89\x41\x87\xab\xba\xb1\x24"[r % 12];
        }
        if (insn_decode(code, n, &i)) {
            assert_in_range(i.length, 1, n);
            assert_true(insn_decode(code, i.length, &again));
            assert_int_equal(again.length, i.length);
            assert_false(insn_decode(code, i.length - 1u, &again));
            assert_true(i.size == 1 || i.size == 2 || i.size == 4 || i.size == 8);
            if (store_locate(&i, &regs, &s)) {
                store_compute(&i, &regs, rnd() & (i.size == 8 ? ~0ul : (1ul << (i.size * 8)) - 1), &s);
                store_retire(&i, &regs, &s);
            }
        }
        free(code);
    }
}

/* ---- stores: the processor against the emulation ---- */

struct machine {
    uint64_t rax, rcx, rdx, rbx, rsi, rdi, rflags;
};

/* Runs code (which ends with ret) with the registers and flags given, and returns them as they are after it.
 */
void run_code(struct machine *m, const void *code);
__asm__(".text\n"
        "run_code:\n\t"
        "push %rbx\n\t"
        "push %rdi\n\t"
        "mov %rsi, %r8\n\t"
        "mov %rdi, %r9\n\t"
        "mov 0(%r9), %rax\n\t"
        "mov 8(%r9), %rcx\n\t"
        "mov 16(%r9), %rdx\n\t"
        "mov 24(%r9), %rbx\n\t"
        "mov 32(%r9), %rsi\n\t"
        "mov 40(%r9), %rdi\n\t"
        "pushq 48(%r9)\n\t"
        "popfq\n\t"
        "call *%r8\n\t"
        "pushfq\n\t"
        "cld\n\t"
        "popq 48(%r9)\n\t"
        "mov %rax, 0(%r9)\n\t"
        "mov %rcx, 8(%r9)\n\t"
        "mov %rdx, 16(%r9)\n\t"
        "mov %rbx, 24(%r9)\n\t"
        "mov %rsi, 32(%r9)\n\t"
        "mov %rdi, 40(%r9)\n\t"
        "pop %rdi\n\t"
        "pop %rbx\n\t"
        "ret");

/* A store through rbx (or rdi, for string instructions), of any size. */
struct form {
    const char *name;
    uint8_t opcode[2]; /* the second only after 0f */
    int reg;           /* of ModRM; -1: any of rax, rcx, rdx */
    uint8_t immediate; /* bytes, 4 shrinks with 16-bit operands */
    bool byte_too, string, only_carry, wide_only;
};

static const struct form forms[] = {
    {"add", {0x01}, -1, 0, true, 0, 0, 0},
    {"or", {0x09}, -1, 0, true, 0, 0, 0},
    {"adc", {0x11}, -1, 0, true, 0, 0, 0},
    {"sbb", {0x19}, -1, 0, true, 0, 0, 0},
    {"and", {0x21}, -1, 0, true, 0, 0, 0},
    {"sub", {0x29}, -1, 0, true, 0, 0, 0},
    {"xor", {0x31}, -1, 0, true, 0, 0, 0},
    {"xchg", {0x87}, -1, 0, true, 0, 0, 0},
    {"mov", {0x89}, -1, 0, true, 0, 0, 0},
    {"add constant", {0x81}, 0, 4, 0, 0, 0, 0},
    {"or byte constant", {0x83}, 1, 1, 0, 0, 0, 0},
    {"adc byte constant", {0x83}, 2, 1, 0, 0, 0, 0},
    {"sbb constant", {0x81}, 3, 4, 0, 0, 0, 0},
    {"and constant", {0x81}, 4, 4, 0, 0, 0, 0},
    {"sub constant", {0x83}, 5, 1, 0, 0, 0, 0},
    {"xor constant", {0x81}, 6, 4, 0, 0, 0, 0},
    {"mov constant", {0xc7}, 0, 4, 0, 0, 0, 0},
    {"not", {0xf7}, 2, 0, true, 0, 0, 0},
    {"neg", {0xf7}, 3, 0, true, 0, 0, 0},
    {"inc", {0xff}, 0, 0, true, 0, 0, 0},
    {"dec", {0xff}, 1, 0, true, 0, 0, 0},
    {"bts", {0x0f, 0xab}, -1, 0, 0, 0, true, 0},
    {"btr", {0x0f, 0xb3}, -1, 0, 0, 0, true, 0},
    {"btc", {0x0f, 0xbb}, -1, 0, 0, 0, true, 0},
    {"bts constant", {0x0f, 0xba}, 5, 1, 0, 0, true, 0},
    {"btr constant", {0x0f, 0xba}, 6, 1, 0, 0, true, 0},
    {"btc constant", {0x0f, 0xba}, 7, 1, 0, 0, true, 0},
    {"cmpxchg", {0x0f, 0xb1}, -1, 0, true, 0, 0, 0},
    {"xadd", {0x0f, 0xc1}, -1, 0, true, 0, 0, 0},
    {"movnti", {0x0f, 0xc3}, -1, 0, 0, 0, 0, true},
    {"stos", {0xab}, -1, 0, true, true, 0, 0},
    {"movs", {0xa5}, -1, 0, true, true, 0, 0},
};

static unsigned encode(const struct form *f, unsigned size, uint8_t *code)
{
    unsigned n = 0, immediate = f->immediate == 4 && size == 2 ? 2 : f->immediate;
    uint8_t last = f->opcode[0] == 0x0f ? f->opcode[1] : f->opcode[0];

    if (size == 2) {
        code[n++] = 0x66;
    }
    if (size == 8) {
        code[n++] = 0x48;
    }
    if (f->opcode[0] == 0x0f) {
        code[n++] = 0x0f;
    }
    code[n++] = size == 1 ? last & 0xfe : last;
    if (!f->string) {
        code[n++] = (uint8_t)((f->reg >= 0 ? (unsigned)f->reg : (unsigned)(rnd() % 3)) << 3 | 3);
    }
    for (unsigned k = 0; k < immediate; k++) {
        code[n++] = (uint8_t)rnd();
    }
    return n;
}

static void one_store(const struct form *f, unsigned size, uint8_t *code)
{
    static uint64_t memory[64];
    uint64_t *target = &memory[32];
    unsigned length = encode(f, size, code);
    struct machine m = {rnd(),
                        rnd(),
                        rnd(),
                        (uint64_t)target,
                        (uint64_t)&memory[8],
                        (uint64_t)target,
                        (rnd() & (FLAGS_ARITHMETIC | FLAGS_DF)) | 0x202};
    struct cpu_user_regs regs = {0};
    uint64_t mask = size == 8 ? ~0ul : (1ul << (size * 8)) - 1;
    struct insn i;
    struct store s = {0};
    uint64_t before, after;
    uint64_t *hit;

    if (f->only_carry) { /* bit offsets that stay inside `memory` */
        m.rax = rnd() % 1024 - 512;
        m.rcx = rnd() % 1024 - 512;
        m.rdx = rnd() % 1024 - 512;
    }
    for (unsigned k = 0; k < 64; k++) {
        memory[k] = rnd();
    }
    if (rnd() & 1) {
        m.rax = *target; /* lets cmpxchg match */
        m.rax = f->only_carry ? 7 : m.rax;
    }
    code[length] = 0xc3;
    regs.rax = m.rax;
    regs.rcx = m.rcx;
    regs.rdx = m.rdx;
    regs.rbx = m.rbx;
    regs.rsi = m.rsi;
    regs.rdi = m.rdi;
    regs.rflags = m.rflags;
    assert_true(insn_decode(code, length, &i));
    assert_int_equal(i.length, length);
    assert_int_equal(i.size, size);
    assert_true(store_locate(&i, &regs, &s));
    hit = (uint64_t *)(s.address & ~7ul);
    assert_true(hit >= memory && hit < memory + 64);
    memcpy(&before, (void *)s.address, size);
    if (s.loads) {
        memcpy(&s.loaded, (void *)s.source, size);
    }
    run_code(&m, code);
    memcpy(&after, (void *)s.address, size);
    store_compute(&i, &regs, before & mask, &s);
    store_retire(&i, &regs, &s);
    assert_int_equal((s.writes ? s.value : before) & mask, after & mask);
    assert_int_equal(regs.rax, m.rax);
    assert_int_equal(regs.rcx, m.rcx);
    assert_int_equal(regs.rdx, m.rdx);
    assert_int_equal(regs.rsi, m.rsi);
    assert_int_equal(regs.rdi, m.rdi);
    assert_int_equal(regs.rip, length);
    mask = f->only_carry ? FLAGS_CF | FLAGS_ZF : FLAGS_ARITHMETIC;
    assert_int_equal(regs.rflags & mask, m.rflags & mask);
}

static void stores(void **state)
{
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(code != MAP_FAILED);
    for (size_t k = 0; k < ARRAY_SIZE(forms); k++) {
        const struct form *f = &forms[k];

        print_message("%s\n", f->name);
        for (unsigned size = f->byte_too ? 1 : f->wide_only ? 4 : 2; size <= 8; size *= 2) {
            for (unsigned round = 0; round < 500; round++) {
                one_store(f, size, code);
            }
        }
    }
    munmap(code, 4096);
}

/* Registers by number and width. */
static void registers(void **state)
{
    struct cpu_user_regs regs = {.rax = 0x1122334455667788, .rbx = 0x99, .r8 = 8, .r15 = 15, .rsp = 0x1234};
    struct insn plain = {0}, rex = {.rex = true};

    (void)state;
    assert_int_equal(*insn_reg(&regs, 15), 15);
    assert_int_equal(insn_reg_read(&plain, &regs, 4, 1), 0x77); /* ah */
    assert_int_equal(insn_reg_read(&rex, &regs, 4, 1), 0x34);   /* spl */
    insn_reg_write(&plain, &regs, 4, 1, 0xee);
    assert_int_equal(regs.rax, 0x112233445566ee88);
    insn_reg_write(&plain, &regs, 0, 2, 0xabcd);
    assert_int_equal(regs.rax, 0x112233445566abcd);
    insn_reg_write(&plain, &regs, 0, 4, 0xfedcba98);
    assert_int_equal(regs.rax, 0xfedcba98);
    insn_reg_write(&rex, &regs, 8, 8, ~0ul);
    assert_int_equal(regs.r8, ~0ul);
}

/* A push moves the stack pointer only when its store is done; a repeated store stays until its count is 0. */
static void pointers(void **state)
{
    static const uint8_t push[INSN_BUFFER] = {0x54}, rep[INSN_BUFFER] = {0xf3, 0x48, 0xab};
    struct cpu_user_regs regs = {.rsp = 0x1000, .rdi = 0x2000, .rcx = 2, .rip = 100};
    struct insn i;
    struct store s = {0};

    (void)state;
    assert_true(insn_decode(push, 1, &i));
    assert_true(store_locate(&i, &regs, &s));
    assert_int_equal(s.address, 0xff8);
    store_compute(&i, &regs, 0, &s);
    assert_int_equal(s.value, 0x1000); /* push %rsp stores it as it was */
    store_retire(&i, &regs, &s);
    assert_int_equal(regs.rsp, 0xff8);
    assert_int_equal(regs.rip, 101);
    assert_true(insn_decode(rep, 3, &i));
    assert_true(store_locate(&i, &regs, &s));
    store_retire(&i, &regs, &s);
    assert_int_equal(regs.rip, 101);
    assert_int_equal(regs.rcx, 1);
    assert_int_equal(regs.rdi, 0x2008);
    store_retire(&i, &regs, &s);
    assert_int_equal(regs.rip, 104);
    assert_false(store_locate(&i, &regs, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known),        cmocka_unit_test(refused),
                                       cmocka_unit_test(registers),    cmocka_unit_test(pointers),
                                       cmocka_unit_test(random_bytes), cmocka_unit_test(stores)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
