/* SPDX-License-Identifier: MIT */
/*
 * Exceptions. Each becomes a signal if the POSIX room wants it, else a message that says what happened,
 * registers and a backtrace, and the end of the domain.
 *
 * The hypervisor pushes an exception's frame on the stack that faulted. If that stack has run into its guard
 * page there is no room, and the hypervisor ends the domain by itself: an overflow is reported by the
 * hypervisor's dump, not here. The message here covers accesses to a guard page while rsp is still good (a
 * large local array).
 */
#include "libos/xen/traps.h"
#include <signal.h>
#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "libos/core/sched.h"
#include "pvboot/hypercall.h"

#define VECTORS 20

#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_FETCH   16u

int (*cor_fault_to_signal)(struct cor_trap_frame *frame, int signo, int code, void *address);

/* One line for each exception: its entry in entry.S, the signal it stands for, its name. */
#define EXCEPTIONS(X)                                                                                        \
    X(0, SIGFPE, "division error")                                                                           \
    X(1, SIGTRAP, "debug exception")                                                                         \
    X(3, SIGTRAP, "breakpoint")                                                                              \
    X(4, SIGSEGV, "overflow")                                                                                \
    X(5, SIGSEGV, "bound range exceeded")                                                                    \
    X(6, SIGILL, "invalid instruction")                                                                      \
    X(7, SIGSEGV, "FPU not available")                                                                       \
    X(10, SIGSEGV, "invalid TSS")                                                                            \
    X(11, SIGBUS, "segment not present")                                                                     \
    X(12, SIGBUS, "stack segment fault")                                                                     \
    X(13, SIGSEGV, "general protection fault")                                                               \
    X(14, SIGSEGV, "page fault")                                                                             \
    X(16, SIGFPE, "x87 floating-point error")                                                                \
    X(17, SIGBUS, "alignment check")                                                                         \
    X(18, SIGBUS, "machine check")                                                                           \
    X(19, SIGFPE, "SSE floating-point error")

#define DECLARE(number, signal, name) void cor_trap_##number(void);
EXCEPTIONS(DECLARE)

static const struct {
    const char *name;
    int signal;
} exceptions[VECTORS] = {
#define DESCRIBE(number, signal, name) [number] = {name, signal},
    EXCEPTIONS(DESCRIBE)};

void cor_traps_init(void)
{
    /* 3 and 4 may be raised by instructions of the program, so their privilege level is that of PV code. */
#define ENTRY(number, signal, name)                                                                          \
    {number, number == 3 || number == 4 ? 3 : 0, FLAT_KERNEL_CS, (unsigned long)cor_trap_##number},
    static const struct trap_info table[] = {EXCEPTIONS(ENTRY){0, 0, 0, 0}};
    long error = hypercall_set_trap_table(table);

    if (error) {
        cor_panic("the hypervisor refused the trap table: error %ld", error);
    }
}

/* The thread in whose guard page the address lies: the page right below its stack. NULL if none of those we
 * can see. */
static const struct cor_thread *guard_owner(uint64_t address)
{
    const struct cor_thread *thread = cor_current();
    uint64_t stack = (uint64_t)thread->stack;

    return address < stack && address >= stack - COR_PAGE_SIZE ? thread : NULL;
}

static void describe_page_fault(const struct cor_trap_frame *frame, uint64_t address)
{
    unsigned error = (unsigned)frame->error_code;
    const char *what = error & PF_FETCH ? "executing" : error & PF_WRITE ? "writing" : "reading";
    const struct cor_thread *owner = guard_owner(address);

    if (owner) {
        cor_log("stack overflow in thread %s: page fault %s address 0x%lx", owner->name, what, address);
    } else if (address < COR_PAGE_SIZE) {
        cor_log("page fault %s address 0x%lx: null pointer", what, address);
    } else if (!(error & PF_PRESENT)) {
        cor_log("page fault %s address 0x%lx: unmapped", what, address);
    } else if (error & PF_WRITE) {
        cor_log("page fault %s address 0x%lx: read-only", what, address);
    } else {
        cor_log("page fault %s address 0x%lx: not executable", what, address);
    }
}

static int signal_code(const struct cor_trap_frame *frame)
{
    switch (frame->vector) {
    case 0:
        return FPE_INTDIV;
    case 6:
        return ILL_ILLOPC;
    case 14:
        return frame->error_code & PF_PRESENT ? SEGV_ACCERR : SEGV_MAPERR;
    case 16:
    case 19:
        return FPE_FLTINV;
    default:
        return SI_KERNEL;
    }
}

void cor_print_frame(const struct cor_trap_frame *frame)
{
    cor_log("rip 0x%lx rsp 0x%lx rflags 0x%lx vector %ld error 0x%lx thread %s", frame->rip, frame->rsp,
            frame->rflags, (long)frame->vector, frame->error_code, cor_current()->name);
    cor_log("rax %016lx rbx %016lx rcx %016lx rdx %016lx", frame->rax, frame->rbx, frame->rcx, frame->rdx);
    cor_log("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", frame->rsi, frame->rdi, frame->rbp, frame->r8);
    cor_log("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", frame->r9, frame->r10, frame->r11, frame->r12);
    cor_log("r13 %016lx r14 %016lx r15 %016lx", frame->r13, frame->r14, frame->r15);
    cor_backtrace(frame->rip, frame->rsp, frame->rbp);
}

void cor_trap(struct cor_trap_frame *frame)
{
    uint64_t address = frame->vector == 14 ? cor_this_cpu()->info->arch.cr2 : frame->rip;
    const struct cor_thread *self = cor_current();

    if (cor_fault_to_signal && !cor_this_cpu()->in_upcall && self != self->cpu->idle &&
        cor_fault_to_signal(frame, exceptions[frame->vector].signal, signal_code(frame), (void *)address)) {
        return;
    }
    cor_irq_disable();
    if (frame->vector == 14) {
        describe_page_fault(frame, address);
    } else {
        cor_log("%s", exceptions[frame->vector].name);
    }
    cor_print_frame(frame);
    cor_crash();
}
