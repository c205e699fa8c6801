/* SPDX-License-Identifier: MIT */
/*
 * The instructions that we emulate, taken apart: 64-bit code only (AMD64 APM 3, 1.2). Two users: privileged
 * instructions (emulate.c) and stores into page tables (ptwr.c). Runs on the host too.
 */
#ifndef HYPERVISOR_PV_DECODE_H
#define HYPERVISOR_PV_DECODE_H

#include "pvboot/abi.h"
#include "hypervisor/include/types.h"

#define INSN_MAX    15 /* bytes of the longest instruction */
#define INSN_BUFFER 32 /* room that the decoder may look at, prefixes and all */

#define REG_RAX  0
#define REG_RCX  1
#define REG_RDX  2
#define REG_RBX  3
#define REG_RSP  4
#define REG_RSI  6
#define REG_RDI  7
#define REG_NONE 16

struct insn {
    uint8_t length;
    bool two_byte; /* opcode follows 0f */
    uint8_t opcode;
    uint8_t size; /* of the operand: 1, 2, 4 or 8 bytes */
    bool lock, rep;
    bool rex;        /* a REX prefix is there: byte registers 4..7 are spl, bpl, sil, dil */
    bool address32;  /* addresses are cut to 32 bits */
    uint8_t segment; /* prefix byte of the segment whose base counts (0x64 fs, 0x65 gs), or 0 */

    /* ModRM, where the opcode has one; register numbers include REX bits. */
    bool modrm, memory;
    uint8_t reg, rm;            /* rm: of the register form */
    uint8_t base, index, scale; /* REG_NONE: none */
    bool rip_relative;
    int32_t displacement;

    int64_t immediate; /* sign-extended */
};

/*
 * Decodes the instruction at code[0..n). false: not one of ours, or longer than n; *i is undefined then. What
 * lies in code[n..INSN_BUFFER) is looked at, but does not count.
 */
bool insn_decode(const uint8_t *code, unsigned n, struct insn *i);

/* A general register 0..15 of the frame. */
uint64_t *insn_reg(struct cpu_user_regs *regs, unsigned number);
/* A register operand of the given size (high bytes ah.. included), zero-extended. */
uint64_t insn_reg_read(const struct insn *i, struct cpu_user_regs *regs, unsigned number, unsigned size);
/* Writes one as the processor does: 32-bit writes clear the upper half, smaller ones keep it. */
void insn_reg_write(const struct insn *i, struct cpu_user_regs *regs, unsigned number, unsigned size,
                    uint64_t value);
/* The memory operand's address, without a segment's base. */
uint64_t insn_address(const struct insn *i, struct cpu_user_regs *regs);

#endif
