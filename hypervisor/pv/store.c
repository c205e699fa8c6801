/* SPDX-License-Identifier: MIT */
/*
 * See store.h. Arithmetic is done by the instruction itself, on our own copy of the operand, so that flags
 * come out as the processor makes them.
 */
#include "hypervisor/pv/store.h"

/* name op(size, a, b, flags): a = a op b with *flags as before it and after it. */
#define WITH_FLAGS(text) "pushq %1\n\tpopfq\n\t" text "\n\tpushfq\n\tpopq %1"
#define BINARY(name)                                                                                         \
    static uint64_t op_##name(unsigned size, uint64_t a, uint64_t b, uint64_t *flags)                        \
    {                                                                                                        \
        uint64_t f = *flags & FLAGS_ARITHMETIC;                                                              \
                                                                                                             \
        switch (size) {                                                                                      \
        case 1:                                                                                              \
            __asm__(WITH_FLAGS(#name "b %b2, %b0") : "+q"(a), "+r"(f) : "q"(b) : "cc");                      \
            break;                                                                                           \
        case 2:                                                                                              \
            __asm__(WITH_FLAGS(#name "w %w2, %w0") : "+r"(a), "+r"(f) : "r"(b) : "cc");                      \
            break;                                                                                           \
        case 4:                                                                                              \
            __asm__(WITH_FLAGS(#name "l %k2, %k0") : "+r"(a), "+r"(f) : "r"(b) : "cc");                      \
            break;                                                                                           \
        default:                                                                                             \
            __asm__(WITH_FLAGS(#name "q %2, %0") : "+r"(a), "+r"(f) : "r"(b) : "cc");                        \
            break;                                                                                           \
        }                                                                                                    \
        *flags = (*flags & ~FLAGS_ARITHMETIC) | (f & FLAGS_ARITHMETIC);                                      \
        return a;                                                                                            \
    }
#define UNARY(name)                                                                                          \
    static uint64_t op_##name(unsigned size, uint64_t a, uint64_t b, uint64_t *flags)                        \
    {                                                                                                        \
        uint64_t f = *flags & FLAGS_ARITHMETIC;                                                              \
                                                                                                             \
        (void)b;                                                                                             \
        switch (size) {                                                                                      \
        case 1:                                                                                              \
            __asm__(WITH_FLAGS(#name "b %b0") : "+q"(a), "+r"(f) : : "cc");                                  \
            break;                                                                                           \
        case 2:                                                                                              \
            __asm__(WITH_FLAGS(#name "w %w0") : "+r"(a), "+r"(f) : : "cc");                                  \
            break;                                                                                           \
        case 4:                                                                                              \
            __asm__(WITH_FLAGS(#name "l %k0") : "+r"(a), "+r"(f) : : "cc");                                  \
            break;                                                                                           \
        default:                                                                                             \
            __asm__(WITH_FLAGS(#name "q %0") : "+r"(a), "+r"(f) : : "cc");                                   \
            break;                                                                                           \
        }                                                                                                    \
        *flags = (*flags & ~FLAGS_ARITHMETIC) | (f & FLAGS_ARITHMETIC);                                      \
        return a;                                                                                            \
    }

BINARY(add)
BINARY(or)
BINARY(adc)
BINARY(sbb)
BINARY(and)
BINARY(sub)
BINARY(xor)
UNARY(inc)
UNARY(dec)
UNARY(not )
UNARY(neg)

typedef uint64_t (*operation)(unsigned size, uint64_t a, uint64_t b, uint64_t *flags);

/* In the order of the opcodes' bits 3..5 and of ModRM's reg; the eighth, cmp, stores nothing. */
static const operation arithmetic[7] = {op_add, op_or, op_adc, op_sbb, op_and, op_sub, op_xor};

/* bts, btr, btc: only CF changes. which: 1, 2, 3. */
static uint64_t bit_operation(unsigned which, uint64_t a, unsigned bit, uint64_t *flags)
{
    uint64_t mask = 1ul << bit;

    *flags = (*flags & ~FLAGS_CF) | (a & mask ? FLAGS_CF : 0);
    return which == 1 ? a | mask : which == 2 ? a & ~mask : a ^ mask;
}

static bool one_byte_stores(const struct insn *i)
{
    switch (i->opcode) {
    case 0x50 ... 0x57:
    case 0x68:
    case 0x6a:
    case 0xa4 ... 0xa5:
    case 0xaa ... 0xab:
        return !i->lock;
    case 0x80 ... 0x83:
        return i->memory && (i->reg & 7) < 7;
    case 0x86 ... 0x87:
        return i->memory;
    case 0x88 ... 0x89:
        return i->memory && !i->lock;
    case 0xc6 ... 0xc7:
        return i->memory && !i->lock && (i->reg & 7) == 0;
    case 0xf6 ... 0xf7:
        return i->memory && ((i->reg & 7) == 2 || (i->reg & 7) == 3);
    case 0xfe ... 0xff:
        return i->memory && (i->reg & 7) < 2;
    default:
        return i->opcode < 0x38 && i->memory;
    }
}

static bool two_byte_stores(const struct insn *i)
{
    switch (i->opcode) {
    case 0xba:
        return i->memory && (i->reg & 7) >= 5;
    case 0xc3:
        return i->memory && !i->lock && i->size >= 4;
    case 0xab:
    case 0xb3:
    case 0xbb:
    case 0xb0 ... 0xb1:
    case 0xc0 ... 0xc1:
        return i->memory;
    default:
        return false;
    }
}

/* The bit number of bts and its like reaches beyond the operand, in both directions. */
static uint64_t bit_offset(const struct insn *i, struct cpu_user_regs *regs)
{
    uint64_t n = insn_reg_read(i, regs, i->reg, i->size);
    int64_t bit = i->size == 8 ? (int64_t)n : i->size == 4 ? (int32_t)n : (int16_t)n;

    return (uint64_t)((bit >> (i->size == 8 ? 6 : i->size == 4 ? 5 : 4)) * i->size);
}

static bool is_string(const struct insn *i)
{
    return !i->two_byte && (i->opcode == 0xa4 || i->opcode == 0xa5 || i->opcode == 0xaa || i->opcode == 0xab);
}

bool store_locate(const struct insn *i, struct cpu_user_regs *regs, struct store *s)
{
    s->loads = false;
    s->writes = true;
    s->rflags = regs->rflags;
    s->reg = REG_NONE;
    if (i->two_byte ? !two_byte_stores(i) : !one_byte_stores(i)) {
        return false;
    }
    if (i->modrm) {
        s->address = insn_address(i, regs);
        if (i->two_byte && (i->opcode == 0xab || i->opcode == 0xb3 || i->opcode == 0xbb)) {
            s->address += bit_offset(i, regs);
        }
    } else if (is_string(i)) {
        if (i->address32 || (i->rep && regs->rcx == 0)) {
            return false;
        }
        s->address = regs->rdi;
        s->loads = i->opcode < 0xa8;
        s->source = regs->rsi;
    } else {
        s->address = regs->rsp - 8;
    }
    return true;
}

static uint64_t masked(uint64_t v, unsigned size)
{
    return size == 8 ? v : v & ((1ul << (size * 8)) - 1);
}

static void compute_one_byte(const struct insn *i, struct cpu_user_regs *regs, uint64_t old, struct store *s)
{
    static const operation unary[2][2] = {{op_inc, op_dec}, {op_not, op_neg}};
    uint64_t imm = (uint64_t)i->immediate;

    switch (i->opcode) {
    case 0x50 ... 0x57:
        s->value = *insn_reg(regs, i->reg);
        break;
    case 0x68:
    case 0x6a:
    case 0xc6 ... 0xc7:
        s->value = imm;
        break;
    case 0x80 ... 0x83:
        s->value = arithmetic[i->reg & 7](i->size, old, imm, &s->rflags);
        break;
    case 0x86 ... 0x87:
        s->reg = i->reg;
        s->reg_value = old;
        s->value = insn_reg_read(i, regs, i->reg, i->size);
        break;
    case 0x88 ... 0x89:
        s->value = insn_reg_read(i, regs, i->reg, i->size);
        break;
    case 0xa4 ... 0xa5:
        s->value = s->loaded;
        break;
    case 0xaa ... 0xab:
        s->value = regs->rax;
        break;
    case 0xf6 ... 0xf7:
        s->value = unary[1][i->reg & 1](i->size, old, 0, &s->rflags);
        break;
    case 0xfe ... 0xff:
        s->value = unary[0][i->reg & 1](i->size, old, 0, &s->rflags);
        break;
    default:
        s->value =
            arithmetic[i->opcode >> 3](i->size, old, insn_reg_read(i, regs, i->reg, i->size), &s->rflags);
        break;
    }
}

static void compute_two_byte(const struct insn *i, struct cpu_user_regs *regs, uint64_t old, struct store *s)
{
    uint64_t reg = insn_reg_read(i, regs, i->reg, i->size);
    unsigned bits = i->size * 8;

    switch (i->opcode) {
    case 0xab:
    case 0xb3:
    case 0xbb:
        s->value =
            bit_operation((unsigned)(i->opcode >> 3) - 0x14, old, (unsigned)reg & (bits - 1), &s->rflags);
        break;
    case 0xba:
        s->value = bit_operation((i->reg & 7) - 4u, old, (unsigned)i->immediate & (bits - 1), &s->rflags);
        break;
    case 0xb0 ... 0xb1:
        op_sub(i->size, insn_reg_read(i, regs, REG_RAX, i->size), old, &s->rflags);
        s->writes = s->rflags & FLAGS_ZF;
        s->value = reg;
        if (!s->writes) {
            s->reg = REG_RAX;
            s->reg_value = old;
        }
        break;
    case 0xc0 ... 0xc1:
        s->value = op_add(i->size, old, reg, &s->rflags);
        s->reg = i->reg;
        s->reg_value = old;
        break;
    default: /* movnti */
        s->value = reg;
        break;
    }
}

void store_compute(const struct insn *i, struct cpu_user_regs *regs, uint64_t old, struct store *s)
{
    if (i->two_byte) {
        compute_two_byte(i, regs, old, s);
    } else {
        compute_one_byte(i, regs, old, s);
    }
    s->value = masked(s->value, i->size);
}

void store_retire(const struct insn *i, struct cpu_user_regs *regs, const struct store *s)
{
    regs->rflags = s->rflags;
    if (s->reg != REG_NONE) {
        insn_reg_write(i, regs, s->reg, i->size, s->reg_value);
    }
    if (is_string(i)) {
        uint64_t step = regs->rflags & FLAGS_DF ? -(uint64_t)i->size : i->size;

        regs->rdi += step;
        if (s->loads) {
            regs->rsi += step;
        }
        if (i->rep && --regs->rcx != 0) {
            return;
        }
    } else if (!i->modrm) {
        regs->rsp -= 8;
    }
    regs->rip += i->length;
}
