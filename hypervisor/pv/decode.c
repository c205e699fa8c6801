/* SPDX-License-Identifier: MIT */
/*
 * See decode.h. An instruction is
 *
 *     legacy prefixes | REX | [0f] opcode | ModRM | SIB | displacement | immediate
 */
#include "hypervisor/pv/decode.h"

#define HAS_MODRM 1u
#define HAS_IMM8  2u
#define HAS_IMMZ  4u  /* 4 bytes, 2 with operand-size prefix */
#define BYTE_EVEN 8u  /* even opcode: byte operand */
#define SIZE_64   16u /* 8 bytes whatever the prefixes say */
#define KNOWN     32u

#define REX_W 8u
#define REX_R 4u
#define REX_X 2u
#define REX_B 1u

static unsigned one_byte_form(uint8_t opcode)
{
    if (opcode < 0x38 && (opcode & 6) == 0) {
        return KNOWN | HAS_MODRM | BYTE_EVEN; /* add, or, adc, sbb, and, sub, xor: r to r/m */
    }
    switch (opcode) {
    case 0x50 ... 0x57: /* push */
        return KNOWN | SIZE_64;
    case 0x68:
        return KNOWN | SIZE_64 | HAS_IMMZ;
    case 0x6a:
        return KNOWN | SIZE_64 | HAS_IMM8;
    case 0x6c ... 0x6f: /* ins, outs */
    case 0xa4 ... 0xa5: /* movs */
    case 0xaa ... 0xab: /* stos */
    case 0xec ... 0xef: /* in, out by dx */
        return KNOWN | BYTE_EVEN;
    case 0x80: /* arithmetic with a constant */
    case 0x83:
    case 0xc6: /* mov of a constant */
        return KNOWN | HAS_MODRM | HAS_IMM8 | BYTE_EVEN;
    case 0x81:
    case 0xc7:
        return KNOWN | HAS_MODRM | HAS_IMMZ;
    case 0x86 ... 0x89: /* xchg, mov */
    case 0xf6 ... 0xf7: /* not, neg */
    case 0xfe ... 0xff: /* inc, dec */
        return KNOWN | HAS_MODRM | BYTE_EVEN;
    case 0xe4 ... 0xe7: /* in, out by constant */
        return KNOWN | HAS_IMM8 | BYTE_EVEN;
    case 0xfa ... 0xfb: /* cli, sti */
        return KNOWN;
    default:
        return 0;
    }
}

static unsigned two_byte_form(uint8_t opcode)
{
    switch (opcode) {
    case 0x06:          /* clts */
    case 0x09:          /* wbinvd */
    case 0x30 ... 0x32: /* wrmsr, rdtsc, rdmsr */
    case 0xa2:          /* cpuid */
        return KNOWN;
    case 0x20 ... 0x23: /* mov of control and debug registers */
        return KNOWN | HAS_MODRM | SIZE_64;
    case 0x01: /* xsetbv, rdtscp */
    case 0xab: /* bts, btr, btc */
    case 0xb3:
    case 0xbb:
    case 0xc3: /* movnti */
        return KNOWN | HAS_MODRM;
    case 0xb0 ... 0xb1: /* cmpxchg */
    case 0xc0 ... 0xc1: /* xadd */
        return KNOWN | HAS_MODRM | BYTE_EVEN;
    case 0xba: /* bts, btr, btc with a constant */
        return KNOWN | HAS_MODRM | HAS_IMM8;
    default:
        return 0;
    }
}

/* The bytes that are left; reading beyond them fails the whole decoding. */
struct bytes {
    const uint8_t *p;
    unsigned n, at;
    bool failed;
};

static uint8_t next(struct bytes *b)
{
    if (b->at >= b->n) {
        b->failed = true;
        return 0;
    }
    return b->p[b->at++];
}

/* A little-endian signed number of 1, 2 or 4 bytes. */
static int32_t next_signed(struct bytes *b, unsigned size)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < size; i++) {
        v |= (uint32_t)next(b) << (8 * i);
    }
    return size == 1 ? (int8_t)v : size == 2 ? (int16_t)v : (int32_t)v;
}

/* Legacy prefixes; returns the byte after them. */
static uint8_t prefixes(struct bytes *b, struct insn *i, bool *operand16)
{
    for (;;) {
        uint8_t c = next(b);

        switch (c) {
        case 0x66:
            *operand16 = true;
            break;
        case 0x67:
            i->address32 = true;
            break;
        case 0xf0:
            i->lock = true;
            break;
        case 0xf2:
        case 0xf3:
            i->rep = true;
            break;
        case 0x26: /* bases of es, cs, ss, ds do not count in 64-bit code */
        case 0x2e:
        case 0x36:
        case 0x3e:
            break;
        case 0x64:
        case 0x65:
            i->segment = c;
            break;
        default:
            return c;
        }
        if (b->failed) {
            return 0;
        }
    }
}

static void modrm(struct bytes *b, struct insn *i, unsigned rex)
{
    uint8_t c = next(b);
    unsigned mod = c >> 6, rm = c & 7;

    i->modrm = true;
    i->reg = (uint8_t)((c >> 3 & 7) | (rex & REX_R ? 8 : 0));
    i->memory = mod != 3;
    i->rm = (uint8_t)(rm | (rex & REX_B ? 8 : 0));
    i->base = i->rm;
    i->index = REG_NONE;
    if (!i->memory) {
        return;
    }
    if (rm == 4) {
        uint8_t sib = next(b);

        i->base = (uint8_t)((sib & 7) | (rex & REX_B ? 8 : 0));
        i->index = (uint8_t)((sib >> 3 & 7) | (rex & REX_X ? 8 : 0));
        i->scale = sib >> 6;
        if (i->index == REG_RSP) {
            i->index = REG_NONE;
        }
        if (mod == 0 && (sib & 7) == 5) {
            i->base = REG_NONE;
            mod = 2;
        }
    } else if (mod == 0 && rm == 5) {
        i->base = REG_NONE;
        i->rip_relative = true;
        mod = 2;
    }
    if (mod != 0) {
        i->displacement = next_signed(b, mod == 1 ? 1 : 4);
    }
}

bool insn_decode(const uint8_t *code, unsigned n, struct insn *i)
{
    struct bytes b = {code, MIN(n, (unsigned)INSN_MAX), 0, false};
    unsigned rex = 0, form;
    bool operand16 = false;
    uint8_t c;

    *i = (struct insn){.base = REG_NONE, .index = REG_NONE};
    c = prefixes(&b, i, &operand16);
    if ((c & 0xf0) == 0x40) {
        rex = c;
        i->rex = true;
        c = next(&b);
    }
    i->two_byte = c == 0x0f;
    if (i->two_byte) {
        c = next(&b);
    }
    i->opcode = c;
    form = i->two_byte ? two_byte_form(c) : one_byte_form(c);
    if (b.failed || !form) {
        return false;
    }
    i->size = (form & SIZE_64) || (rex & REX_W) ? 8 : operand16 ? 2 : 4;
    if ((form & SIZE_64) && operand16 && !i->two_byte) {
        return false; /* a push of 16 bits */
    }
    if ((form & BYTE_EVEN) && !(c & 1)) {
        i->size = 1;
    }
    if (form & HAS_MODRM) {
        modrm(&b, i, rex);
    } else if (c >= 0x50 && c <= 0x57 && !i->two_byte) {
        i->reg = (uint8_t)((c & 7) | (rex & REX_B ? 8 : 0));
    }
    if (form & HAS_IMM8) {
        i->immediate = next_signed(&b, 1);
    } else if (form & HAS_IMMZ) {
        i->immediate = next_signed(&b, i->size == 2 ? 2 : 4);
    }
    i->length = (uint8_t)b.at;
    return !b.failed;
}

uint64_t *insn_reg(struct cpu_user_regs *regs, unsigned number)
{
#define AT(name) offsetof(struct cpu_user_regs, name)
    static const uint8_t at[16] = {AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
                                   AT(r8),  AT(r9),  AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15)};
#undef AT

    return (uint64_t *)((char *)regs + at[number & 15]);
}

/* Bytes 1 of rax..rbx are operands 4..7 of byte instructions without REX. */
static bool is_high_byte(const struct insn *i, unsigned number, unsigned size)
{
    return size == 1 && !i->rex && number >= 4 && number < 8;
}

uint64_t insn_reg_read(const struct insn *i, struct cpu_user_regs *regs, unsigned number, unsigned size)
{
    if (is_high_byte(i, number, size)) {
        return *insn_reg(regs, number - 4) >> 8 & 0xff;
    }
    return *insn_reg(regs, number) & (size == 8 ? ~0ul : (1ul << (size * 8)) - 1);
}

void insn_reg_write(const struct insn *i, struct cpu_user_regs *regs, unsigned number, unsigned size,
                    uint64_t value)
{
    uint64_t *r = insn_reg(regs, is_high_byte(i, number, size) ? number - 4 : number);
    uint64_t mask = size == 1 ? 0xff : 0xffff;

    if (size >= 4) {
        *r = size == 4 ? (uint32_t)value : value;
        return;
    }
    if (is_high_byte(i, number, size)) {
        mask <<= 8;
        value <<= 8;
    }
    *r = (*r & ~mask) | (value & mask);
}

uint64_t insn_address(const struct insn *i, struct cpu_user_regs *regs)
{
    uint64_t a = (uint64_t)(int64_t)i->displacement;

    if (i->rip_relative) {
        a += regs->rip + i->length;
    }
    if (i->base != REG_NONE) {
        a += *insn_reg(regs, i->base);
    }
    if (i->index != REG_NONE) {
        a += *insn_reg(regs, i->index) << i->scale;
    }
    return i->address32 ? (uint32_t)a : a;
}
