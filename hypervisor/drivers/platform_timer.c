/* SPDX-License-Identifier: MIT */
#include "hypervisor/drivers/platform_timer.h"
#include "hypervisor/cpu/clock_math.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/ioport.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"

#define HPET_PERIOD     0x04 /* femtoseconds */
#define HPET_CONFIG     0x10
#define HPET_COUNTER    0xf0
#define HPET_ENABLE     1u
#define HPET_LEGACY     2u
#define HPET_MAX_PERIOD 100000000u

#define PM_TIMER_HZ 3579545ul

#define PIT_CHANNEL_2  0x42
#define PIT_COMMAND    0x43
#define PIT_MODE_0     0xb0 /* channel 2, both bytes, interrupt on terminal count */
#define PIT_PORT_B     0x61
#define PORT_B_GATE    0x01
#define PORT_B_SPEAKER 0x02
#define PORT_B_OUT     0x20
#define PIT_COUNT      11932u /* at 1193182 Hz: PIT_WAIT_NS */

static volatile uint32_t *hpet; /* used if not NULL, else the PM timer */
static uint32_t mask;           /* bits that count; 0: no timer */
static uint64_t ns_per_tick;    /* << 32 */
static uint64_t total;          /* ticks, extended to 64 bits; atomic */

static uint32_t counter(void)
{
    return hpet ? hpet[HPET_COUNTER / 4] : inl(acpi.pm_timer) & mask;
}

static bool hpet_start(void)
{
    volatile uint32_t *registers = acpi.hpet ? map_mmio(acpi.hpet, PAGE_SIZE) : NULL;
    uint32_t period = registers ? registers[HPET_PERIOD / 4] : 0;

    if (!period || period > HPET_MAX_PERIOD) {
        return false;
    }
    registers[HPET_CONFIG / 4] = (registers[HPET_CONFIG / 4] & ~HPET_LEGACY) | HPET_ENABLE;
    hpet = registers;
    mask = ~0u;
    ns_per_tick = ((uint64_t)period << 32) / 1000000u;
    return true;
}

/* Does it count at all? Virtual machines and boards may describe what is not there. */
static bool counts(void)
{
    uint32_t first = counter();

    for (unsigned i = 0; i < 1000; i++) {
        if (counter() != first) {
            return true;
        }
    }
    return false;
}

void platform_timer_init(void)
{
    if (!hpet_start() || !counts()) {
        hpet = NULL;
        mask = 0;
        if (acpi.pm_timer) {
            mask = acpi.pm_timer_32 ? ~0u : 0xffffffu;
            ns_per_tick = (1000000000ul << 32) / PM_TIMER_HZ;
            mask = counts() ? mask : 0;
        }
    }
    total = mask ? counter() : 0;
    log_debug("clock: reference: %s", mask ? platform_timer_name() : "none but the PIT");
}

const char *platform_timer_name(void)
{
    return !mask ? NULL : hpet ? "HPET" : "PM timer";
}

uint64_t platform_timer_now(void)
{
    uint64_t before = __atomic_load_n(&total, __ATOMIC_ACQUIRE), now;
    uint32_t ahead;

    /* `total` may be ahead of our counter's value when another processor was quicker: then the difference is
     * near the top. */
    do {
        ahead = (counter() - (uint32_t)before) & mask;
        now = ahead <= mask / 2 ? before + ahead : before;
    } while (now > before &&
             !__atomic_compare_exchange_n(&total, &before, now, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return clock_scale(now, ns_per_tick);
}

uint64_t platform_timer_window(void)
{
    return hpet ? 4000000 : 10000000;
}

void pit_start(void)
{
    uint8_t port_b = inb(PIT_PORT_B) & (uint8_t) ~(PORT_B_GATE | PORT_B_SPEAKER);

    outb(PIT_PORT_B, port_b);
    outb(PIT_COMMAND, PIT_MODE_0);
    outb(PIT_CHANNEL_2, PIT_COUNT & 0xff);
    outb(PIT_CHANNEL_2, PIT_COUNT >> 8);
    outb(PIT_PORT_B, port_b | PORT_B_GATE);
}

bool pit_done(void)
{
    return inb(PIT_PORT_B) & PORT_B_OUT;
}
