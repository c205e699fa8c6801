/* SPDX-License-Identifier: MIT */
/*
 * A guest's kernel may write to its level-1 tables as if they were its own, though it maps them read-only:
 * the store faults, and what it would do is done here, by the validator's leave. Stores into higher levels
 * are the guest's page faults.
 */
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/mm/guest_walk.h"
#include "hypervisor/mm/mmu.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/pv.h"
#include "hypervisor/pv/store.h"

#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101

static uint64_t segment_base(const struct insn *i)
{
    return i->segment == 0x64 ? rdmsr(MSR_FS_BASE) : i->segment == 0x65 ? rdmsr(MSR_GS_BASE) : 0;
}

/*
 * A window on the level-1 table of d's that va maps read-only, at the entry that lies at va. NULL: va maps
 * something else. page_lock.
 */
static uint64_t *entry_open(struct vcpu *v, unsigned long va)
{
    mfn_t l1 = guest_kernel_l1(v, va);
    uint64_t *t;
    uint64_t e;
    mfn_t m;

    if (mfn_eq(l1, MFN_INVALID)) {
        return NULL;
    }
    t = map_frame(l1);
    e = read_once(t[pt_index(va, 1)]);
    m = pte_mfn(e);
    if ((e & (PTE_P | PTE_RW)) == PTE_P && is_l1_table(v->domain, m)) {
        t = remap_frame(t, m);
        return t + (va & ~PAGE_MASK) / 8;
    }
    unmap_frame(t);
    return NULL;
}

/* The store's effect on the entry that holds va. 0, -EAGAIN, or why not. page_lock. */
static int entry_store(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i, struct store *s,
                       unsigned long va)
{
    unsigned shift = (va & 7) * 8;
    uint64_t mask = (i->size == 8 ? ~0ul : (1ul << (i->size * 8)) - 1) << shift;
    uint64_t *slot = entry_open(v, va);
    uint64_t old;
    int rc = 0;

    if (!slot) {
        return -EINVAL;
    }
    old = read_once(*slot);
    store_compute(i, regs, (old & mask) >> shift, s);
    if (s->writes) {
        /* A guest that exchanges entries must not lose bits that the processor sets: then it tries again. */
        rc = l1_entry_update(v->domain, v->domain, slot, old, (old & ~mask) | s->value << shift,
                             ENTRY_IF_SAME);
    }
    unmap_frame(slot);
    return rc;
}

bool pv_emulate_pt_write(struct vcpu *v, struct cpu_user_regs *regs, unsigned long va)
{
    struct domain *d = v->domain;
    bool traced = regs->rflags & FLAGS_TF;
    struct insn i;
    struct store s;
    uint64_t base;
    int rc;

    /* Stock Xen looks at the privileged domain's faults whether it asked for this or not. */
    if (!d->privileged && !(d->vm_assist & (1ul << VMASST_TYPE_writable_pagetables))) {
        return false;
    }
    if (!insn_fetch(regs, &i) || !store_locate(&i, regs, &s)) {
        return false;
    }
    base = i.segment ? segment_base(&i) : 0;
    if (s.address + (i.modrm ? base : 0) != va || (va & (i.size - 1u))) {
        return false;
    }
    if (s.loads && copy_from_guest(&s.loaded, gva(s.source + base), i.size) != 0) {
        pv_inject_page_fault(v, s.source + base, 0);
        return true;
    }
    spin_lock(&d->page_lock);
    rc = entry_store(v, regs, &i, &s, va);
    spin_unlock(&d->page_lock);
    if (rc == 0) {
        store_retire(&i, regs, &s);
        insn_step(v, regs, traced);
    }
    return rc == 0 || rc == -EAGAIN;
}
