/* SPDX-License-Identifier: MIT */
/* What a decoded store does to its memory operand, registers and flags. Pure: runs on the host too. */
#ifndef HYPERVISOR_PV_STORE_H
#define HYPERVISOR_PV_STORE_H

#include "hypervisor/pv/decode.h"

/* Arithmetic flags: CF, PF, AF, ZF, SF, OF. */
#define FLAGS_ARITHMETIC 0x8d5ul
#define FLAGS_CF         1ul
#define FLAGS_ZF         0x40ul
#define FLAGS_DF         0x400ul

struct store {
    uint64_t address; /* of the memory operand, without a segment's base */
    bool loads;       /* movs: takes its value from memory, at `source` */
    uint64_t source;
    uint64_t loaded; /* what was there; the caller fills it in */

    /* store_compute()'s answers. */
    bool writes;    /* false: a cmpxchg that does not match leaves memory alone */
    uint64_t value; /* for memory */
    uint64_t rflags;
    uint8_t reg; /* a register that changes too, REG_NONE: none */
    uint64_t reg_value;
};

/* Where i stores. false: i stores nothing, or in a way that is not emulated. */
bool store_locate(const struct insn *i, struct cpu_user_regs *regs, struct store *s);
/* Fills in the answers; old: what memory holds, i->size bytes, zero-extended. */
void store_compute(const struct insn *i, struct cpu_user_regs *regs, uint64_t old, struct store *s);
/* After the store: registers, flags, stack and string pointers, rip (a repeated one stays until its count is
 * 0). */
void store_retire(const struct insn *i, struct cpu_user_regs *regs, const struct store *s);

#endif
