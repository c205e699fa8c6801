/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's stacks are mapped in every address space: no register of a guest's may get there. All
 * registers carry a mark while the hypervisor is entered in each way; then Coracle looks for marks on its
 * stacks. (Stock Xen does not know the question.)
 */
#include "tests/abi/secret/secret.h"
#include "pvboot/coracle_abi.h"

#define MARK 0x5ec2e75ec2e70000ul

/* Each: saves registers, loads marks into all that it can, does what its name says. */
void marked_hypercall(void), marked_undefined(void), marked_fault(void), marked_emulated(void);
void marked_step(void), marked_spin(void);

__asm__(".macro marked name\n"
        ".globl \\name\n"
        "\\name:\n"
        "    .irp r, rbx, rbp, r12, r13, r14, r15\n"
        "    pushq %\\r\n"
        "    .endr\n"
        "    movabsq $0x5ec2e75ec2e70000, %rax\n"
        "    .irp r, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15\n"
        "    leaq 1(%rax), %\\r\n"
        "    .endr\n"
        ".endm\n"
        ".macro restored\n"
        "    .irp r, r15, r14, r13, r12, rbp, rbx\n"
        "    popq %\\r\n"
        "    .endr\n"
        "    ret\n"
        ".endm\n"
        ".text\n"
        "marked marked_hypercall\n"
        "    movl $17, %eax\n" /* xen_version */
        "    movl $7, %edi\n"  /* pagesize */
        "    syscall\n"
        "    restored\n"
        "marked marked_undefined\n"
        "    ud2\n"
        "    restored\n"
        "marked marked_fault\n"
        "    testb $1, 0x10\n" /* 8 bytes long */
        "    restored\n"
        "marked marked_emulated\n"
        "    movq %cr0, %rax\n"
        "    restored\n"
        "marked marked_step\n"
        "    pushfq\n"
        "    orq $0x100, (%rsp)\n"
        "    popfq\n"
        "    nop\n"
        "    nop\n"
        "    restored\n"
        "marked marked_spin\n"
        "    movl $10000000, %ecx\n"
        "1:  decl %ecx\n"
        "    jnz 1b\n"
        "    restored\n");

static bool skip_undefined(struct regs *r)
{
    r->rip += 2;
    return true;
}

static bool skip_fault(struct regs *r)
{
    r->rip += 8;
    return true;
}

static bool stop_step(struct regs *r)
{
    r->rflags &= ~0x100ul;
    return true;
}

/* How many words on the hypervisor's stacks carry the mark; the question itself must not. */
static void look(const char *when)
{
    long found = hcall(coracle_op, CORACLE_OP_STACKS, ~MARK);

    check(found == 0 || found == -XEN_ENOSYS, "no registers on stacks: %s (%ld words)", when,
          found == -XEN_ENOSYS ? 0 : found);
}

void stacks(void)
{
    struct vcpu_set_periodic_timer period = {.period_ns = 1000000};

    look("before");
    marked_hypercall();
    look("hypercall");
    set_trap_handler(UD, skip_undefined);
    marked_undefined();
    set_trap_handler(UD, NULL);
    look("undefined instruction");
    set_trap_handler(PF, skip_fault);
    marked_fault();
    set_trap_handler(PF, NULL);
    look("page fault");
    marked_emulated();
    look("emulated instruction");
    set_trap_handler(DB, stop_step);
    marked_step();
    set_trap_handler(DB, NULL);
    look("single step");
    check_eq(hcall(vcpu_op, VCPUOP_set_periodic_timer, 0, &period), 0, "a period");
    marked_spin();
    check_eq(hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0, "no period");
    look("interrupts");
}
