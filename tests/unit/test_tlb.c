/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes between processors: which are asked, and, with a thread for each processor, that nobody ever
 * uses a translation that was given up before a flush. The simulated TLBs keep whatever was walked until
 * CR3 is loaded.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/include/map.h"
#include "hypervisor/include/percpu.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/paging.h"

#define CPUS    4
#define DOMAINS 2
#define PAGES   4 /* of each domain, and of the hypervisor's */
#define ROUNDS  30000

static struct percpu cpu[CPUS];
static struct domain domain[DOMAINS];
static struct vcpu idle_vcpu;
static _Thread_local unsigned me;
static _Thread_local unsigned calls;
static unsigned cpus = 1;
static bool threads;
static unsigned asked[CPUS]; /* flushes of this processor, when there are no threads */

struct percpu *this_cpu(void)
{
    if (threads && ++calls % 32 == 0) {
        (void)sched_yield(); /* others' turn: there may be fewer processors than threads */
    }
    return &cpu[me];
}

struct percpu *percpu_of(unsigned i)
{
    return &cpu[i];
}

unsigned cpu_count(void)
{
    return cpus;
}

/* The interrupt: threads look by themselves. */
void hazard_raise_on(unsigned i, uint32_t bits)
{
    unsigned self = me;

    assert_int_equal(bits, HAZARD_FLUSH);
    if (!threads) {
        asked[i]++;
        me = i;
        tlb_answer();
        me = self;
    }
}

/* ---- page tables and TLBs ---- */

/* Entries are the frame's generation: a frame is used anew in each. 0: not present. Frame = place. */
#define SPACES (DOMAINS + 1) /* the last is the hypervisor's own half */
static uint64_t entry[SPACES][PAGES];
static uint64_t generation[SPACES][PAGES]; /* that may be used now */
static _Thread_local uint64_t cached[SPACES][PAGES];
static _Thread_local unsigned loaded; /* domain, or DOMAINS: the idle tables */
static _Thread_local bool changes;    /* within load() */
static uint64_t wrong, used;          /* atomic */

/* An access: by what the TLB has, or by a walk. */
static void access(unsigned space, unsigned page)
{
    uint64_t *t = &cached[space][page];

    if (!*t) {
        *t = __atomic_load_n(&entry[space][page], __ATOMIC_RELAXED);
    }
    if (*t) {
        __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);
        if (*t != __atomic_load_n(&generation[space][page], __ATOMIC_RELAXED)) {
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        }
    }
}

/* Around the instruction a processor may walk ahead, through the tables before and through the new ones. */
static void ahead(void)
{
    if (threads) {
        (void)this_cpu(); /* a pause, at times */
        for (unsigned page = 0; page < PAGES; page++) {
            access(loaded, page);
        }
        (void)this_cpu();
    }
}

void cr3_write(paddr_t l4)
{
    if (changes) {
        assert_ptr_equal(cpu[me].tables, TABLES_CHANGE);
    }
    ahead();
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* it is serializing */
    memset(cached, 0, sizeof(cached));
    loaded = (unsigned)(l4 >> PAGE_SHIFT);
    ahead();
}

static void load(unsigned d)
{
    changes = true;
    tables_load(d == DOMAINS ? NULL : &domain[d], mfn(d));
    changes = false;
}

/* ---- who is asked ---- */

static void start(unsigned n)
{
    memset(cpu, 0, sizeof(cpu));
    memset(asked, 0, sizeof(asked));
    cpus = n;
    for (unsigned i = 0; i < CPUS; i++) {
        cpu[i].cpu = i;
        cpu[i].idle = cpu[i].current = &idle_vcpu;
        me = i;
        load(DOMAINS);
    }
    me = 0;
    load(0);
}

static void put(unsigned i, unsigned d)
{
    me = i;
    load(d);
    me = 0;
}

static void only_where_they_may_be(void **state)
{
    uint32_t stamp;

    (void)state;
    start(4);
    put(1, 0);
    put(2, 1);
    stamp = tlb_clock;
    tlb_flush_domain(&domain[0]);
    assert_int_equal(asked[1], 1); /* runs it */
    assert_int_equal(asked[2], 0); /* runs another */
    assert_int_equal(asked[3], 0); /* idles */
    tlb_flush_stamp(&domain[0], stamp);
    assert_int_equal(asked[1], 1); /* has flushed since */
    tlb_flush_stamp(NULL, tlb_clock);
    assert_int_equal(asked[1], 2);
    assert_int_equal(asked[2], 1);
    assert_int_equal(asked[3], 0);
    put(1, DOMAINS);
    tlb_flush_domain(&domain[0]);
    assert_int_equal(asked[1], 2);
}

/* One that idles may have what the hypervisor itself unmapped. */
static void own_half(void **state)
{
    (void)state;
    start(2);
    tlb_own_unmapped();
    tlb_flush_domain(&domain[0]);
    assert_int_equal(asked[1], 0);
    tlb_flush_stamp(NULL, tlb_clock);
    assert_int_equal(asked[1], 1);
    tlb_flush_stamp(NULL, tlb_clock);
    assert_int_equal(asked[1], 1); /* nothing since */
}

static void while_they_change(void **state)
{
    (void)state;
    start(2);
    cpu[1].tables = TABLES_CHANGE; /* as if it were about to load CR3, or just had */
    tlb_flush_domain(&domain[0]);
    assert_int_equal(asked[1], 1);
}

/* A scrub by an idle processor waits while it would interrupt one that runs a guest. */
static void disturbs(void **state)
{
    struct vcpu v = {.domain = &domain[0]};

    (void)state;
    start(2);
    assert_false(tlb_flush_disturbs(tlb_clock));
    tlb_own_unmapped();
    assert_false(tlb_flush_disturbs(tlb_clock)); /* it idles */
    put(1, 0);
    cpu[1].current = &v;
    assert_true(tlb_flush_disturbs(tlb_clock));
    assert_false(tlb_flush_disturbs(cpu[1].tlb_stamp - 1));
}

/* The clock's 32 bits run over; each quarter all flush, so that no comparison is ever of half the range. */
static void wrap(void **state)
{
    (void)state;
    start(2);
    put(1, 0);
    tlb_clock = 0xfffffffe;
    tlb_flush_local();
    assert_int_equal(asked[1], 0);
    tlb_flush_local(); /* 0 */
    assert_int_equal(asked[1], 1);
    tlb_flush_stamp(&domain[0], 0xfffffff0);
    assert_int_equal(asked[1], 1);
    tlb_flush_stamp(&domain[0], tlb_clock + 5); /* half the range ago and more: now */
    assert_int_equal(asked[1], 2);
}

/* ---- all at once ---- */

static int changing;      /* atomic: somebody holds the lock of the tables */
static unsigned finished; /* atomic: threads that did their rounds */

static unsigned below(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 16) % n;
}

/* Gives a page up, flushes, and uses its frame anew. */
static void change(unsigned *seed)
{
    unsigned space = below(seed, SPACES), page = below(seed, PAGES);
    uint32_t stamp;

    while (__atomic_exchange_n(&changing, 1, __ATOMIC_SEQ_CST)) {
        tlb_answer();
        (void)sched_yield();
    }
    __atomic_store_n(&entry[space][page], 0, __ATOMIC_RELAXED);
    if (space == DOMAINS) {
        tlb_own_unmapped();
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* a reference goes, by a locked instruction; then its moment */
    stamp = __atomic_load_n(&tlb_clock, __ATOMIC_RELAXED);
    if (below(seed, 2)) {
        (void)sched_yield();
    }
    if (space != DOMAINS && below(seed, 2)) {
        tlb_flush_domain(&domain[space]);
    } else {
        tlb_flush_stamp(space == DOMAINS || below(seed, 2) ? NULL : &domain[space], stamp);
    }
    __atomic_fetch_add(&generation[space][page], 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&entry[space][page], generation[space][page], __ATOMIC_RELAXED);
    __atomic_store_n(&changing, 0, __ATOMIC_SEQ_CST);
}

static void *processor(void *arg)
{
    unsigned seed = 1 + (unsigned)(size_t)arg;

    me = (unsigned)(size_t)arg;
    load(DOMAINS);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned what = below(&seed, 16);

        if (what == 0) {
            load(below(&seed, SPACES));
        } else if (what == 1) {
            change(&seed);
        } else {
            access(loaded == DOMAINS || what == 2 ? DOMAINS : loaded, below(&seed, PAGES));
        }
        if (cpu[me].flush_request) {
            tlb_answer();
        }
    }
    load(DOMAINS);
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < CPUS) {
        tlb_answer();
        (void)sched_yield();
    }
    return NULL;
}

static void nobody_uses_what_is_gone(void **state)
{
    pthread_t thread[CPUS];

    (void)state;
    start(CPUS);
    for (unsigned space = 0; space < SPACES; space++) {
        for (unsigned page = 0; page < PAGES; page++) {
            entry[space][page] = generation[space][page] = 1;
        }
    }
    tlb_requests = 0;
    threads = true;
    for (size_t i = 0; i < CPUS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, processor, (void *)i), 0);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    threads = false;
    print_message("%lu accesses, %lu flushes asked of others\n", (unsigned long)used,
                  (unsigned long)tlb_requests);
    assert_true(used > ROUNDS);
    assert_true(tlb_requests > 0);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_where_they_may_be),
        cmocka_unit_test(own_half),
        cmocka_unit_test(while_they_change),
        cmocka_unit_test(disturbs),
        cmocka_unit_test(wrap),
        cmocka_unit_test(nobody_uses_what_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
