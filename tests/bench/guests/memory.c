/* SPDX-License-Identifier: MIT */
/* Giving a page back to the hypervisor, and asking for one. */
#include "tests/bench/guests/bench.h"

static struct xen_memory_reservation one_page(xen_pfn_t *frame)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frame);
    return r;
}

void bench_memory(void)
{
    void *page = page_alloc();
    unsigned long pfn = va_to_pfn(page);
    xen_pfn_t frame = va_to_mfn(page);
    struct xen_memory_reservation r;

    MUST(update_va((unsigned long)page, 0, UVMF_INVLPG));
    MEASURE_PREPARED("decrease-reservation", 1, r = one_page(&frame),
                     hcall(memory_op, XENMEM_decrease_reservation, &r), frame = pfn;
                     r = one_page(&frame); MUST(hcall(memory_op, XENMEM_populate_physmap, &r) - 1));
    MEASURE_PREPARED("populate-physmap", 1, r = one_page(&frame);
                     MUST(hcall(memory_op, XENMEM_decrease_reservation, &r) - 1); frame = pfn;
                     r = one_page(&frame), hcall(memory_op, XENMEM_populate_physmap, &r), );
    p2m()[pfn] = frame;
    MUST(set_writable(page));
}
