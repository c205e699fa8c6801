/* SPDX-License-Identifier: MIT */
/* The child's program: one function that names nothing outside itself, since the parent copies it. */
#include "tests/system/shares/child.h"

static inline __attribute__((always_inline)) uint64_t clock(const struct talk *t)
{
    const volatile struct vcpu_time_info *time = &t->shared->vcpu_info[t->id].time;
    uint32_t version;
    uint64_t ns;

    do {
        uint32_t low, high;
        uint64_t ticks;

        version = time->version;
        __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
        ticks = ((uint64_t)high << 32 | low) - time->tsc_timestamp;
        ticks = time->tsc_shift < 0 ? ticks >> -time->tsc_shift : ticks << time->tsc_shift;
        ns = time->system_time + (uint64_t)((unsigned __int128)ticks * time->tsc_to_system_mul >> 32);
        __asm__ volatile("" ::: "memory");
    } while ((version & 1) || version != time->version);
    return ns;
}

static inline __attribute__((always_inline)) long call(const struct talk *t, unsigned nr, unsigned long a,
                                                       unsigned long b, unsigned long c)
{
    long result = (long)(t->hypercalls + nr * 32ul);

    __asm__ volatile("call *%%rax" : "+a"(result), "+D"(a), "+S"(b), "+d"(c)::"rcx", "r11", "memory");
    return result;
}

/* Not when it was displaced in between. */
static inline __attribute__((always_inline)) void take_sample(struct talk *t)
{
    struct sample *s = &t->sample[t->samples % 2];
    uint64_t before = clock(t);

    call(t, __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, t->id, (unsigned long)&s->state);
    s->at = clock(t);
    if (s->at - before < 20000) {
        t->samples++;
    }
}

__attribute__((section(".text.child"), noinline)) void child_main(struct talk *t)
{
    t->shared->vcpu_info[t->id].evtchn_upcall_mask = 1; /* there is no callback */
    while (t->burst == 0) {
        /* HOG_LOOP instructions a round; at the pause QEMU goes on with the next processor. */
        __asm__ volatile("1:\n\t.rept 997\n\tadd $1, %%rax\n\t.endr\n\tpause\n\tincq %0\n\tjmp 1b"
                         : "+m"(t->loops)::"rax");
    }
    for (;;) {
        uint64_t end = clock(t) + t->sleep, start;

        t->poll.timeout = end;
        call(t, __HYPERVISOR_sched_op, SCHEDOP_poll, (unsigned long)&t->poll, 0);
        start = clock(t);
        if (start > end && start - end > t->late) {
            t->late = start - end;
        }
        t->wakes++;
        take_sample(t);
        while (clock(t) < start + t->burst) {
            for (unsigned i = 0; i < 300; i++) {
                __asm__ volatile("");
            }
            __builtin_ia32_pause();
        }
    }
}
