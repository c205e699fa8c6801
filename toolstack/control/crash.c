/* SPDX-License-Identifier: MIT */
/*
 * What is noted of a domain that crashed: the hypervisor's reason, each vCPU's registers, the words at its
 * stack pointer and a backtrace, as text in the form of the hypervisor's own dumps (lines " #N 0xADDRESS",
 * which the tool symbolizes). The domain's memory is read through its own page tables, frame by frame;
 * whatever it has written there, a frame that is not its own is not mapped.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/foreign.h"
#include "coracle/mem.h"
#include "toolstack/control/domain_internal.h"
#include "toolstack/control/xc.h"
#include <xen/sched.h>

#define TEXT_MAX    16384u
#define VCPUS_MAX   16u /* that are described */
#define STACK_WORDS 16u
#define SCAN_WORDS  512u
#define FRAMES_MAX  32u

#define PTE_PRESENT 1u
#define PTE_LARGE   0x80u
#define PTE_MFN     0x000ffffffffff000ull

struct report {
    const struct domain *domain;
    char *text;
    size_t length;
    uint64_t root;       /* machine frame of the page tables' root */
    uint64_t page;       /* address of the guest's page that is mapped at `view`, 1: none */
    const uint8_t *view; /* NULL: none */
};

static void add(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct report *r, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(r->text + r->length, TEXT_MAX - r->length, format, args);
    va_end(args);
    if (length > 0) {
        r->length = r->length + (size_t)length < TEXT_MAX ? r->length + (size_t)length : TEXT_MAX - 1;
    }
}

/* ------------------------------------------------------------------ the domain's memory */

static const void *map_frame(const struct report *r, uint64_t mfn)
{
    return cor_foreign_map(r->domain->built.domid, &mfn, 1, COR_PROT_READ);
}

/* The machine frame behind a virtual address, 0: none. */
static uint64_t translate(const struct report *r, uint64_t address)
{
    uint64_t mfn = r->root;

    for (int shift = 39; shift >= 12; shift -= 9) {
        const uint64_t *table = map_frame(r, mfn);
        uint64_t entry;

        if (!table) {
            return 0;
        }
        entry = table[address >> shift & 511];
        cor_foreign_unmap((void *)(uintptr_t)table, 1);
        if (!(entry & PTE_PRESENT) || (shift > 12 && entry & PTE_LARGE)) {
            return 0;
        }
        mfn = (entry & PTE_MFN) >> 12;
    }
    return mfn;
}

/* Reads the word at address, which is a multiple of 8. False: nothing is mapped there. */
static bool read_word(struct report *r, uint64_t address, uint64_t *word)
{
    uint64_t page = address & ~(COR_PAGE_SIZE - 1), mfn;

    if (page != r->page) {
        if (r->view) {
            cor_foreign_unmap((void *)(uintptr_t)r->view, 1);
        }
        mfn = translate(r, address);
        r->view = mfn ? map_frame(r, mfn) : NULL;
        r->page = page;
    }
    if (!r->view) {
        return false;
    }
    memcpy(word, r->view + address % COR_PAGE_SIZE, sizeof(*word));
    return true;
}

static void forget_view(struct report *r)
{
    if (r->view) {
        cor_foreign_unmap((void *)(uintptr_t)r->view, 1);
    }
    r->view = NULL;
    r->page = 1;
}

/* ------------------------------------------------------------------ the text */

static void add_registers(struct report *r, const struct cpu_user_regs *u)
{
    add(r, "  rip %016" PRIx64 " cs %04x rflags %08" PRIx64 " rsp %016" PRIx64 " ss %04x\n", u->rip, u->cs,
        u->rflags, u->rsp, u->ss);
    add(r, "  rax %016" PRIx64 " rbx %016" PRIx64 " rcx %016" PRIx64 " rdx %016" PRIx64 "\n", u->rax, u->rbx,
        u->rcx, u->rdx);
    add(r, "  rsi %016" PRIx64 " rdi %016" PRIx64 " rbp %016" PRIx64 " r8  %016" PRIx64 "\n", u->rsi, u->rdi,
        u->rbp, u->r8);
    add(r, "  r9  %016" PRIx64 " r10 %016" PRIx64 " r11 %016" PRIx64 " r12 %016" PRIx64 "\n", u->r9, u->r10,
        u->r11, u->r12);
    add(r, "  r13 %016" PRIx64 " r14 %016" PRIx64 " r15 %016" PRIx64 "\n", u->r13, u->r14, u->r15);
}

/* Where the stack can be read: rsp, or, when it has run into an unmapped page, the page above. */
static uint64_t add_stack(struct report *r, uint64_t rsp)
{
    uint64_t at = rsp & ~7ull, word;

    if (!read_word(r, at, &word)) {
        add(r, "  stack: %016" PRIx64 " cannot be read: it has overflowed, or rsp is wrong\n", at);
        at = (at | (COR_PAGE_SIZE - 1)) + 1;
    }
    for (unsigned i = 0; i < STACK_WORDS; i++) {
        if (!read_word(r, at + i * 8, &word)) {
            break;
        }
        if (i % 4 == 0) {
            add(r, "  stack: %016" PRIx64 ":", at + i * 8);
        }
        add(r, " %016" PRIx64 "%s", word, i % 4 == 3 ? "\n" : "");
    }
    return at;
}

static bool in_text(const struct report *r, uint64_t address)
{
    return address > r->domain->built.text_start && address < r->domain->built.text_end;
}

/* By frame pointers as far as they lead, then what looks like a return address further up. */
static void add_backtrace(struct report *r, uint64_t rip, uint64_t rbp, uint64_t at)
{
    unsigned count = 0;
    uint64_t word, next;

    add(r, "  #%u 0x%" PRIx64 "\n", count++, rip);
    while (count < FRAMES_MAX && rbp % 8 == 0 && rbp >= at && read_word(r, rbp, &next) &&
           read_word(r, rbp + 8, &word) && in_text(r, word)) {
        add(r, "  #%u 0x%" PRIx64 "\n", count++, word);
        at = rbp + 16;
        rbp = next;
    }
    for (unsigned i = 0; i < SCAN_WORDS && count < FRAMES_MAX; i++, at += 8) {
        if (!read_word(r, at, &word)) {
            break;
        }
        if (in_text(r, word)) {
            add(r, "  #%u 0x%" PRIx64 " ?\n", count++, word);
        }
    }
}

static void add_vcpu(struct report *r, unsigned vcpu, struct vcpu_guest_context *context)
{
    const struct cpu_user_regs *u = &context->user_regs;
    bool kernel = context->flags & VGCF_in_kernel;
    uint64_t at;

    add(r, "vCPU %u, %s mode, cr2 %016" PRIx64 "\n", vcpu, kernel ? "kernel" : "user",
        (uint64_t)context->ctrlreg[2]);
    add_registers(r, u);
    r->root = xen_cr3_to_pfn(!kernel && context->ctrlreg[1] ? context->ctrlreg[1] : context->ctrlreg[3]);
    forget_view(r);
    at = add_stack(r, u->rsp);
    add_backtrace(r, u->rip, u->rbp, at);
}

/* What the hypervisor said when it ended the domain; nothing of one that ended itself. */
static void add_reason(struct report *r)
{
    struct coracle_crash crash = {0};

    if (!xc_crash_reason(r->domain->built.domid, &crash) && crash.reason[0]) {
        add(r, "hypervisor: %.*s\n", CORACLE_CRASH_MAX, crash.reason);
    }
}

char *crash_describe(const struct domain *domain)
{
    struct vcpu_guest_context *context = malloc(sizeof(*context));
    struct report r = {.domain = domain, .text = malloc(TEXT_MAX), .page = 1};
    char *fitting;

    if (!context || !r.text) {
        free(context);
        free(r.text);
        return NULL;
    }
    add(&r, "%s (domain %u) %s\n", domain->config.name, domain->built.domid,
        domain->end.reason == SHUTDOWN_watchdog ? "was ended by its watchdog" : "crashed");
    add_reason(&r);
    for (unsigned i = 0; i < domain->config.max_vcpus && i < VCPUS_MAX; i++) {
        if (!xc_get_context(domain->built.domid, i, context)) { /* those that never ran have none */
            add_vcpu(&r, i, context);
        }
    }
    forget_view(&r);
    free(context);
    fitting = realloc(r.text, r.length + 1);
    return fitting ? fitting : r.text;
}
