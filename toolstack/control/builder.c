/* SPDX-License-Identifier: MIT */
/* The domain builder; see builder.h. */
#include "toolstack/control/builder.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/foreign.h"
#include "coracle/mem.h"
#include "pvboot/build.h"
#include "toolstack/control/error.h"
#include "toolstack/control/reaper.h"
#include "toolstack/control/xc.h"

#define EXTENT_ORDER 9u   /* 2 MiB: what the hypervisor's allocator has in plenty, without long calls */
#define EXTENT_BATCH 256u /* extents a call */
#define WINDOW       512u /* pages of a mapping, at most */
#define WINDOWS      4u   /* mappings at a time */
#define RANGES       (PVBOOT_ELF_LOADS + 2)
#define CONTROL      0 /* our own domid: the initial domain's */

#define PF_EXECUTE 1u /* of p_flags */
#define RFLAGS_IF  0x200u

/* A run of consecutive machine frames of the new domain. */
struct run {
    uint64_t pfn, mfn, count;
};

/* Pages [first, end) of the new domain, in a window where they are mapped. */
struct range {
    uint64_t first, end;
};

struct window {
    struct range pages; /* empty: not in use */
    uint8_t *address;
};

struct build {
    const struct builder_plan *plan;
    struct domain_error *error;
    struct pvboot_elf elf;
    struct pvboot_notes notes;
    struct pvboot_layout layout;
    uint16_t domid;

    struct run *runs; /* malloc'd, in order of pfn, without holes */
    size_t nr_runs, capacity, last;

    struct range written[RANGES]; /* what pvboot will write, ascending, no two touch */
    unsigned nr_written;
    struct window windows[WINDOWS];
    unsigned next_window; /* the one to be used next */
};

/* ------------------------------------------------------------------ frames */

static bool add_run(struct build *b, uint64_t pfn, uint64_t mfn, uint64_t count)
{
    struct run *last = b->nr_runs ? &b->runs[b->nr_runs - 1] : NULL;

    if (last && last->mfn + last->count == mfn) {
        last->count += count;
        return true;
    }
    if (!b->runs || b->nr_runs == b->capacity) {
        size_t capacity = b->capacity ? 2 * b->capacity : 16;
        struct run *runs = realloc(b->runs, capacity * sizeof(*runs));

        if (!runs) {
            return false;
        }
        b->runs = runs;
        b->capacity = capacity;
    }
    b->runs[b->nr_runs++] = (struct run){pfn, mfn, count};
    return true;
}

/* Gives the domain its memory in extents as large as there are. */
static int populate(struct build *b)
{
    uint64_t frames[EXTENT_BATCH], pfn = 0, pages = b->layout.nr_pages;
    unsigned order = EXTENT_ORDER;

    while (pfn < pages) {
        unsigned want, got;

        while ((1ul << order) > pages - pfn) {
            order--;
        }
        want = (unsigned)((pages - pfn) >> order < EXTENT_BATCH ? (pages - pfn) >> order : EXTENT_BATCH);
        for (unsigned i = 0; i < want; i++) {
            frames[i] = pfn + ((uint64_t)i << order);
        }
        got = xc_populate(b->domid, frames, want, order);
        for (unsigned i = 0; i < got; i++, pfn += 1ul << order) {
            if (!add_run(b, pfn, frames[i], 1ul << order)) {
                return domain_fail(b->error, -ENOMEM,
                                   "the control domain has no memory to note a domain's frames");
            }
        }
        if (got < want && order-- == 0) {
            return domain_fail(b->error, -ENOMEM,
                               "the host's memory ran out: %" PRIu64 " of %" PRIu64 " KiB are missing",
                               (pages - pfn) * 4, pages * 4);
        }
    }
    return 0;
}

static uint64_t op_mfn(void *user, uint64_t pfn, uint64_t *run)
{
    struct build *b = user;
    const struct run *r = &b->runs[b->last];

    if (pfn < r->pfn || pfn >= r->pfn + r->count) {
        size_t low = 0, high = b->nr_runs;

        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;

            if (b->runs[middle].pfn <= pfn) {
                low = middle;
            } else {
                high = middle;
            }
        }
        b->last = low;
        r = &b->runs[low];
    }
    *run = r->pfn + r->count - pfn;
    return r->mfn + (pfn - r->pfn);
}

/*
 * Adds pages to what will be written; ranges come in ascending order, as vetted loads and layouts have them.
 */
static void add_written(struct build *b, uint64_t first, uint64_t end)
{
    struct range *last = b->nr_written ? &b->written[b->nr_written - 1] : NULL;

    if (first == end) {
        return;
    }
    if (last && first <= last->end) {
        last->end = end > last->end ? end : last->end;
    } else {
        b->written[b->nr_written++] = (struct range){first, end};
    }
}

static int by_address(const void *a, const void *b)
{
    const struct pvboot_elf_load *left = a, *right = b;

    return left->paddr < right->paddr ? -1 : left->paddr > right->paddr;
}

/*
 * The image's segments; behind the image all up to the page tables (stack and padding come after them);
 * behind the initial mapping an unmapped initrd and the frame list of INIT_P2M. Gaps, such as those between
 * an image's segments, may be large.
 */
static void note_written(struct build *b)
{
    struct pvboot_elf_load loads[PVBOOT_ELF_LOADS];
    const struct pvboot_layout *layout = &b->layout;
    uint64_t image_end = pvboot_layout_pfn(layout, b->notes.kernel_end + PVBOOT_PAGE_SIZE - 1);

    memcpy(loads, b->elf.load, b->elf.nr_loads * sizeof(loads[0]));
    qsort(loads, b->elf.nr_loads, sizeof(loads[0]), by_address);
    for (unsigned i = 0; i < b->elf.nr_loads; i++) {
        uint64_t gpa = loads[i].paddr - b->notes.paddr_offset;

        add_written(b, gpa >> PVBOOT_PAGE_SHIFT,
                    (gpa + loads[i].size + PVBOOT_PAGE_SIZE - 1) >> PVBOOT_PAGE_SHIFT);
    }
    add_written(b, image_end, pvboot_layout_pfn(layout, layout->pt_va) + layout->nr_pt_frames);
    add_written(b, pvboot_layout_pfn(layout, layout->v_end), layout->used_pages);
}

static void window_close(struct window *window)
{
    if (window->address) {
        cor_foreign_unmap(window->address, window->pages.end - window->pages.first);
        *window = (struct window){0};
    }
}

static void windows_close(struct build *b)
{
    for (unsigned i = 0; i < WINDOWS; i++) {
        window_close(&b->windows[i]);
    }
}

/* Maps pages from pfn on: what will be written there, or that page alone. */
static struct window *window_open(struct build *b, uint64_t pfn)
{
    struct window *window = &b->windows[b->next_window++ % WINDOWS];
    uint64_t mfns[WINDOW], end = pfn + 1;

    window_close(window);
    for (unsigned i = 0; i < b->nr_written; i++) {
        if (pfn >= b->written[i].first && pfn < b->written[i].end) {
            end = b->written[i].end - pfn < WINDOW ? b->written[i].end : pfn + WINDOW;
        }
    }
    for (uint64_t at = pfn; at < end;) {
        uint64_t run, mfn = op_mfn(b, at, &run);

        for (; run && at < end; run--) {
            mfns[at++ - pfn] = mfn++;
        }
    }
    window->address = cor_foreign_map(b->domid, mfns, end - pfn, COR_PROT_READ | COR_PROT_WRITE);
    window->pages = (struct range){pfn, end};
    return window->address ? window : NULL;
}

static void *op_map(void *user, uint64_t pfn, uint64_t *count)
{
    struct build *b = user;
    struct window *window = NULL;

    for (unsigned i = 0; i < WINDOWS && !window; i++) {
        struct window *w = &b->windows[i];

        window = w->address && pfn >= w->pages.first && pfn < w->pages.end ? w : NULL;
    }
    if (!window) {
        window = window_open(b, pfn);
    }
    if (!window) {
        return NULL;
    }
    if (*count > window->pages.end - pfn) {
        *count = window->pages.end - pfn;
    }
    return window->address + ((pfn - window->pages.first) << PVBOOT_PAGE_SHIFT);
}

/* The window stays: the next page may be in it. */
static void op_unmap(void *user, void *va, uint64_t count)
{
    (void)user;
    (void)va;
    (void)count;
}

/* ------------------------------------------------------------------ steps */

/* Everything that can be known without a domain. */
static int decode(struct build *b)
{
    const struct builder_plan *plan = b->plan;
    struct pvboot_domain want = {.nr_pages = plan->memory_kib / 4,
                                 .initrd_size = plan->ramdisk ? plan->ramdisk_size : 0};
    struct pvboot_error why;
    char text[160];

    if (pvboot_elf_parse(&b->elf, plan->kernel, plan->kernel_size, &why) != PVBOOT_OK ||
        pvboot_notes_parse(&b->notes, &b->elf, false, &why) != PVBOOT_OK ||
        pvboot_layout(&b->layout, &b->notes, &want, &why) != PVBOOT_OK) {
        pvboot_error_text(&why, text, sizeof(text));
        return domain_fail(b->error, -EINVAL, "the kernel cannot be booted: %s", text);
    }
    if (plan->cmdline && strlen(plan->cmdline) >= MAX_GUEST_CMDLINE) {
        return domain_fail(b->error, -EINVAL, "the command line has %zu bytes, a domain takes at most %d",
                           strlen(plan->cmdline), MAX_GUEST_CMDLINE - 1);
    }
    note_written(b);
    return 0;
}

/* Is there memory? It may still run out later: somebody else may take it. */
static int check_memory(struct build *b)
{
    struct xen_sysctl_physinfo host;
    int error = xc_physinfo(&host);

    if (!error && host.free_pages < b->layout.nr_pages) {
        reaper_wait();
        error = xc_physinfo(&host);
    }
    if (error) {
        return domain_fail(b->error, error, "the hypervisor does not say how much memory is free");
    }
    if (host.free_pages < b->layout.nr_pages) {
        return domain_fail(b->error, -ENOMEM,
                           "not enough memory: wanted are %" PRIu64 " KiB, free are %" PRIu64 " KiB",
                           b->layout.nr_pages * 4, (uint64_t)host.free_pages * 4);
    }
    return 0;
}

/* The domain's ends of its two channels. */
static int make_ports(struct build *b, struct built_domain *built)
{
    int error = xc_alloc_port(b->domid, CONTROL, &built->store_port);

    if (!error) {
        error = xc_alloc_port(b->domid, CONTROL, &built->console_port);
    }
    return error ? domain_fail(b->error, error, "no event channels for the domain") : 0;
}

static int shared_info(struct build *b, uint64_t *machine_address)
{
    struct xen_domctl_getdomaininfo info;
    int error = xc_domain_info(b->domid, &info);

    if (error) {
        return domain_fail(b->error, error, "the hypervisor does not know the new domain");
    }
    *machine_address = info.shared_info_frame << PVBOOT_PAGE_SHIFT;
    return 0;
}

/*
 * The domain begins with events masked, as the ABI says. Stock Xen leaves that to the builder; the caller's
 * window is used, and closed again.
 */
static int mask_events(struct build *b, uint64_t machine_address)
{
    uint64_t mfn = machine_address >> PVBOOT_PAGE_SHIFT;
    struct shared_info *info = cor_foreign_map(b->domid, &mfn, 1, COR_PROT_READ | COR_PROT_WRITE);

    if (!info) {
        return domain_fail(b->error, -ENOMEM, "the domain's shared info page cannot be mapped");
    }
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        info->vcpu_info[i].evtchn_upcall_mask = 1;
    }
    cor_foreign_unmap(info, 1);
    return 0;
}

/* The domain's first memory content, and its page tables vetted. */
static int fill(struct build *b, struct built_domain *built, struct pvboot_start *start)
{
    static const struct pvboot_ops ops = {op_mfn, op_map, op_unmap};
    struct pvboot_build_args args = {.elf = &b->elf,
                                     .notes = &b->notes,
                                     .layout = &b->layout,
                                     .initrd = b->plan->ramdisk,
                                     .cmd_line = b->plan->cmdline,
                                     .store_evtchn = built->store_port,
                                     .console_evtchn = built->console_port};
    struct pvboot_error why;
    char text[160];
    enum pvboot_code code;
    int error = shared_info(b, &args.shared_info);

    error = error ? error : mask_events(b, args.shared_info);
    if (error) {
        return error;
    }
    code = pvboot_build(&args, &ops, b, start, &why);
    windows_close(b);
    if (code != PVBOOT_OK) {
        pvboot_error_text(&why, text, sizeof(text));
        return domain_fail(b->error, code == PVBOOT_BUILD_MAP ? -ENOMEM : -EINVAL,
                           "the domain cannot be built: %s", text);
    }
    error = xc_pin_l4(b->domid, start->l4_mfn);
    return error ? domain_fail(b->error, error, "the hypervisor refuses the domain's page tables") : 0;
}

/* The first vCPU begins at the image's entry; the others are the guest's to start. */
static int set_context(struct build *b, const struct pvboot_start *start)
{
    static struct vcpu_guest_context context; /* large; all of it is zero but what is set here */
    int error;

    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = start->rip;
    context.user_regs.rsp = start->rsp;
    context.user_regs.rsi = start->rsi;
    context.user_regs.rflags = RFLAGS_IF;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = start->rsp;
    context.ctrlreg[3] = xen_pfn_to_cr3(start->l4_mfn);
    context.vm_assist = b->notes.pae && b->notes.source != PVBOOT_NOTES_FROM_GUEST_STRING
                            ? 1ul << VMASST_TYPE_pae_extended_cr3
                            : 0;
    error = xc_set_context(b->domid, 0, &context);
    return error ? domain_fail(b->error, error, "the hypervisor refuses the first vCPU's registers") : 0;
}

/* The segments that may be executed, from the first to the last; the whole image if it does not say. */
static void find_text(const struct build *b, struct built_domain *built)
{
    struct pvboot_elf64_phdr header;

    built->text_start = UINT64_MAX;
    built->text_end = 0;
    for (unsigned i = 0; i < b->elf.ehdr.e_phnum; i++) {
        pvboot_elf_phdr(&b->elf, i, &header);
        if (header.p_type == PVBOOT_PT_LOAD && header.p_flags & PF_EXECUTE) {
            uint64_t end = header.p_vaddr + header.p_memsz;

            built->text_start = header.p_vaddr < built->text_start ? header.p_vaddr : built->text_start;
            built->text_end = end > built->text_end ? end : built->text_end;
        }
    }
    if (built->text_start >= built->text_end) {
        built->text_start = b->notes.kernel_start;
        built->text_end = b->notes.kernel_end;
    }
}

/* All that needs the domain; the caller destroys it if this fails. */
static int build_in(struct build *b, struct built_domain *built)
{
    struct pvboot_start start;
    int error = xc_max_memory(b->domid, b->plan->max_memory_kib);

    if (error) {
        return domain_fail(b->error, error, "the hypervisor refuses a memory limit of %" PRIu64 " KiB",
                           b->plan->max_memory_kib);
    }
    error = populate(b);
    error = error ? error : make_ports(b, built);
    error = error ? error : fill(b, built, &start);
    error = error ? error : set_context(b, &start);
    if (!error) {
        built->domid = b->domid;
        built->store_mfn = start.store_mfn;
        built->console_mfn = start.console_mfn;
        find_text(b, built);
        (void)xc_set_text(b->domid, built->text_start,
                          built->text_end); /* without it, dumps say a little less */
    }
    return error;
}

int builder_build(const struct builder_plan *plan, struct built_domain *built, struct domain_error *error)
{
    struct build b = {.plan = plan, .error = error};
    int result = decode(&b);

    result = result ? result : check_memory(&b);
    if (result) {
        return result;
    }
    result = xc_create(plan->uuid, plan->max_vcpus, &b.domid);
    if (result) {
        return domain_fail(error, result, "the hypervisor makes no domain with %u vCPUs", plan->max_vcpus);
    }
    result = build_in(&b, built);
    windows_close(&b);
    free(b.runs);
    if (result) {
        reaper_destroy(b.domid, plan->max_memory_kib);
    }
    return result;
}
