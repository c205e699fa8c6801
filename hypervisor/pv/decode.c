/* SPDX-License-Identifier: MIT */
/*
 * See decode.h. An instruction is
 *
 *     legacy prefixes | REX | [0f] opcode | ModRM | SIB | displacement | immediate
 */
#include "hypervisor/pv/decode.h"

#define KNOWN     1u
#define HAS_MODRM 2u
#define HAS_IMM8  4u
#define HAS_IMMZ  8u  /* 4 bytes, 2 with operand-size prefix */
#define BYTE_EVEN 16u /* even opcode: byte operand */
#define SIZE_64   32u /* 8 bytes whatever the prefixes say */
#define PUSH      64u

#define STORE (KNOWN | HAS_MODRM | BYTE_EVEN)

#define REX_W 8u
#define REX_R 4u
#define REX_X 2u
#define REX_B 1u

/* What follows an opcode: those that we emulate, and no others. [1]: behind 0f. */
static const uint8_t forms[2][256] = {
    {
        [0x00 ... 0x01] = STORE, /* add */
        [0x08 ... 0x09] = STORE, /* or */
        [0x10 ... 0x11] = STORE, /* adc */
        [0x18 ... 0x19] = STORE, /* sbb */
        [0x20 ... 0x21] = STORE, /* and */
        [0x28 ... 0x29] = STORE, /* sub */
        [0x30 ... 0x31] = STORE, /* xor */
        [0x50 ... 0x57] = KNOWN | SIZE_64 | PUSH,
        [0x68] = KNOWN | SIZE_64 | PUSH | HAS_IMMZ,
        [0x6a] = KNOWN | SIZE_64 | PUSH | HAS_IMM8,
        [0x6c ... 0x6f] = KNOWN | BYTE_EVEN, /* ins, outs */
        [0x80] = STORE | HAS_IMM8,           /* arithmetic with a constant */
        [0x81] = STORE | HAS_IMMZ,
        [0x83] = STORE | HAS_IMM8,
        [0x86 ... 0x89] = STORE,             /* xchg, mov */
        [0xa4 ... 0xa5] = KNOWN | BYTE_EVEN, /* movs */
        [0xaa ... 0xab] = KNOWN | BYTE_EVEN, /* stos */
        [0xc6] = STORE | HAS_IMM8,           /* mov of a constant */
        [0xc7] = STORE | HAS_IMMZ,
        [0xe4 ... 0xe7] = KNOWN | HAS_IMM8 | BYTE_EVEN, /* in, out by constant */
        [0xec ... 0xef] = KNOWN | BYTE_EVEN,            /* in, out by dx */
        [0xf6 ... 0xf7] = STORE,                        /* not, neg */
        [0xfa ... 0xfb] = KNOWN,                        /* cli, sti */
        [0xfe ... 0xff] = STORE,                        /* inc, dec */
    },
    {
        [0x01] = KNOWN | HAS_MODRM,                    /* xsetbv */
        [0x06] = KNOWN,                                /* clts */
        [0x09] = KNOWN,                                /* wbinvd */
        [0x20 ... 0x23] = KNOWN | HAS_MODRM | SIZE_64, /* mov of control and debug registers */
        [0x30] = KNOWN,                                /* wrmsr */
        [0x32] = KNOWN,                                /* rdmsr */
        [0xab] = KNOWN | HAS_MODRM,                    /* bts */
        [0xb0 ... 0xb1] = STORE,                       /* cmpxchg */
        [0xb3] = KNOWN | HAS_MODRM,                    /* btr */
        [0xba] = KNOWN | HAS_MODRM | HAS_IMM8,         /* bts, btr, btc with a constant */
        [0xbb] = KNOWN | HAS_MODRM,                    /* btc */
        [0xc0 ... 0xc1] = STORE,                       /* xadd */
        [0xc3] = KNOWN | HAS_MODRM,                    /* movnti */
    },
};

/* A little-endian signed number of 1, 2 or 4 bytes. */
static int32_t signed_at(const uint8_t *p, unsigned size)
{
    int32_t v;

    __builtin_memcpy(&v, p, sizeof(v));
    return size == 1 ? (int8_t)v : size == 2 ? (int16_t)v : v;
}

/* Takes c in if it is a legacy prefix. */
static bool is_prefix(uint8_t c, struct insn *i, bool *operand16)
{
    switch (c) {
    case 0x66:
        *operand16 = true;
        return true;
    case 0x67:
        i->address32 = true;
        return true;
    case 0xf0:
        i->lock = true;
        return true;
    case 0xf2:
    case 0xf3:
        i->rep = true;
        return true;
    case 0x26: /* bases of es, cs, ss, ds do not count in 64-bit code */
    case 0x2e:
    case 0x36:
    case 0x3e:
        return true;
    case 0x64:
    case 0x65:
        i->segment = c;
        return true;
    default:
        return false;
    }
}

/* ModRM with what belongs to it; returns the byte behind. */
static const uint8_t *modrm(const uint8_t *p, struct insn *i, unsigned rex)
{
    uint8_t c = *p++;
    unsigned mod = c >> 6, rm = c & 7;

    i->modrm = true;
    i->reg = (uint8_t)((c >> 3 & 7) | (rex & REX_R) << 1);
    i->memory = mod != 3;
    i->rm = (uint8_t)(rm | (rex & REX_B) << 3);
    i->base = i->rm;
    if (!i->memory) {
        return p;
    }
    if (rm == 4) {
        uint8_t sib = *p++;

        i->base = (uint8_t)((sib & 7) | (rex & REX_B) << 3);
        i->index = (uint8_t)((sib >> 3 & 7) | (rex & REX_X) << 2);
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
        i->displacement = signed_at(p, mod == 1 ? 1 : 4);
        p += mod == 1 ? 1 : 4;
    }
    return p;
}

bool insn_decode(const uint8_t *code, unsigned n, struct insn *i)
{
    const uint8_t *p = code;
    unsigned rex = 0, form, constant;
    bool operand16 = false;

    *i = (struct insn){.base = REG_NONE, .index = REG_NONE};
    while (is_prefix(*p, i, &operand16)) {
        if (++p - code >= INSN_MAX) {
            return false;
        }
    }
    if ((*p & 0xf0) == 0x40) {
        rex = *p++;
        i->rex = true;
    }
    if (*p == 0x0f) {
        i->two_byte = true;
        p++;
    }
    i->opcode = *p++;
    form = forms[i->two_byte][i->opcode];
    if (!form || ((form & PUSH) && operand16)) {
        return false;
    }
    i->size = (form & BYTE_EVEN) && !(i->opcode & 1) ? 1
              : (form & SIZE_64) || (rex & REX_W)    ? 8
              : operand16                            ? 2
                                                     : 4;
    if (form & HAS_MODRM) {
        p = modrm(p, i, rex);
    } else if (form & PUSH) {
        i->reg = (uint8_t)((i->opcode & 7) | (rex & REX_B) << 3);
    }
    if (form & (HAS_IMM8 | HAS_IMMZ)) {
        constant = form & HAS_IMM8 ? 1 : i->size == 2 ? 2 : 4;
        i->immediate = signed_at(p, constant);
        p += constant;
    }
    i->length = (uint8_t)(p - code);
    return i->length <= MIN(n, (unsigned)INSN_MAX);
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
