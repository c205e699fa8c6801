/* SPDX-License-Identifier: MIT */
/*
 * The initial domain: the first boot module is its kernel, the second its initrd. pvboot lays it out and
 * writes its memory, through the identity map that still stands; here frames are allocated, typed and counted
 * as if the guest's own tables had been vetted entry by entry.
 */
#include "hypervisor/cpu/selectors.h"
#include "hypervisor/domain/create.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/mm/boot_memory.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/mm/m2p.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/pv/pv.h"
#include "pvboot/build.h"

#define MAX_EXTENTS           64
#define RESERVE_MAX           (128ul << (20 - PAGE_SHIFT))
#define RESERVE_FACTOR        16
#define ADDRESS_BITS_IDENTITY 32

/* The domain's memory: runs of frames. */
struct extents {
    struct {
        uint64_t pfn, mfn, count;
    } run[MAX_EXTENTS];
    unsigned nr, last;
};

static void run_add(struct extents *x, uint64_t at, uint64_t m, uint64_t count)
{
    if (x->nr && x->run[x->nr - 1].mfn + x->run[x->nr - 1].count == m) {
        x->run[x->nr - 1].count += count;
        return;
    }
    if (x->nr == MAX_EXTENTS) {
        panic("memory is too fragmented for the initial domain");
    }
    x->run[x->nr].pfn = at;
    x->run[x->nr].mfn = m;
    x->run[x->nr++].count = count;
}

/* Allocates pages pfn..pfn+n-1 in the largest blocks that there are. */
static void memory_allocate(struct domain *d, struct extents *x, uint64_t from, uint64_t n, unsigned bits)
{
    unsigned order = FRAME_ORDERS - 1;

    while (n > 0) {
        mfn_t m;

        while ((1ul << order) > n) {
            order--;
        }
        m = frame_alloc_domain(d, order, bits);
        if (!mfn_eq(m, MFN_INVALID)) {
            run_add(x, from, m.v, 1ul << order);
            from += 1ul << order;
            n -= 1ul << order;
        } else if (order-- == 0) {
            panic("not enough memory for the initial domain: %lu KiB are missing; give dom0_mem= less, or "
                  "the machine more",
                  n * 4);
        }
    }
}

static uint64_t op_mfn(void *user, uint64_t page, uint64_t *run)
{
    struct extents *x = user;
    unsigned i = x->last;

    if (page < x->run[i].pfn || page >= x->run[i].pfn + x->run[i].count) {
        for (i = 0; page >= x->run[i].pfn + x->run[i].count; i++) {
        }
        x->last = i;
    }
    *run = x->run[i].pfn + x->run[i].count - page;
    return x->run[i].mfn + (page - x->run[i].pfn);
}

static void *op_map(void *user, uint64_t page, uint64_t *count)
{
    uint64_t run;
    uint64_t m = op_mfn(user, page, &run);

    *count = MIN(*count, run);
    return boot_identity_range(m << PAGE_SHIFT, *count << PAGE_SHIFT);
}

static void op_unmap(void *user, void *va, uint64_t count)
{
    (void)user;
    (void)va;
    (void)count;
}

/* A page table of the given level: what its validation would have left. */
static void table_account(struct extents *x, uint64_t page, unsigned level)
{
    uint64_t run;
    struct frame *f = frame_of(mfn(op_mfn(x, page, &run)));
    bool root = level == 4;

    /*
     * The owner's reference, the read-only mapping, the entry above; the root instead has its pin and the
     * base pointer.
     */
    f->own += root ? 2 : 1;
    f->type = (uint64_t)level << FRAME_TYPE_SHIFT | FRAME_VALIDATED |
              (root ? FRAME_PINNED | 2 * FRAME_COUNT_ONE : FRAME_COUNT_ONE);
}

static void types_account(struct extents *x, const struct pvboot_mapping *map)
{
    for (uint64_t i = 0; i < map->pages; i++) {
        uint64_t run;
        struct frame *f = frame_of(mfn(op_mfn(x, map->pfn + i, &run)));

        for (; run > 0 && i < map->pages; run--, i++, f++) {
            f->own++;
            f->type = FRAME_WRITABLE | FRAME_VALIDATED | FRAME_COUNT_ONE;
        }
        i--;
    }
    for (unsigned level = 4; level >= 1; level--) {
        for (uint64_t i = 0; i < map->level[level].count; i++) {
            table_account(x, map->level[level].pfn + i, level);
        }
    }
}

static void m2p_fill(const struct extents *x)
{
    for (unsigned i = 0; i < x->nr; i++) {
        for (uint64_t j = 0; j < x->run[i].count; j++) {
            m2p_set(mfn(x->run[i].mfn + j), x->run[i].pfn + j);
        }
    }
}

static void vcpu_start(struct vcpu *v, const struct pvboot_start *start)
{
    struct vcpu_context *ctx = vcpu_context_map(v);

    ctx->regs.rip = start->rip;
    ctx->regs.rsp = start->rsp;
    ctx->regs.rsi = start->rsi;
    ctx->regs.cs = SEL_GUEST_CS64;
    ctx->regs.ss = SEL_GUEST_SS64;
    ctx->regs.rflags = FLAGS_IF;
    ctx->kernel_ss = SEL_GUEST_SS64;
    ctx->kernel_sp = start->rsp;
    vcpu_context_unmap(ctx);
    v->cr3_kernel = mfn(start->l4_mfn);
    v->initialised = true;
    v->domain->state = DOMAIN_ALIVE;
}

static uint64_t memory_size(void)
{
    uint64_t free = frame_free_count();
    uint64_t reserve = MIN(free / RESERVE_FACTOR, RESERVE_MAX);

    return options.dom0_mem ? options.dom0_mem >> PAGE_SHIFT : free - reserve;
}

/* Any failure of the library: the initial domain cannot start. */
static void check(enum pvboot_code code, const struct pvboot_error *err)
{
    char text[200];

    if (code != PVBOOT_OK) {
        pvboot_error_text(err, text, sizeof(text));
        panic("the initial domain cannot be built: %s", text);
    }
}

static void domain_memory_build(struct domain *d, const struct pvboot_build_args *args,
                                struct pvboot_start *start)
{
    static struct extents x;
    static const struct pvboot_ops ops = {op_mfn, op_map, op_unmap};
    const struct pvboot_layout *layout = args->layout;
    struct pvboot_error err;
    uint64_t *l4;

    memory_allocate(d, &x, 0, layout->used_pages, ADDRESS_BITS_IDENTITY);
    memory_allocate(d, &x, layout->used_pages, layout->nr_pages - layout->used_pages, 64);
    check(pvboot_build(args, &ops, &x, start, &err), &err);
    types_account(&x, &layout->main);
    types_account(&x, &layout->p2m);
    m2p_fill(&x);
    l4 = boot_identity(start->l4_mfn << PAGE_SHIFT);
    paging_fill_hypervisor_slots(l4, d);
}

void initial_domain_build(void)
{
    static struct pvboot_elf elf;
    static struct pvboot_notes notes;
    static struct pvboot_layout layout;
    const struct boot_module *image = &boot_info.module[0], *initrd = &boot_info.module[1];
    struct pvboot_domain want = {.nr_pages = memory_size(), .initial = true};
    struct pvboot_build_args args = {.elf = &elf, .notes = &notes, .layout = &layout};
    struct pvboot_start start;
    struct pvboot_error err;
    struct domain *d;
    int rc;

    if (boot_info.nr_modules == 0) {
        panic("no initial domain: expected a PV ELF image as the first module (QEMU: -initrd IMAGE)");
    }
    want.initrd_size = boot_info.nr_modules > 1 ? initrd->end - initrd->start : 0;
    check(pvboot_elf_parse(&elf, boot_identity(image->start), image->end - image->start, &err), &err);
    check(pvboot_notes_parse(&notes, &elf, true, &err), &err);
    check(pvboot_layout(&layout, &notes, &want, &err), &err);

    d = domain_create(0, options.dom0_max_vcpus ? options.dom0_max_vcpus : cpu_count(), UINT32_MAX, true,
                      &rc);
    if (!d) {
        panic("the initial domain cannot be created: error %d", rc);
    }
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (vcpu_create(d, i) != 0) {
            panic("no memory for vCPU %u of the initial domain", i);
        }
    }
    args.initrd = want.initrd_size ? boot_identity(initrd->start) : NULL;
    args.cmd_line = image->cmdline;
    args.shared_info = mfn_to_paddr(d->shared_mfn);
    args.flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    domain_memory_build(d, &args, &start);
    if (notes.pae && notes.source != PVBOOT_NOTES_FROM_GUEST_STRING) {
        d->vm_assist |= 1ul << VMASST_TYPE_pae_extended_cr3;
    }
    d->text_start = notes.kernel_start;
    d->text_end = notes.kernel_end;
    vcpu_start(d->vcpu[0], &start);
    boot_memory_free_modules();
    initial_domain = d;
    log_debug("d0: %lu MiB, %u vCPUs", layout.nr_pages >> (20 - PAGE_SHIFT), d->max_vcpus);
}
