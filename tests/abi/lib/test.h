/* SPDX-License-Identifier: MIT */
/*
 * The library of the ABI guests: small paravirtual kernels that ask the hypervisor questions and print the
 * answers. Each runs on stock Xen and on Coracle; tests/run compares the two outputs line by line.
 *
 * A guest's console output has five kinds of lines:
 *
 *   ok NAME                      a check held
 *   not ok NAME: got X want Y    it did not
 *   observe NAME = VALUE         an answer with no opinion of ours; the two hypervisors must give the same
 * one dying NAME                   the next thing that happens must be the death of this guest done: N
 * checks, M failed     the last line; without it the run has failed
 *
 * Never print what differs from run to run (addresses, frame numbers, times).
 *
 * A folder's program defines test_cases[]. The cases run in order in one boot, each under a trap handler of
 * last resort: an unexpected trap is a failed check and the next case begins. Cases marked `alone` run only
 * when the command line names them (test.conf of the folder lists such boots).
 *
 * Everything here is compiled without SSE, so handlers need not save it.
 */
#ifndef TESTS_ABI_LIB_TEST_H
#define TESTS_ABI_LIB_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define PAGE_SIZE 4096ul
#define MAX_VCPUS 4
#define NR_PORTS  4096 /* two-level ABI, 64 bits */

/* Errors as the ABI returns them. */
#include <xen/errno.h>

/* ---- cases and verdicts (case.c) ---- */

struct test_case {
    const char *name;
    void (*run)(void);
    bool alone; /* only when the command line names it */
};

/* Defined by each guest; ends with an entry whose name is null. */
extern const struct test_case test_cases[];

/* As the domain builder left it, and the command line after the name of the case. */
extern start_info_t *start_info;
extern const char *test_args;

/* One verdict. The format makes the name, which must be unique in the boot and equal on every hypervisor. */
bool check(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As check(got == want), with both values in the line of a failure. */
bool check_eq(long got, long want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* One answer to be compared between hypervisors. */
void observe(long value, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void observe_text(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Announces that this domain must now die. Return from the deed is then a failed check: see survived(). */
void dying(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void survived(void) __attribute__((noreturn));
/* Prints the last line and reboots the machine, which ends the run. */
void finish(void) __attribute__((noreturn));

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- console (console.c) ---- */

void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* %d %u %x %lx %lu %ld %s %c %p with optional zero padding and width. Returns the length without the zero. */
int format(char *buffer, size_t size, const char *fmt, __builtin_va_list args);

/* ---- hypercalls ---- */

/*
 * Any hypercall with up to five arguments of any type, without opinion about them.
 * The typed wrappers of pvboot/hypercall.h are for callers that want the right thing only.
 */
static inline long hypercall(unsigned number, unsigned long a1, unsigned long a2, unsigned long a3,
                             unsigned long a4, unsigned long a5)
{
    extern char hypercall_page[];
    long result;
    register unsigned long r10 __asm__("r10") = a4;
    register unsigned long r8 __asm__("r8") = a5;

    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                     : [entry] "0"(hypercall_page + number * 32)
                     : "rcx", "r11", "memory");
    return result;
}

/* clang-format off */
#define HCALL_PICK(_1, _2, _3, _4, _5, _6, name, ...) name
#define HCALL_UL(x) ((unsigned long)(x))
#define HCALL1(n) hypercall(n, 0, 0, 0, 0, 0)
#define HCALL2(n, a) hypercall(n, HCALL_UL(a), 0, 0, 0, 0)
#define HCALL3(n, a, b) hypercall(n, HCALL_UL(a), HCALL_UL(b), 0, 0, 0)
#define HCALL4(n, a, b, c) hypercall(n, HCALL_UL(a), HCALL_UL(b), HCALL_UL(c), 0, 0)
#define HCALL5(n, a, b, c, d) hypercall(n, HCALL_UL(a), HCALL_UL(b), HCALL_UL(c), HCALL_UL(d), 0)
#define HCALL6(n, a, b, c, d, e) hypercall(n, HCALL_UL(a), HCALL_UL(b), HCALL_UL(c), HCALL_UL(d), HCALL_UL(e))
/* clang-format on */
/* hcall(memory_op, XENMEM_x, &arg): the number by its name in the ABI, then one to five arguments. */
#define hcall(name, ...)                                                                                     \
    HCALL_PICK(__HYPERVISOR_##name, ##__VA_ARGS__, HCALL6, HCALL5, HCALL4, HCALL3, HCALL2, HCALL1)           \
    (__HYPERVISOR_##name, ##__VA_ARGS__)

/* ---- traps (entry.S, trap.c) ---- */

/* Pseudo-vectors above the 256 of the processor: the callbacks. */
enum { VEC_EVENT = 256, VEC_FAILSAFE, VEC_SYSCALL, VEC_SYSCALL32, VEC_SYSENTER, VEC_NMI, NR_VECTORS };

enum {
    NO_TRAP = -1,
    DE = 0,
    DB = 1,
    BP = 3,
    OF = 4,
    BR = 5,
    UD = 6,
    NM = 7,
    TS = 10,
    NP = 11,
    SS = 12,
    GP = 13,
    PF = 14,
    MF = 16,
    AC = 17,
    XM = 19
};

/* What entry.S saves: then the hypervisor's frame (rcx and r11 lie above it and are taken off first). */
struct regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector, error; /* error is 0 for a vector without error code */
    uint64_t rip, cs, rflags, rsp, ss;
};

struct trap {
    long vector; /* NO_TRAP, or what happened first */
    uint64_t error, cr2;
    struct regs regs;
};

/* A place to return to; the innermost one of a vCPU takes each trap that no handler claims. */
struct probe {
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
    struct trap trap;
    struct probe *outer;
    bool masked; /* upcalls, at probe_begin */
};

int probe_begin(struct probe *p) __attribute__((returns_twice));
void probe_end(struct probe *p);

/*
 * Runs statements; the first trap ends them. Value: struct trap. Locals that they change must be volatile.
 *     struct trap t = PROBE(*(volatile char *)0 = 1);
 */
#define PROBE(...)                                                                                           \
    ({                                                                                                       \
        struct probe probe_;                                                                                 \
        if (probe_begin(&probe_) == 0) {                                                                     \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
        probe_end(&probe_);                                                                                  \
        probe_.trap;                                                                                         \
    })

/* The vector, or NO_TRAP, of reading or writing eight bytes. */
long probe_read(unsigned long va);
long probe_write(unsigned long va, uint64_t value);

/* Takes a vector over until set to null again. The handler may change *r; true: return to it, false: not
 * mine. */
typedef bool (*trap_handler_fn)(struct regs *r);
void set_trap_handler(int vector, trap_handler_fn fn);
/* (Re)registers the trap table and the event, failsafe and syscall callbacks for the calling vCPU. */
void install_traps(void);
/* The entry point for a vector, to be registered by hand. */
unsigned long trap_entry_address(int vector);

/* ---- vCPUs and events (vcpu.c, event.c) ---- */

#define VCPU_STACK_SIZE 32768
/* The lowest part of each vCPU's stack, which is aligned to its size: so a vCPU finds its own. */
struct vcpu {
    unsigned id;
    struct probe *probe;
    volatile unsigned long upcalls;
};

struct vcpu *this_vcpu(void);
static inline shared_info_t *shared(void)
{
    extern char shared_info_page[];
    return (shared_info_t *)shared_info_page;
}
vcpu_info_t *vcpu_info(void);
/* Starts vCPU id in fn(arg) on its own stack with traps installed. 0 or the failing call's error. */
long vcpu_start(unsigned id, void (*fn)(void *arg), void *arg);
/* Takes the calling vCPU down for good. */
void vcpu_stop(void) __attribute__((noreturn));
/* Nanoseconds for what comes, however busy the machine is: only against hanging. */
#define PATIENCE 40000000000ull
/* Spins (yielding) until *word reaches value; false after PATIENCE. */
bool wait_until(volatile unsigned long *word, unsigned long value);

/* Deliveries counted for each port, on whatever vCPU, and an optional handler. */
extern volatile unsigned long event_count[NR_PORTS];
extern void (*event_handler[NR_PORTS])(unsigned port);
static inline void events_off(void)
{
    vcpu_info()->evtchn_upcall_mask = 1;
    __asm__ volatile("" ::: "memory");
}
/* Unmasks upcalls and takes what is pending. */
void events_on(void);
void port_unmask(unsigned port);
void port_mask(unsigned port);
bool port_pending(unsigned port);
bool port_masked(unsigned port);
/* Clears the pending bit without taking the event. */
void port_clear(unsigned port);
/* An unbound port for DOMID_SELF, or a negative error. */
long port_new(void);
long port_send(unsigned port);
long port_close(unsigned port);

/* Nanoseconds since boot by the shared-info clock. */
uint64_t now(void);

/* ---- memory (memory.c) ---- */

#define PTE_P    0x001ul
#define PTE_W    0x002ul
#define PTE_U    0x004ul
#define PTE_PWT  0x008ul
#define PTE_PCD  0x010ul
#define PTE_A    0x020ul
#define PTE_D    0x040ul
#define PTE_PS   0x080ul
#define PTE_G    0x100ul
#define PTE_NX   (1ul << 63)
#define PTE_ADDR 0x000ffffffffff000ul
#define PTE_RW   (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define PTE_RO   (PTE_P | PTE_U | PTE_A | PTE_D)

extern char __virt_base[];
static inline unsigned long va_to_pfn(const volatile void *va)
{
    return ((unsigned long)va - (unsigned long)__virt_base) / PAGE_SIZE;
}
static inline void *pfn_to_va(unsigned long pfn)
{
    return __virt_base + pfn * PAGE_SIZE;
}
static inline unsigned long *p2m(void)
{
    return (unsigned long *)start_info->mfn_list;
}
static inline unsigned long pfn_to_mfn(unsigned long pfn)
{
    return p2m()[pfn];
}
static inline unsigned long va_to_mfn(const volatile void *va)
{
    return pfn_to_mfn(va_to_pfn(va));
}
static inline unsigned long mfn_to_pfn(unsigned long mfn)
{
    return machine_to_phys_mapping[mfn];
}

/* A frame number beyond every processor's physical addresses. */
#define NO_MFN 0xffffffffful

/* A zeroed page, and its return. Failure to find one ends the guest. */
void *page_alloc(void);
void page_free(void *page);
/* The table of the given level (1..4) that serves va, by its address in the initial mapping; null if absent.
 */
uint64_t *table_of(unsigned long va, int level);
/* The machine address of va's entry in that table, for mmu_update; 0 if absent. */
uint64_t pte_machine(unsigned long va, int level);
/* The entry itself; 0 if the table is absent. */
uint64_t pte_read(unsigned long va, int level);
long mmu_update_one(uint64_t ptr, uint64_t value);
long update_va(unsigned long va, uint64_t pte, unsigned long flags);
long mmuext(unsigned cmd, unsigned long arg1, unsigned long arg2);
/* An L1 entry for a page of ours. */
static inline uint64_t make_pte(const volatile void *page, uint64_t flags)
{
    return (va_to_mfn(page) << 12) | flags;
}
/* Builds the page tables that va lacks (from page_alloc) and sets its entry. 0 or an error. */
long map_at(unsigned long va, uint64_t pte);
/* Makes the initial mapping of a page read-only or writable again. */
long set_read_only(void *page);
long set_writable(void *page);

void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* ---- user mode (user.c) ---- */

/*
 * Makes a user address space with code at USER_CODE (one page, copied from code up to end) and a stack page
 * whose end is USER_STACK. Its L4 becomes the user base pointer of the calling vCPU. 0 or an error.
 */
#define USER_CODE  0x10000000ul
#define USER_STACK 0x10003000ul
long user_setup(const char *code, const char *end);
/*
 * Enters user mode at USER_CODE + offset with rdi = arg and returns when the code makes a system call
 * (VEC_SYSCALL), or causes a trap; t tells which (regs are the user's). Uses the trap handlers of all vectors
 * meanwhile.
 */
struct trap user_run(unsigned long offset, unsigned long arg);
/* As above with a whole iret frame of the caller's choice. */
struct trap user_run_frame(const struct iret_context *frame, unsigned long rdi);

#endif
