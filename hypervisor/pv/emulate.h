/* SPDX-License-Identifier: MIT */
/* Between the files that emulate instructions. All act on the running vCPU. */
#ifndef HYPERVISOR_PV_EMULATE_H
#define HYPERVISOR_PV_EMULATE_H

#include "hypervisor/include/domain.h"
#include "hypervisor/pv/decode.h"

/* How an instruction's emulation ended. */
enum emulated {
    EMULATED_REFUSED, /* the guest gets the fault that brought it here */
    EMULATED_DONE,    /* carried out: rip goes on */
    EMULATED_RETRY,   /* registers say what is left, or a trap was injected: rip stays as it is */
};

/*
 * Fetches and decodes the instruction at regs->rip, in 64-bit code. false: not readable, or none of ours.
 * Reads no further than it must, since the page behind may be absent.
 */
bool insn_fetch(const struct cpu_user_regs *regs, struct insn *i);
/* An instruction that was carried out takes its single-step trap along, if the guest asked for one. */
void insn_step(struct vcpu *v, struct cpu_user_regs *regs, bool traced);

/* Does the vCPU's virtual IOPL let its present mode use all ports, cli and sti? */
bool iopl_allows(const struct vcpu *v);
/* in, out, ins, outs. */
enum emulated emulate_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i);
/* rdmsr and wrmsr of a kernel; false: #GP. */
bool emulate_rdmsr(struct vcpu *v, uint32_t index, uint64_t *value);
bool emulate_wrmsr(struct vcpu *v, uint32_t index, uint64_t value);

#endif
