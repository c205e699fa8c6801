/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include "hypervisor/include/assert.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/console.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/printf.h"
#include "hypervisor/include/string.h"

#define PREFIX        "(coracle) "
#define LINE_MAX      256
#define GUEST_BURST   256        /* lines about guests that may come at once */
#define GUEST_REFILL  50000000ul /* ns until one more may */
#define DUMP_WORDS    32
#define TRACE_ENTRIES 16

/* Room for guest lines: a bucket that fills with time. Races only make it a little generous. */
static uint64_t guest_filled;
static uint32_t guest_used, guest_dropped;

/* "(coracle) " + more + text + LF; longer lines are cut. Returns the length. */
static size_t format_line(char *line, const char *more, const char *fmt, va_list args)
{
    int n = snprintf(line, LINE_MAX, PREFIX "%s", more);

    n += vsnprintf(line + n, LINE_MAX - 1 - (size_t)n, fmt, args);
    n = MIN(n, LINE_MAX - 2);
    line[n] = '\n';
    return (size_t)n + 1;
}

static void __attribute__((format(printf, 2, 0))) print_line(const char *more, const char *fmt, va_list args)
{
    char line[LINE_MAX];

    console_write_line(line, format_line(line, more, fmt, args));
}

void log_print(enum log_level level, const char *fmt, ...)
{
    va_list args;

    if ((int)level > options.loglvl) {
        return;
    }
    va_start(args, fmt);
    print_line("", fmt, args);
    va_end(args);
}

/* Takes room for one more line, if there is any. */
static bool guest_room(void)
{
    uint64_t now = clock_now(), refill = (now - guest_filled) / GUEST_REFILL;

    if (refill) {
        guest_used -= (uint32_t)MIN((uint64_t)guest_used, refill);
        guest_filled = now;
    }
    if (guest_used >= GUEST_BURST) {
        guest_dropped++;
        return false;
    }
    guest_used++;
    if (guest_dropped) {
        log_print(LOG_ERR, "%u lines about guests were dropped", guest_dropped);
        guest_dropped = 0;
    }
    return true;
}

void log_guest(enum log_level level, unsigned domid, const char *fmt, ...)
{
    char more[16];
    va_list args;

    if ((int)level > options.guest_loglvl || !guest_room()) {
        return;
    }
    snprintf(more, sizeof(more), "d%u: ", domid);
    va_start(args, fmt);
    print_line(more, fmt, args);
    va_end(args);
}

static void __attribute__((format(printf, 1, 2))) emergency(const char *fmt, ...)
{
    char line[LINE_MAX];
    va_list args;

    va_start(args, fmt);
    console_emergency(line, format_line(line, "", fmt, args));
    va_end(args);
}

/* The words above sp on its stack, then those that may be return addresses. */
static void dump_stack(unsigned long sp)
{
    unsigned long end = ALIGN_DOWN(sp, PERCPU_SIZE) + PERCPU_SIZE, *word = (unsigned long *)ALIGN_UP(sp, 8);
    unsigned in_block = (unsigned)((sp - ALIGN_DOWN(sp, PERCPU_SIZE)) / PAGE_SIZE), found = 0;
    char line[TRACE_ENTRIES * 17 + 1];
    int n = 0;

    if (in_block < PERCPU_STACK_PAGE) {
        /* Exception stacks are a page each, with guards between. */
        end = ALIGN_UP(sp + 1, PAGE_SIZE);
    }
    for (unsigned i = 0; i < DUMP_WORDS && (unsigned long)(word + i + 4) <= end; i += 4) {
        emergency("stack %016lx: %016lx %016lx %016lx %016lx", (unsigned long)(word + i), word[i],
                  word[i + 1], word[i + 2], word[i + 3]);
    }
    for (; (unsigned long)(word + 1) <= end && found < TRACE_ENTRIES; word++) {
        if (*word >= (unsigned long)__text_start && *word < (unsigned long)__text_end) {
            n += snprintf(line + n, sizeof(line) - (size_t)n, " %lx", *word);
            if (++found % 4 == 0) {
                emergency("trace%s", line);
                n = 0;
            }
        }
    }
    if (n) {
        emergency("trace%s", line);
    }
}

void panic(const char *fmt, ...)
{
    static uint32_t entered;
    char line[LINE_MAX];
    va_list args;

    __asm__ volatile("cli");
    if (__atomic_fetch_add(&entered, 1, __ATOMIC_ACQ_REL) == 0) {
        machine_stop_others();
        va_start(args, fmt);
        console_emergency(line, format_line(line, "PANIC: ", fmt, args));
        va_end(args);
        emergency("processor %u, called from %p", this_cpu()->cpu, __builtin_return_address(0));
        dump_stack((unsigned long)__builtin_frame_address(0));
        if (!options.noreboot) {
            machine_reboot();
        }
        emergency("halted (option noreboot)");
    }
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
