/* SPDX-License-Identifier: MIT */
/* Vectors: who answers which, and what the fixed ones mean. */
#include "hypervisor/cpu/apic.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/debug_key.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/paging.h"

#define DYNAMIC   (VECTOR_DYNAMIC_LAST - VECTOR_DYNAMIC_FIRST + 1)
#define STOP_SPIN 1000000u
#define NO_GSI    ~0u /* the vector's owner knows */

static struct {
    irq_handler fn; /* NULL: free; set last */
    void *data;
    unsigned gsi;
    uint64_t count;
} slot[DYNAMIC];

static bool stopping;    /* machine_stop_others() was called */
static uint32_t stopped; /* processors that obeyed; atomic */
static uint64_t spurious;

static uint8_t take(irq_handler fn, void *data, unsigned gsi)
{
    for (unsigned i = 0; i < DYNAMIC; i++) {
        if (!slot[i].fn && i != VECTOR_GUEST_INT80 - VECTOR_DYNAMIC_FIRST) {
            slot[i].data = data;
            slot[i].gsi = gsi;
            slot[i].count = 0;
            __atomic_store_n(&slot[i].fn, fn, __ATOMIC_RELEASE);
            return (uint8_t)(VECTOR_DYNAMIC_FIRST + i);
        }
    }
    return 0;
}

uint8_t irq_vector_take(irq_handler fn, void *data)
{
    return take(fn, data, NO_GSI);
}

void irq_vector_free(uint8_t vector)
{
    __atomic_store_n(&slot[vector - VECTOR_DYNAMIC_FIRST].fn, NULL, __ATOMIC_RELEASE);
}

bool irq_is_ours(unsigned gsi)
{
    unsigned i = 0;

    while (i < DYNAMIC && !(slot[i].fn && slot[i].gsi == gsi)) {
        i++;
    }
    return i < DYNAMIC;
}

int irq_bind(unsigned gsi, irq_handler fn, void *data)
{
    uint8_t vector;

    gsi = gsi < 16 ? ioapic_gsi_of(gsi) : gsi;
    if (!ioapic_has(gsi)) {
        return -EINVAL;
    }
    if (irq_is_ours(gsi)) {
        return -EBUSY;
    }
    vector = take(fn, data, gsi);
    if (!vector) {
        return -ENOSPC;
    }
    ioapic_route(gsi, vector, this_cpu()->apic_id);
    return 0;
}

static _Noreturn void stop_here(void)
{
    __atomic_fetch_add(&stopped, 1, __ATOMIC_RELEASE);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

void machine_stop_check(void)
{
    if (read_once(stopping)) {
        stop_here();
    }
}

void machine_stop_others(void)
{
    unsigned others = cpu_count() - 1;

    if (__atomic_exchange_n(&stopping, true, __ATOMIC_ACQ_REL) || !others) {
        return;
    }
    /* Politely first; who keeps interrupts off gets an NMI, and who does not answer that is past helping. */
    apic_send_ipi_all_but_self(VECTOR_STOP);
    for (unsigned i = 0; i < STOP_SPIN && read_once(stopped) < others; i++) {
        cpu_relax();
    }
    if (read_once(stopped) < others) {
        apic_send_nmi_all_but_self();
        for (unsigned i = 0; i < STOP_SPIN && read_once(stopped) < others; i++) {
            cpu_relax();
        }
    }
}

static void dispatch_dynamic(unsigned vector)
{
    unsigned i = vector - VECTOR_DYNAMIC_FIRST;
    irq_handler fn = __atomic_load_n(&slot[i].fn, __ATOMIC_ACQUIRE);

    if (fn) {
        slot[i].count++;
        fn(slot[i].data);
    } else {
        spurious++;
    }
}

void irq_dispatch(unsigned vector)
{
    switch (vector) {
    case VECTOR_TIMER:
        hazard_raise(HAZARD_TIMER);
        break;
    case VECTOR_HAZARD: /* the exit path looks at them anyway */
        break;
    case VECTOR_FLUSH:
        tlb_answer();
        break;
    case VECTOR_STOP:
        machine_stop_check();
        break;
    case VECTOR_DYNAMIC_FIRST ... VECTOR_DYNAMIC_LAST:
        dispatch_dynamic(vector);
        break;
    default:
        /* The APIC's own spurious vector and the PICs' are not in service: nothing to acknowledge. */
        spurious++;
        return;
    }
    apic_eoi();
}

static void dump_interrupts(void)
{
    for (unsigned i = 0; i < DYNAMIC; i++) {
        if (slot[i].fn) {
            log_print(LOG_ERR, "vector 0x%x: %s %d, %lu times", VECTOR_DYNAMIC_FIRST + i,
                      slot[i].gsi == NO_GSI ? "a domain's" : "interrupt", (int)slot[i].gsi, slot[i].count);
        }
    }
    log_print(LOG_ERR, "spurious interrupts: %lu; TLB flushes asked of other processors: %lu", spurious,
              read_once(tlb_requests));
}

void irq_init(void)
{
    ioapic_init();
    debug_key_register('i', "interrupts", dump_interrupts);
}
