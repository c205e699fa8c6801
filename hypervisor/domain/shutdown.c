/* SPDX-License-Identifier: MIT */
/*
 * The ends that a domain can come to while the host goes on: shutdown, with a reason for the toolstack, and
 * crash, with a dump for people. When the initial domain ends, the machine does.
 */
#include <stdarg.h>

#include "hypervisor/cpu/cpu.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/printf.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"

#define STACK_WORDS     32
#define BACKTRACE_WORDS 512
#define BACKTRACE_DEPTH 16

static const char *reason_name(unsigned reason)
{
    static const char *const name[] = {
        [SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
        [SHUTDOWN_suspend] = "suspend",   [SHUTDOWN_crash] = "crash",
        [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft reset"};

    return reason < ARRAY_SIZE(name) ? name[reason] : "unknown reason";
}

/* Its lines are results that tools read: shown at every log level. */
static _Noreturn void machine_end(struct domain *d, unsigned reason)
{
    if (d->exit_status != ~0u) {
        log_guest(LOG_ERR, d->id, "exit status %u", d->exit_status);
    }
    timeline_print(d);
    log_guest(LOG_ERR, d->id, "the initial domain has ended: %s", reason_name(reason));
    machine_stop_others();
    if (reason == SHUTDOWN_poweroff) {
        machine_power_off();
    }
    machine_reboot();
}

void domain_shutdown(struct domain *d, unsigned reason)
{
    bool first;

    spin_lock(&d->lock);
    first = d->state == DOMAIN_ALIVE || d->state == DOMAIN_BUILDING;
    if (first) {
        d->state = DOMAIN_SHUTDOWN;
        /* SCHEDOP_shutdown_code may have announced another reason. */
        if (d->shutdown_code == ~0u) {
            d->shutdown_code = reason;
        }
        reason = d->shutdown_code;
    }
    spin_unlock(&d->lock);
    if (!first) {
        return;
    }
    if (d == initial_domain) {
        machine_end(d, reason);
    }
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i]) {
            sched_pause(d->vcpu[i], PAUSE_DOMAIN);
        }
    }
    if (initial_domain) {
        event_send_global_virq(initial_domain, VIRQ_DOM_EXC);
    }
}

/* The words at the stack pointer, then those of them, further up too, that look like return addresses. */
static void stack_dump(const struct domain *d, const struct cpu_user_regs *r)
{
    unsigned long sp = r->rsp & ~7ul;
    unsigned long w[4], word;
    unsigned depth = 1;

    /* A stack that has run into its guard page: what led there begins on the page above. */
    if (copy_from_guest(&word, gva(sp), sizeof(word)) != 0) {
        log_err("  stack: %016lx cannot be read: it has overflowed, or rsp is wrong", sp);
        sp = (sp | (PAGE_SIZE - 1)) + 1;
    }
    for (unsigned i = 0; i < STACK_WORDS; i += 4) {
        if (copy_from_guest(w, gva(sp + i * 8), sizeof(w)) != 0) {
            log_err("  stack: %016lx cannot be read", sp + i * 8);
            break;
        }
        log_err("  stack: %016lx: %016lx %016lx %016lx %016lx", sp + i * 8, w[0], w[1], w[2], w[3]);
    }
    log_err("  #0 0x%lx", (unsigned long)r->rip);
    for (unsigned i = 0; i < BACKTRACE_WORDS && depth < BACKTRACE_DEPTH; i++) {
        if (copy_from_guest(&word, gva(sp + i * 8), sizeof(word)) != 0) {
            break;
        }
        if (word >= d->text_start && word < d->text_end) {
            log_err("  #%u 0x%lx", depth++, word);
        }
    }
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
    struct vcpu *v = current_vcpu();
    char why[CORACLE_CRASH_MAX] = ""; /* all of it goes to whoever asks */
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    if (read_once(d->state) != DOMAIN_ALIVE) {
        return;
    }
    spin_lock(&d->lock);
    if (!d->crash[0]) {
        memcpy(d->crash, why, sizeof(why));
    }
    spin_unlock(&d->lock);
    log_guest(LOG_ERR, d->id, "crashed: %s", why);
    if (v->domain == d) {
        log_guest(LOG_ERR, d->id, "vCPU %u on processor %u, %s mode, cr2 %016lx", v->id, this_cpu()->cpu,
                  v->kernel_mode ? "kernel" : "user", v->info ? v->info->arch.cr2 : 0ul);
        registers_dump(&v->ctx->regs);
        stack_dump(d, &v->ctx->regs);
    }
    domain_shutdown(d, SHUTDOWN_crash);
}
