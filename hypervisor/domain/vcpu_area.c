/* SPDX-License-Identifier: MIT */
#include "hypervisor/domain/vcpu_area.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/pte.h"

static unsigned long info_page(const struct vcpu *v)
{
    return VCPU_BLOCK(v->id) + VCPU_INFO_PAGE * PAGE_SIZE;
}

/* Under event_lock, so that no event falls between the old place and the new one. */
static void move(struct vcpu *v, struct vcpu_info *to)
{
    struct domain *d = v->domain;

    spin_lock(&d->event_lock);
    if (v->info) {
        memcpy(to, v->info, sizeof(*to));
    } else {
        memset(to, 0, sizeof(*to));
        to->evtchn_upcall_mask = 1;
    }
    write_once(v->info, to);
    event_info_moved(v);
    spin_unlock(&d->event_lock);
}

int vcpu_register_info(struct vcpu *v, mfn_t m, uint32_t offset)
{
    struct domain *d = v->domain;
    int ret = -EINVAL;

    if (offset > PAGE_SIZE - sizeof(struct vcpu_info) || offset % _Alignof(struct vcpu_info)) {
        return -ENXIO;
    }
    spin_lock(&d->lock);
    if (mfn_eq(v->info_mfn, MFN_INVALID) &&
        (v == current_vcpu() || (read_once(v->pause_flags) & PAUSE_DOWN))) {
        ret = frame_get_mapping(m, d->id, true) ? -EINVAL : 0;
    }
    if (!ret) {
        v->info_mfn = m;
        perdomain_set(d, info_page(v), m, PTE_HV_RW | (cpu_features.nx ? PTE_NX : 0));
        move(v, (struct vcpu_info *)(info_page(v) + offset));
    }
    spin_unlock(&d->lock);
    return ret;
}

void vcpu_release_info(struct vcpu *v)
{
    v->info = NULL;
    if (!mfn_eq(v->info_mfn, MFN_INVALID)) {
        perdomain_set(v->domain, info_page(v), mfn(0), 0);
        frame_put_mapping(v->info_mfn, true);
        v->info_mfn = MFN_INVALID;
    }
}

void vcpu_republish_clock(struct vcpu *v)
{
    v->clock_version = 0;
    vcpu_raise(v, VCPU_CLOCK);
}
