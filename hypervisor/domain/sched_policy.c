/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/sched_policy.h"

#define PASS_MAX_NS 1000000000ull /* of empty time that a floor counts: more changes nothing for anybody */

static bool less(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

static void raise_to(uint64_t *key, uint64_t least)
{
    if (less(*key, least)) {
        *key = least;
    }
}

static struct sched_group *group_at(struct heap_node *n)
{
    return n ? container_of(n, struct sched_group, node) : NULL;
}

static struct sched_entity *entity_at(struct heap_node *n)
{
    return n ? container_of(n, struct sched_entity, node) : NULL;
}

static struct sched_queue *queue_at(struct sched_machine *m, unsigned where)
{
    return where == SCHED_ANY ? &m->common : &m->cpu[where].queue;
}

static void queue_insert(struct sched_queue *q, struct heap_node *n)
{
    q->first = heap_insert(q->first, n);
    q->length++;
}

static void queue_remove(struct sched_queue *q, struct heap_node *n, uint64_t now)
{
    q->first = heap_remove(q->first, n);
    if (--q->length == 0) {
        q->empty_since = now;
    }
}

/* ---- clocks ---- */

/* What ns of run time cost a member of g. */
static uint64_t price(const struct sched_group *g, uint64_t ns)
{
    const struct sched_domain *d = g->domain;

    return g->active == d->active ? ns * SCHED_WEIGHT / d->weight
                                  : ns * SCHED_WEIGHT * d->active / ((uint64_t)d->weight * g->active);
}

/* The domain's share of a period, divided among the processors that its members can have at once. */
static uint64_t slice_of(const struct sched_machine *m, const struct sched_group *g)
{
    const struct sched_domain *d = g->domain;
    unsigned at_once = g->where == SCHED_ANY ? MIN(g->active, m->cpus) : 1;
    uint64_t ns = (uint64_t)SCHED_PERIOD_NS * m->cpus * d->weight / m->weight;

    ns = ns * g->active / ((uint64_t)d->active * at_once);
    return MAX(MIN(ns, (uint64_t)SCHED_SLICE_NS), MAX(m->grain, (uint64_t)SCHED_GRAIN_NS));
}

/* The floor of an empty queue advances with time, at `rate` / SCHED_WEIGHT. */
static void pass(struct sched_queue *q, uint64_t rate, uint64_t now)
{
    if (q->length == 0 && now > q->empty_since) {
        q->floor += MIN(now - q->empty_since, PASS_MAX_NS) * rate / SCHED_WEIGHT;
        q->empty_since = now;
    }
}

/* While vCPUs wait for their own processors only, the floor advances as their turns come. */
static void pass_common(struct sched_machine *m, uint64_t now)
{
    if (m->pinned) {
        m->common.empty_since = now;
    }
    pass(&m->common, (uint64_t)SCHED_WEIGHT * SCHED_WEIGHT * m->cpus / MAX(m->weight, 1ul), now);
}

/* Where newcomers start. A processor whose own queue nobody competed for joins the common level. */
static uint64_t floor_at(struct sched_machine *m, unsigned where, uint64_t now)
{
    struct sched_cpu *c;

    pass_common(m, now);
    if (where == SCHED_ANY) {
        return m->common.floor;
    }
    c = &m->cpu[where];
    if (c->queue.length == 0 && !(c->running && c->contended)) {
        raise_to(&c->queue.floor, m->common.floor);
    }
    return c->queue.floor;
}

static void set_clock(struct sched_machine *m, struct sched_group *g, uint64_t clock, uint64_t now)
{
    struct sched_queue *q = queue_at(m, g->where);

    if (g->node.queued) {
        queue_remove(q, &g->node, now);
        g->node.key = clock;
        queue_insert(q, &g->node);
    } else {
        g->node.key = clock;
    }
}

/* ---- caps ---- */

static int64_t budget_full(const struct sched_domain *d)
{
    return (int64_t)d->cap * (SCHED_PERIOD_NS / 100);
}

static void budget_update(struct sched_domain *d, uint64_t now)
{
    uint64_t ns = now > d->budget_at ? (now - d->budget_at) * d->cap / 100 : 0;

    d->budget += (int64_t)ns;
    d->budget_at += ns * 100 / d->cap; /* what is not counted yet stays */
    if (d->budget >= budget_full(d)) {
        d->budget = budget_full(d);
        d->budget_at = now;
    }
}

/* Does f with each of d's groups. */
static void each_group(struct sched_machine *m, struct sched_domain *d, uint64_t now,
                       void (*f)(struct sched_machine *m, struct sched_group *g, uint64_t now))
{
    f(m, &d->common, now);
    for (unsigned i = 0; d->own && i < m->cpus; i++) {
        f(m, &d->own[i], now);
    }
}

static void group_leave(struct sched_machine *m, struct sched_group *g, uint64_t now)
{
    if (g->node.queued) {
        queue_remove(queue_at(m, g->where), &g->node, now);
    }
}

/* It did not sleep, so there is no bonus. */
static void group_return(struct sched_machine *m, struct sched_group *g, uint64_t now)
{
    if (g->waiting.length && !g->node.queued) {
        raise_to(&g->node.key, floor_at(m, g->where, now));
        queue_insert(queue_at(m, g->where), &g->node);
    }
}

static void unpark(struct sched_machine *m, struct sched_domain *d, uint64_t now)
{
    queue_remove(&m->parked, &d->refill, now);
    each_group(m, d, now, group_return);
}

/* Parks d if its budget is nearly gone, and brings it back if it is half full. */
static void budget_check(struct sched_machine *m, struct sched_domain *d, uint64_t now)
{
    bool parked = d->refill.queued;
    int64_t half = budget_full(d) / 2;

    if (parked && (!d->cap || d->budget >= half)) {
        unpark(m, d, now);
    } else if (d->cap && (parked || d->budget < half / 2)) {
        if (parked) {
            queue_remove(&m->parked, &d->refill, now);
        } else {
            each_group(m, d, now, group_leave);
        }
        d->refill.key = now + (uint64_t)(half - d->budget) * 100 / d->cap + 1;
        queue_insert(&m->parked, &d->refill);
    }
}

bool policy_refill(struct sched_machine *m, uint64_t now)
{
    bool any = false;

    while (m->parked.first && m->parked.first->key <= now) {
        struct sched_domain *d = container_of(m->parked.first, struct sched_domain, refill);

        budget_update(d, now);
        budget_check(m, d, now);
        any = true;
    }
    return any;
}

uint64_t policy_next_refill(const struct sched_machine *m)
{
    return m->parked.first ? m->parked.first->key : SCHED_NEVER;
}

/* ---- the running ---- */

bool policy_waiting(const struct sched_machine *m, unsigned cpu)
{
    return m->common.length || m->cpu[cpu].queue.length;
}

/* A slice for the running entity. joins: it ran for nothing so far, and now others wait. */
static void begin(struct sched_machine *m, unsigned cpu, bool joins, uint64_t now)
{
    struct sched_cpu *c = &m->cpu[cpu];
    struct sched_group *g = c->running->group;
    struct sched_domain *d = g->domain;
    uint64_t slice = SCHED_NEVER;

    c->slice_begin = now;
    c->paid = c->reserved = 0;
    c->contended = policy_waiting(m, cpu);
    if (c->contended) {
        c->start = g->node.key;
        if (joins) {
            raise_to(&c->start, floor_at(m, g->where, now));
            raise_to(&c->running->node.key, g->waiting.floor);
        }
        raise_to(&c->queue.floor, c->start);
        raise_to(&m->common.floor, c->start);
        slice = slice_of(m, g);
        c->paid = price(g, slice);
        set_clock(m, g, c->start + c->paid, now);
    }
    if (d->cap) {
        budget_update(d, now);
        c->reserved = (uint64_t)MAX(d->budget, 0l);
        slice = MIN(MIN(slice, (uint64_t)SCHED_SLICE_NS), c->reserved);
        c->reserved = slice;
        d->budget -= (int64_t)slice;
        budget_check(m, d, now);
    }
    c->slice_end = slice == SCHED_NEVER ? SCHED_NEVER : now + slice;
}

/* The running entity's bill. */
static void settle(struct sched_machine *m, unsigned cpu, uint64_t now)
{
    struct sched_cpu *c = &m->cpu[cpu];
    struct sched_entity *e = c->running;
    struct sched_group *g = e->group;
    struct sched_domain *d = e->domain;
    uint64_t ran = now > c->slice_begin ? now - c->slice_begin : 0;

    if (c->contended) {
        set_clock(m, g, g->node.key + price(g, ran) - c->paid, now);
        e->node.key += ran;
    }
    if (d->cap) {
        budget_update(d, now);
        d->budget = MIN(d->budget + (int64_t)c->reserved - (int64_t)ran, budget_full(d));
        budget_check(m, d, now);
    }
    c->slice_begin = now;
    c->paid = c->reserved = 0;
}

static void deactivate(struct sched_machine *m, struct sched_entity *e)
{
    e->active = false;
    e->group->active--;
    if (--e->domain->active == 0) {
        m->weight -= e->domain->weight;
    }
}

bool policy_enqueue(struct sched_machine *m, struct sched_entity *e, unsigned where, uint64_t now)
{
    struct sched_domain *d = e->domain;
    struct sched_group *g = where == SCHED_ANY ? &d->common : &d->own[where];

    pass(&g->waiting, SCHED_WEIGHT, now);
    if (e->group != g) {
        if (e->active) {
            deactivate(m, e);
        }
        e->group = g;
        e->node.key = g->waiting.floor;
        if (g->active == 0) {
            set_clock(m, g, floor_at(m, where, now), now);
        }
    }
    if (!e->active) {
        e->active = true;
        g->active++;
        if (d->active++ == 0) {
            pass_common(m, now);
            m->weight += d->weight;
        }
    }
    raise_to(&e->node.key, g->waiting.floor - SCHED_BONUS_NS);
    queue_insert(&g->waiting, &e->node);
    m->pinned += where != SCHED_ANY;
    if (d->cap && !d->refill.queued) {
        budget_update(d, now);
        budget_check(m, d, now);
    }
    if (!d->refill.queued && !g->node.queued) {
        raise_to(&g->node.key, floor_at(m, where, now) - SCHED_BONUS_NS);
        queue_insert(queue_at(m, where), &g->node);
    }
    return g->node.queued;
}

/* Takes a waiting e out of its group's heap, and the group out of its queue when it was the last. */
static void take(struct sched_machine *m, struct sched_entity *e, uint64_t now)
{
    struct sched_group *g = e->group;

    queue_remove(&g->waiting, &e->node, now);
    m->pinned -= g->where != SCHED_ANY;
    if (g->waiting.length == 0) {
        group_leave(m, g, now);
    }
}

void policy_dequeue(struct sched_machine *m, struct sched_entity *e, uint64_t now)
{
    take(m, e, now);
    deactivate(m, e);
}

/* ---- choosing ---- */

/* Whose turn it is on cpu. */
static struct sched_group *first_for(const struct sched_machine *m, unsigned cpu)
{
    struct heap_node *a = m->common.first, *b = m->cpu[cpu].queue.first;

    return group_at(!b || (a && !less(b->key, a->key)) ? a : b);
}

/* A member of the running one's group that comes before it, NULL: none. */
static struct sched_entity *sibling_before(const struct sched_entity *running)
{
    struct sched_entity *e = running->group->node.queued ? entity_at(running->group->waiting.first) : NULL;

    return e && less(e->node.key + SCHED_LEAD_NS, running->node.key) ? e : NULL;
}

bool policy_beats(const struct sched_machine *m, const struct sched_entity *e, unsigned cpu)
{
    const struct sched_cpu *c = &m->cpu[cpu];

    if (!c->running || !c->contended) {
        return true;
    }
    return c->running->group == e->group ? less(e->node.key + SCHED_LEAD_NS, c->running->node.key)
                                         : less(e->group->node.key + SCHED_LEAD_NS, c->start);
}

unsigned policy_victim(struct sched_machine *m, const struct sched_entity *e)
{
    unsigned best = SCHED_ANY;

    for (unsigned cpu = 0; cpu < m->cpus; cpu++) {
        const struct sched_cpu *c = &m->cpu[cpu];

        if (c->running && c->contended && !c->victim && policy_beats(m, e, cpu) &&
            (best == SCHED_ANY || less(m->cpu[best].start, c->start))) {
            best = cpu;
        }
    }
    if (best != SCHED_ANY) {
        m->cpu[best].victim = true;
    }
    return best;
}

unsigned policy_late(struct sched_machine *m)
{
    const struct sched_group *g = group_at(m->common.first);

    if (!g || !less(g->node.key + SCHED_LEAD_NS, m->common.floor)) {
        return SCHED_ANY;
    }
    return policy_victim(m, entity_at(g->waiting.first));
}

/*
 * The running entity goes on for now, until its slice ends; its slice begins if others wait since a moment
 * ago.
 */
static bool stays(struct sched_machine *m, unsigned cpu, uint64_t now)
{
    struct sched_cpu *c = &m->cpu[cpu];
    const struct sched_group *first;

    if (c->slice_end == SCHED_NEVER && (policy_waiting(m, cpu) || c->running->domain->cap)) {
        settle(m, cpu, now);
        begin(m, cpu, true, now);
    }
    if (now >= c->slice_end) {
        return false;
    }
    first = first_for(m, cpu);
    if (!c->contended || !first ||
        (!sibling_before(c->running) && !less(first->node.key + SCHED_LEAD_NS, c->start))) {
        return true;
    }
    if (now - c->since >= m->grain) {
        return false;
    }
    c->slice_end = MIN(c->slice_end, c->since + m->grain);
    c->victim = true; /* as it will be then */
    return true;
}

/* The running entity goes behind a sibling, or its group behind the next, by a slice at most. */
static void give_way(struct sched_machine *m, unsigned cpu, uint64_t now)
{
    struct sched_entity *e = m->cpu[cpu].running;
    struct sched_group *g = e->group;
    const struct sched_group *first = first_for(m, cpu);

    if (g->node.queued) {
        raise_to(&e->node.key, g->waiting.first->key + 1);
    } else if (first && !less(first->node.key, g->node.key)) {
        uint64_t limit = g->node.key + price(g, slice_of(m, g));

        set_clock(m, g, less(first->node.key, limit) ? first->node.key + 1 : limit, now);
    }
}

struct sched_entity *policy_choose(struct sched_machine *m, unsigned cpu, unsigned where, bool yield,
                                   uint64_t now)
{
    struct sched_cpu *c = &m->cpu[cpu];
    struct sched_group *from = NULL;

    c->victim = false;
    if (c->running) {
        bool here = where == SCHED_ANY || where == cpu;
        bool swap = yield || (now < c->slice_end && sibling_before(c->running));

        if (here && !yield && c->running->group->where == where && stays(m, cpu, now)) {
            return c->running;
        }
        settle(m, cpu, now);
        if (where == SCHED_STOPS) {
            deactivate(m, c->running);
        } else {
            if (here && swap && c->running->group->node.queued) {
                from = c->running->group; /* the processor stays with the group */
            }
            if (yield) {
                give_way(m, cpu, now);
            }
            (void)policy_enqueue(m, c->running, where, now);
        }
        c->running = NULL;
        c->contended = false;
    }
    from = from && from->node.queued ? from : first_for(m, cpu);
    if (from) {
        c->running = entity_at(from->waiting.first);
        raise_to(&from->waiting.floor, c->running->node.key);
        take(m, c->running, now);
        c->since = now;
        begin(m, cpu, false, now);
    }
    return c->running;
}

/* ---- setting up ---- */

void policy_init(struct sched_machine *m)
{
    m->grain = SCHED_GRAIN_NS;
}

void policy_init_domain(struct sched_domain *d)
{
    *d = (struct sched_domain){.weight = SCHED_WEIGHT, .common = {.domain = d, .where = SCHED_ANY}};
}

void policy_init_entity(struct sched_entity *e, struct sched_domain *d)
{
    *e = (struct sched_entity){.domain = d};
}

void policy_init_own(struct sched_domain *d, struct sched_group *own, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        own[i].domain = d;
        own[i].where = i;
    }
    d->own = own;
}

void policy_set(struct sched_machine *m, struct sched_domain *d, uint32_t weight, uint32_t cap, uint64_t now)
{
    pass_common(m, now);
    for (unsigned cpu = 0; cpu < m->cpus; cpu++) {
        if (m->cpu[cpu].running && m->cpu[cpu].running->domain == d) {
            settle(m, cpu, now); /* on the old terms */
        }
    }
    if (d->active) {
        m->weight += weight - (uint64_t)d->weight;
    }
    d->weight = weight;
    if (cap != d->cap) {
        d->cap = cap;
        d->budget = budget_full(d);
        d->budget_at = now;
        budget_check(m, d, now);
    }
}

void policy_end_domain(struct sched_machine *m, struct sched_domain *d, uint64_t now)
{
    if (d->refill.queued) {
        queue_remove(&m->parked, &d->refill, now);
    }
}
