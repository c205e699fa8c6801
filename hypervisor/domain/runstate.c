/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/runstate.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/sched.h"

void runstate_change(struct vcpu *v, int state, uint64_t now)
{
    struct vcpu_runstate_info *r = &v->runstate;

    if (r->state == state) {
        return;
    }
    if (now > r->state_entry_time) {
        r->time[r->state] += now - r->state_entry_time;
        r->state_entry_time = now;
    }
    r->state = state;
}

void runstate_get(struct vcpu *v, struct vcpu_runstate_info *info)
{
    uint64_t now;

    sched_lock();
    now = clock_now();
    *info = v->runstate;
    if (now > info->state_entry_time) {
        info->time[info->state] += now - info->state_entry_time;
    }
    sched_unlock();
}

void runstate_publish(struct vcpu *v)
{
    struct vcpu_runstate_info info;
    /* The flag is the top bit of state_entry_time, in its last byte. */
    gva_t last_byte = gva(v->runstate_va.v + offsetof(struct vcpu_runstate_info, state_entry_time) + 7);

    if (!v->runstate_va.v) {
        return;
    }
    sched_lock(); /* when v leaves, another processor may have chosen it already */
    info = v->runstate;
    sched_unlock();
    if (!(v->domain->vm_assist & 1ul << VMASST_TYPE_runstate_update_flag)) {
        (void)copy_to_guest(v->runstate_va, &info, sizeof(info));
        return;
    }
    info.state_entry_time |= XEN_RUNSTATE_UPDATE;
    if (copy_to_guest(last_byte, (char *)&info.state_entry_time + 7, 1)) {
        return;
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
    (void)copy_to_guest(v->runstate_va, &info, sizeof(info));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    info.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
    (void)copy_to_guest(last_byte, (char *)&info.state_entry_time + 7, 1);
}
