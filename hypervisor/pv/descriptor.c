/* SPDX-License-Identifier: MIT */
/*
 * GDT and LDT. Their pages have the type FRAME_SEG: vetted, and not writable by the guest, which changes
 * entries by update_descriptor. The GDT's frames are mapped in front of our own page when the guest sets
 * them, the LDT's when the processor first touches them (#PF at our address), since the guest only gives a
 * virtual address.
 */
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/mm/guest_walk.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/pv/descriptor.h"
#include "hypervisor/pv/pv.h"

/* High word of a descriptor (AMD64 APM 2, 4.7). */
#define DESC_TYPE   0x0f00u
#define DESC_S      0x1000u
#define DESC_DPL    0x6000u
#define DESC_P      0x8000u
#define TYPE_GATE   0x0c00u
#define GDT_ENTRIES (GDT_FRAMES * 512u)

bool descriptor_check(uint64_t *d)
{
    uint32_t low = (uint32_t)*d, high = (uint32_t)(*d >> 32);
    unsigned dpl, cs;

    if (!(high & DESC_P)) {
        return true; /* always faults */
    }
    if (high & DESC_S) {
        *d |= (uint64_t)DESC_DPL << 32; /* code and data segments: any base and limit */
        return true;
    }
    if ((high & DESC_TYPE) == 0) {
        return true; /* second half of a gate */
    }
    cs = low >> 16;
    if ((high & DESC_TYPE) != TYPE_GATE || (high & 0xff) ||
        (cs & 4 ? 0 : cs >= 0xe000 && (cs & ~3u) != 0xe030)) {
        return false;
    }
    /*
     * A call gate: DPL 0, so that its use faults and the guest's #GP handler decides; the guest's DPL goes to
     * the RPL.
     */
    dpl = 3;
    *d = (uint64_t)(high & ~DESC_DPL) << 32 | (low & 0xffff) | ((cs & ~3u) | dpl) << 16;
    return true;
}

int descriptor_page_validate(mfn_t m)
{
    uint64_t *t = map_frame(m);
    int rc = 0;

    for (unsigned i = 0; i < PAGE_SIZE / 8; i++) {
        uint64_t d = t[i];

        if (!descriptor_check(&d)) {
            rc = -EINVAL;
            break;
        }
        if (d != t[i]) {
            t[i] = d;
        }
    }
    unmap_frame(t);
    return rc;
}

static int seg_get(struct domain *d, mfn_t m)
{
    int rc;

    if (!frame_get(m, d->id)) {
        return -EINVAL;
    }
    spin_lock(&d->page_lock);
    rc = frame_get_type(m, d, FRAME_SEG);
    spin_unlock(&d->page_lock);
    if (rc != 0) {
        frame_put(m);
    }
    return rc;
}

static void seg_put(struct domain *d, mfn_t m)
{
    spin_lock(&d->page_lock);
    frame_put_type(m, d);
    spin_unlock(&d->page_lock);
    frame_put(m);
}

void pv_gdt_init(struct vcpu *v)
{
    for (unsigned i = 0; i < GDT_FRAMES; i++) {
        perdomain_set(v->domain, VCPU_BLOCK(v->id) + (VCPU_GDT_PAGE + i) * PAGE_SIZE, zero_page,
                      PTE_HV_RO | hv_nx);
    }
}

static void gdt_drop(struct vcpu *v, struct vcpu_context *ctx)
{
    for (unsigned i = 0; i < DIV_ROUND_UP(ctx->gdt_entries, 512); i++) {
        perdomain_set(v->domain, VCPU_BLOCK(v->id) + (VCPU_GDT_PAGE + i) * PAGE_SIZE, zero_page,
                      PTE_HV_RO | hv_nx);
        seg_put(v->domain, mfn(ctx->gdt_frames[i]));
        ctx->gdt_frames[i] = 0;
    }
    ctx->gdt_entries = 0;
}

void pv_gdt_release(struct vcpu *v, struct vcpu_context *ctx)
{
    gdt_drop(v, ctx);
}

int pv_gdt_set(struct vcpu *v, struct vcpu_context *ctx, const unsigned long *frames, unsigned n)
{
    unsigned pages = DIV_ROUND_UP(n, 512u);
    unsigned i;

    if (n > GDT_ENTRIES) {
        return -EINVAL;
    }
    for (i = 0; i < pages; i++) {
        if (seg_get(v->domain, mfn(frames[i])) != 0) {
            while (i-- > 0) {
                seg_put(v->domain, mfn(frames[i]));
            }
            return -EINVAL;
        }
    }
    gdt_drop(v, ctx);
    for (i = 0; i < pages; i++) {
        ctx->gdt_frames[i] = frames[i];
        perdomain_set(v->domain, VCPU_BLOCK(v->id) + (VCPU_GDT_PAGE + i) * PAGE_SIZE, mfn(frames[i]),
                      PTE_HV_RW | hv_nx);
    }
    ctx->gdt_entries = n;
    return 0;
}

long do_set_gdt(unsigned long list, unsigned long entries)
{
    struct vcpu *v = current_vcpu();
    unsigned n = (unsigned)entries;
    unsigned long frames[GDT_FRAMES];
    int rc;

    if (n > GDT_ENTRIES) {
        return -EINVAL;
    }
    if (copy_from_guest(frames, gva(list), DIV_ROUND_UP(n, 512u) * sizeof(frames[0])) != 0) {
        return -EFAULT;
    }
    rc = pv_gdt_set(v, v->ctx, frames, n);
    if (rc == 0) {
        tlb_flush_local();
    }
    return rc;
}

long do_update_descriptor(unsigned long ma, unsigned long desc)
{
    struct domain *d = current_domain();
    mfn_t m = mfn(ma >> PAGE_SHIFT);
    uint64_t value = desc;
    uint64_t type;
    uint64_t *t;
    int rc;

    if ((ma & 7) || !descriptor_check(&value) || !frame_get(m, d->id)) {
        return -EINVAL;
    }
    spin_lock(&d->page_lock);
    type = (read_once(frame_of(m)->type) & FRAME_TYPE_MASK) == FRAME_SEG ? FRAME_SEG : FRAME_WRITABLE;
    rc = frame_get_type(m, d, type);
    if (rc == 0) {
        t = map_frame(m);
        write_once(t[(ma & ~PAGE_MASK) / 8], value);
        unmap_frame(t);
        frame_put_type(m, d);
    }
    spin_unlock(&d->page_lock);
    frame_put(m);
    return rc == 0 ? 0 : -EINVAL;
}

bool pv_ldt_fault(struct vcpu *v, unsigned long offset)
{
    struct vcpu_context *ctx = v->ctx;
    unsigned page = (unsigned)(offset >> PAGE_SHIFT);
    uint64_t e;

    if (offset / 8 >= ctx->ldt_entries || (ctx->ldt_mapped & (1u << page))) {
        return false;
    }
    spin_lock(&v->domain->page_lock); /* the tables stay what they are during the walk */
    e = guest_l1_entry(v->cr3_kernel, ctx->ldt_base + (unsigned long)page * PAGE_SIZE);
    spin_unlock(&v->domain->page_lock);
    if (!(e & PTE_P) || seg_get(v->domain, pte_mfn(e)) != 0) {
        return false;
    }
    perdomain_set(v->domain, VCPU_BLOCK(v->id) + (VCPU_LDT_PAGE + page) * PAGE_SIZE, pte_mfn(e),
                  PTE_HV_RW | hv_nx);
    ctx->ldt_mapped |= 1u << page;
    return true;
}

void pv_ldt_unmap(struct vcpu *v, struct vcpu_context *ctx)
{
    bool any = ctx->ldt_mapped != 0;

    for (unsigned page = 0; ctx->ldt_mapped; page++) {
        unsigned long va = VCPU_BLOCK(v->id) + (VCPU_LDT_PAGE + page) * PAGE_SIZE;

        if (ctx->ldt_mapped & (1u << page)) {
            mfn_t m = perdomain_get(v->domain, va);

            perdomain_set(v->domain, va, mfn(0), 0);
            ctx->ldt_mapped &= ~(1u << page);
            seg_put(v->domain, m);
        }
    }
    if (any && v == current_vcpu()) {
        tlb_flush_local();
    }
}
