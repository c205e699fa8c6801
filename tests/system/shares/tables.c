/* SPDX-License-Identifier: MIT */
/*
 * What changes of a page's type ask of other processors: a page is written, made a page table and given back,
 * ROUNDS times, while the other processors idle or run. Arguments: "ROUNDS ", "s " if another vCPU of this
 * domain's runs meanwhile, and groups of domains as for `measure`. Debug key i prints the number of flushes
 * before and after. tests/system/test_flushes.py judges.
 */
#include "tests/system/shares/child.h"

static volatile bool over;

static void spin(void *arg)
{
    (void)arg;
    while (!over) {
        for (unsigned i = 0; i < 300; i++) { /* as the hogs: see test_shares.py */
            __asm__ volatile("");
        }
        __builtin_ia32_pause();
    }
    vcpu_stop();
}

/* Has the hypervisor print its counters. */
static void print_counters(void)
{
    struct xen_sysctl op;
    char key = 'i';

    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_debug_keys;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    set_xen_guest_handle(op.u.debug_keys.keys, &key);
    op.u.debug_keys.nr_keys = 1;
    check_eq(hcall(sysctl, &op), 0, "debug key");
}

static long round_of(uint64_t *page, unsigned n)
{
    unsigned long va = (unsigned long)page;
    long error;

    page[n % 512] = 0;
    error = update_va(va, make_pte(page, PTE_RO), UVMF_INVLPG);
    error = error ? error : mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(page), 0);
    error = error ? error : mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(page), 0);
    return error ? error : update_va(va, make_pte(page, PTE_RW), UVMF_INVLPG);
}

void tables_case(void)
{
    const char *p = test_args;
    unsigned rounds = number(&p), done = 0;
    uint64_t *page = page_alloc();

    p += *p == ' ';
    if (*p == 's') {
        check_eq(vcpu_start(1, spin, NULL), 0, "another vCPU");
        p += p[1] == ' ' ? 2 : 1;
    }
    if (!domains_start(p)) {
        return;
    }
    sleep_until(now() + 10000000);
    print_counters();
    while (done < rounds && round_of(page, done) == 0) {
        done++;
    }
    print_counters();
    check_eq(done, rounds, "rounds");
    over = true;
}
