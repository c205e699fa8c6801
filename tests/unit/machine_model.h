/* SPDX-License-Identifier: MIT */
/*
 * A model of machine memory for tests of the builder: frames scattered in runs of random length, full of
 * garbage. Mappings are granted in pieces, one at a time, as copies of exactly their size.
 */
#ifndef TESTS_UNIT_MACHINE_MODEL_H
#define TESTS_UNIT_MACHINE_MODEL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "elf_writer.h"
#include "pvboot/build.h"

#define GARBAGE   0xa5
#define MFN_BASE  0x1234500ull
#define MAX_PAGES 8192u

static uint64_t seed; /* of everything random in the test */

/* The machine: page i of memory is frame MFN_BASE + i. */
static struct machine {
    uint64_t nr_pages;
    uint8_t *memory;
    uint64_t mfn[MAX_PAGES]; /* of each pfn */
    uint64_t pfn[MAX_PAGES]; /* of frame MFN_BASE + i */
    void *open;              /* the one open mapping */
    uint64_t open_pfn, open_count;
    uint64_t fail_after; /* maps that succeed before one fails */
    uint64_t calls;      /* of mfn and map */
} m;

static inline uint8_t *frame(uint64_t mfn)
{
    assert_true(mfn >= MFN_BASE && mfn - MFN_BASE < m.nr_pages);
    return m.memory + (mfn - MFN_BASE) * PVBOOT_PAGE_SIZE;
}

/* Frames in runs of random length, the runs in random order. */
static inline void machine_init(uint64_t nr_pages)
{
    static uint64_t start[MAX_PAGES], length[MAX_PAGES];
    uint64_t nr_runs = 0, pfn = 0;

    memset(&m, 0, sizeof(m));
    m.nr_pages = nr_pages;
    m.memory = malloc(nr_pages * PVBOOT_PAGE_SIZE);
    memset(m.memory, GARBAGE, nr_pages * PVBOOT_PAGE_SIZE);
    m.fail_after = UINT64_MAX;
    for (uint64_t at = 0; at < nr_pages; at += length[nr_runs++]) {
        start[nr_runs] = at;
        length[nr_runs] = 1 + test_random(&seed) % 700;
        if (length[nr_runs] > nr_pages - at)
            length[nr_runs] = nr_pages - at;
    }
    while (nr_runs) {
        uint64_t pick = test_random(&seed) % nr_runs;

        for (uint64_t i = 0; i < length[pick]; i++, pfn++) {
            m.mfn[pfn] = MFN_BASE + start[pick] + i;
            m.pfn[start[pick] + i] = pfn;
        }
        nr_runs--;
        start[pick] = start[nr_runs];
        length[pick] = length[nr_runs];
    }
}

static inline uint64_t op_mfn(void *user, uint64_t pfn, uint64_t *run)
{
    struct machine *machine = user;

    assert_true(pfn < machine->nr_pages);
    machine->calls++;
    for (*run = 1; pfn + *run < machine->nr_pages && machine->mfn[pfn + *run] == machine->mfn[pfn] + *run;)
        ++*run;
    return machine->mfn[pfn];
}

/* Grants a copy of its own, so that ASan sees each byte that is written beyond it. */
static inline void *op_map(void *user, uint64_t pfn, uint64_t *count)
{
    struct machine *machine = user;

    assert_null(machine->open);
    assert_true(*count >= 1 && pfn < machine->nr_pages && *count <= machine->nr_pages - pfn);
    machine->calls++;
    if (*count == 0 || machine->fail_after-- == 0)
        return NULL;
    *count = 1 + test_random(&seed) % *count;
    machine->open = malloc(*count * PVBOOT_PAGE_SIZE);
    machine->open_pfn = pfn;
    machine->open_count = *count;
    for (uint64_t i = 0; i < *count; i++)
        memcpy((uint8_t *)machine->open + i * PVBOOT_PAGE_SIZE, frame(machine->mfn[pfn + i]),
               PVBOOT_PAGE_SIZE);
    return machine->open;
}

static inline void op_unmap(void *user, void *va, uint64_t count)
{
    struct machine *machine = user;

    assert_ptr_equal(va, machine->open);
    assert_int_equal(count, machine->open_count);
    for (uint64_t i = 0; i < count; i++)
        memcpy(frame(machine->mfn[machine->open_pfn + i]), (uint8_t *)va + i * PVBOOT_PAGE_SIZE,
               PVBOOT_PAGE_SIZE);
    free(va);
    machine->open = NULL;
}

static const struct pvboot_ops ops = {.mfn = op_mfn, .map = op_map, .unmap = op_unmap};

#endif
