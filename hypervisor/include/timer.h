/* SPDX-License-Identifier: MIT */
/*
 * Timers. Each processor has a queue (an intrusive heap: no allocation, no limit); its local APIC is
 * programmed for the earliest. Expired timers run on the exit path, interrupts off, by timer_run() after
 * HAZARD_TIMER.
 */
#ifndef HYPERVISOR_TIMER_H
#define HYPERVISOR_TIMER_H

#include "hypervisor/include/pairing_heap.h"

#define TIMER_MAX (~0ull >> 1) /* 292 years */

struct timer {
    struct heap_node node; /* key: system time, ns, at most TIMER_MAX */
    void (*fn)(
        void *data); /* runs once for each timer_set(), on the queue's processor; may set its timer again */
    void *data;
    unsigned cpu; /* queue it is in */
};

/* Prepares a timer that is not queued. */
void timer_init(struct timer *t, void (*fn)(void *data), void *data);
/*
 * (Re)arms t on this processor for `expires` (ns of system time; the past means at once). The caller sees to
 * it that no other processor sets the same timer at the same time. Takes LOCK_TIMER.
 */
void timer_set(struct timer *t, uint64_t expires);
/*
 * Disarms t wherever it is queued. After return fn does not start any more, and if it was running on another
 * processor it has returned: the caller holds no lock that fn takes. fn itself may stop or set its timer.
 * Takes LOCK_TIMER.
 */
void timer_stop(struct timer *t);
/* Runs what expired on this processor and programs the hardware for the next. Called on the exit path and
 * when idle. */
void timer_run(void);

struct percpu;
/* The boot processor's queue; once, when its clock works. */
void timers_init(void);
/* A queue for a processor that is about to start. 0 or -ENOMEM. */
int timer_create_queue(struct percpu *cpu);

#endif
