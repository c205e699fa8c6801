/* SPDX-License-Identifier: MIT */
/* The end of the domain, messages, and backtraces; see coracle/shutdown.h. */
#include "coracle/shutdown.h"
#include <stdbool.h>
#include "coracle/console.h"
#include "coracle/init.h"
#include "coracle/mem.h"
#include "libos/core/layout.h"
#include "libos/core/sched.h"
#include "pvboot/hypercall.h"

#define CRASH_STATUS 134 /* what a shell shows for abort() */
#define LINE_MAX     240
#define FRAMES_MAX   32
#define SCAN_WORDS   512

__attribute__((weak)) void cor_posix_exit(void)
{
}

__attribute__((weak)) void cor_devices_exit(void)
{
}

static void log_va(const char *format, va_list args)
{
    static const char start[] = "coracle: ";
    char line[LINE_MAX];
    int length;

    __builtin_memcpy(line, start, sizeof(start));
    length = (int)sizeof(start) - 1;
    length += cor_vformat(line + length, LINE_MAX - (unsigned long)length - 1, format, args);
    length = length < LINE_MAX - 2 ? length : LINE_MAX - 2;
    line[length++] = '\n';
    cor_console_write(line, (size_t)length);
}

void cor_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_va(format, args);
    va_end(args);
}

static struct {
    unsigned reason;
    bool requested;
} how_to_exit = {.reason = SHUTDOWN_poweroff};

void cor_set_exit_reason(unsigned reason)
{
    how_to_exit.reason = reason;
    how_to_exit.requested = true;
}

bool cor_exit_requested(void)
{
    return how_to_exit.requested;
}

static noreturn void shut_down(unsigned reason, int status)
{
    struct sched_shutdown shutdown = {.reason = reason};
    const char *setting = cor_setting("exit");

    hypercall_coracle_op(CORACLE_OP_EXIT_STATUS, (unsigned long)status);
    if (setting && !__builtin_strcmp(setting, "reboot")) {
        cor_log("exit status %d", status);
        shutdown.reason = SHUTDOWN_reboot;
    }
    cor_console_drain();
    for (;;) {
        hypercall_sched_op(SCHEDOP_shutdown, &shutdown);
    }
}

noreturn void cor_exit(int status)
{
    hypercall_coracle_op(CORACLE_OP_MARK, CORACLE_MARK_EXIT);
    cor_posix_exit();
    cor_devices_exit();
    cor_irq_disable();
    shut_down(how_to_exit.reason, status & 255);
}

noreturn void cor_crash(void)
{
    shut_down(SHUTDOWN_crash, CRASH_STATUS);
}

noreturn void cor_panic(const char *format, ...)
{
    unsigned long *frame;
    va_list args;

    va_start(args, format);
    log_va(format, args);
    va_end(args);
    frame = __builtin_frame_address(0); /* the caller's rbp, and where it goes on */
    /* Inside the call: behind it, another function may begin. */
    cor_backtrace(frame[1] - 1, (unsigned long)(frame + 2), frame[0]);
    cor_crash();
}

/* ------------------------------------------------------------------ backtrace */

static __attribute__((format(printf, 1, 2))) void print_line(const char *format, ...)
{
    char line[64];
    va_list args;
    int length;

    va_start(args, format);
    length = cor_vformat(line, sizeof(line), format, args);
    va_end(args);
    cor_console_write(line, (size_t)length);
}

static bool in_text(unsigned long address)
{
    return address > (unsigned long)__text_start && address < (unsigned long)__text_end;
}

/* May two words at address be read? Only the stack of the current thread and the boot stack are looked at. */
static bool on_stack(unsigned long address)
{
    const struct cor_thread *thread = cor_cpus[0].self ? cor_current() : NULL;
    unsigned long boot = (unsigned long)boot_stack;

    if (address % 8) {
        return false;
    }
    if (address >= boot && address + 16 <= (unsigned long)boot_stack_end) {
        return true;
    }
    return thread && address >= (unsigned long)thread->stack &&
           address + 16 <= (unsigned long)thread->stack + thread->stack_size;
}

void cor_backtrace(unsigned long rip, unsigned long rsp, unsigned long rbp)
{
    int count = 0;
    unsigned long last = rsp;

    print_line("  #%d 0x%lx\n", count++, rip);
    while (count < FRAMES_MAX && rbp >= last && on_stack(rbp)) {
        unsigned long *frame = (unsigned long *)rbp;
        if (!in_text(frame[1])) {
            break;
        }
        print_line("  #%d 0x%lx\n", count++, frame[1]);
        last = rbp + 16;
        rbp = frame[0];
    }
    /* Code without frame pointers ends the chain early: what looks like a return address further up is shown
     * too. */
    for (unsigned i = 0; i < SCAN_WORDS && count < FRAMES_MAX && on_stack(last); i++, last += 8) {
        unsigned long word = *(unsigned long *)last;
        if (in_text(word)) {
            print_line("  #%d 0x%lx ?\n", count++, word);
        }
    }
}
