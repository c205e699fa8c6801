/* SPDX-License-Identifier: MIT */
/* Where vCPUs may run, and how much their domains get. */
#include "hypervisor/domain/sched_internal.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/map.h"

bool sched_allowed(const struct vcpu *v, unsigned cpu)
{
    return v->pinned >= 0 ? (unsigned)v->pinned == cpu : cpu_mask_test(&v->hard_affinity, cpu);
}

/* vCPUs that run or wait on cpu and only there, v left out. */
static unsigned load(unsigned cpu, const struct vcpu *v)
{
    const struct sched_cpu *c = &sched_machine.cpu[cpu];

    return c->queue.length + (c->running && c->running != &v->sched);
}

/* Where v waits: for any processor, or for the one of its own with the least to do. */
unsigned sched_place(const struct vcpu *v)
{
    unsigned best = SCHED_ANY;

    if (!v->restricted) {
        return SCHED_ANY;
    }
    if (sched_allowed(v, v->cpu)) {
        best = v->cpu;
    }
    for (unsigned cpu = 0; v->pinned < 0 && cpu < sched_machine.cpus; cpu++) {
        if (sched_allowed(v, cpu) && (best == SCHED_ANY || load(cpu, v) < load(best, v))) {
            best = cpu;
        }
    }
    return best == SCHED_ANY ? (unsigned)v->pinned : best;
}

/*
 * The domain's groups for each processor, before v or another of its vCPUs may be restricted. 0 or -ENOMEM.
 */
static int own_groups(struct domain *d)
{
    size_t size = sched_machine.cpus * sizeof(struct sched_group);
    struct sched_group *own;

    if (read_once(d->sched.own)) {
        return 0;
    }
    own = heap_alloc(size, d);
    if (!own) {
        return -ENOMEM;
    }
    sched_lock();
    if (!d->sched.own) {
        policy_init_own(&d->sched, own, sched_machine.cpus);
        own = NULL;
    }
    sched_unlock();
    heap_free(own, size, d);
    return 0;
}

/* v's affinity was changed: it goes where it may run. */
static void affinity_changed(struct vcpu *v)
{
    v->restricted = v->pinned >= 0;
    for (unsigned cpu = 0; cpu < sched_machine.cpus; cpu++) {
        v->restricted |= !cpu_mask_test(&v->hard_affinity, cpu);
    }
    if (v->sched.node.queued) {
        policy_dequeue(&sched_machine, &v->sched, clock_now());
        sched_make_runnable(v);
    } else if (v->on_cpu) {
        sched_call(v->cpu);
    }
}

static void pin(struct vcpu *v, int cpu)
{
    uint64_t next;

    sched_lock();
    v->pinned = cpu;
    affinity_changed(v);
    next = sched_refill_arm();
    sched_unlock();
    sched_refill_set(next);
}

int sched_pin_self(unsigned cpu)
{
    int rc = own_groups(current_domain());

    if (rc == 0) {
        pin(current_vcpu(), (int)cpu);
    }
    return rc;
}

void sched_unpin(struct vcpu *v)
{
    pin(v, -1);
}

int sched_set_affinity(struct vcpu *v, const struct cpu_mask *hard, const struct cpu_mask *soft)
{
    uint64_t next = SCHED_NEVER;
    int rc = own_groups(v->domain);

    if (rc != 0) {
        return rc;
    }
    sched_lock();
    if (v->pinned >= 0) {
        rc = -EBUSY;
    } else {
        v->soft_affinity = soft ? *soft : v->soft_affinity;
        v->hard_affinity = hard ? *hard : v->hard_affinity;
        affinity_changed(v);
        next = sched_refill_arm();
    }
    sched_unlock();
    sched_refill_set(next);
    return rc;
}

void sched_get_affinity(const struct vcpu *v, struct cpu_mask *hard, struct cpu_mask *soft)
{
    sched_lock();
    *hard = v->hard_affinity;
    if (v->pinned >= 0) {
        *hard = (struct cpu_mask){{0}};
        hard->word[v->pinned / 64] = 1ul << v->pinned % 64;
    }
    *soft = v->soft_affinity;
    sched_unlock();
}

void sched_set_share(struct domain *d, unsigned weight, unsigned cap)
{
    uint64_t next;

    sched_lock();
    policy_set(&sched_machine, &d->sched, weight, cap, clock_now());
    for (unsigned cpu = 0; cpu < sched_machine.cpus; cpu++) {
        if (sched_machine.cpu[cpu].running && sched_machine.cpu[cpu].running->domain == &d->sched) {
            sched_call(cpu);
        }
    }
    sched_tell_all();
    next = sched_refill_arm();
    sched_unlock();
    sched_refill_set(next);
}

uint64_t sched_grain(void)
{
    return read_once(sched_machine.grain);
}

void sched_set_grain(uint64_t ns)
{
    write_once(sched_machine.grain, ns);
}
