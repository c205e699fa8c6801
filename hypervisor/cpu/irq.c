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

#define DYNAMIC   (VECTOR_DYNAMIC_LAST - VECTOR_DYNAMIC_FIRST + 1)
#define STOP_SPIN 1000000u

static struct {
    irq_handler fn; /* NULL: free; set last */
    void *data;
    unsigned gsi;
    uint64_t count;
} slot[DYNAMIC];

static bool stopping;    /* machine_stop_others() was called */
static uint32_t stopped; /* processors that obeyed; atomic */
static uint64_t spurious;

int irq_bind(unsigned gsi, irq_handler fn, void *data)
{
    unsigned free = DYNAMIC;

    gsi = gsi < 16 ? ioapic_gsi_of(gsi) : gsi;
    if (!ioapic_has(gsi)) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < DYNAMIC; i++) {
        if (slot[i].fn && slot[i].gsi == gsi) {
            return -EBUSY;
        }
        if (!slot[i].fn && free == DYNAMIC) {
            free = i;
        }
    }
    if (free == DYNAMIC) {
        return -ENOSPC;
    }
    slot[free].data = data;
    slot[free].gsi = gsi;
    __atomic_store_n(&slot[free].fn, fn, __ATOMIC_RELEASE);
    ioapic_route(gsi, (uint8_t)(VECTOR_DYNAMIC_FIRST + free), this_cpu()->apic_id);
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
            log_print(LOG_ERR, "vector 0x%x: interrupt %u, %lu times", VECTOR_DYNAMIC_FIRST + i, slot[i].gsi,
                      slot[i].count);
        }
    }
    log_print(LOG_ERR, "spurious interrupts: %lu", spurious);
}

void irq_init(void)
{
    ioapic_init();
    debug_key_register('i', "interrupts", dump_interrupts);
}
