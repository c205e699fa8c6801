/* SPDX-License-Identifier: MIT */
/* From the first instruction to the last line: set-up, the loop over the cases, verdicts. */
#include <stdarg.h>
#include "tests/abi/lib/test.h"
#include "tests/abi/lib/internal.h"

start_info_t *start_info;
const char *test_args;

static unsigned checks, failures;
static const char *case_name = "";

/* "CASE/NAME" into a buffer. */
static const char *full_name(char *buffer, size_t size, const char *fmt, va_list args)
{
    size_t n = strlen(case_name);

    memcpy(buffer, case_name, n);
    buffer[n++] = '/';
    format(buffer + n, size - n, fmt, args);
    return buffer;
}

#define WITH_NAME(fmt)                                                                                       \
    char name[160];                                                                                          \
    va_list args;                                                                                            \
    va_start(args, fmt);                                                                                     \
    full_name(name, sizeof(name), fmt, args);                                                                \
    va_end(args)

bool check(bool good, const char *fmt, ...)
{
    WITH_NAME(fmt);
    checks++;
    failures += !good;
    print(good ? "ok %s\n" : "not ok %s: got false want true\n", name);
    return good;
}

bool check_eq(long got, long want, const char *fmt, ...)
{
    WITH_NAME(fmt);
    checks++;
    if (got == want) {
        print("ok %s\n", name);
    } else {
        failures++;
        print("not ok %s: got %ld (%lx) want %ld (%lx)\n", name, got, got, want, want);
    }
    return got == want;
}

void observe(long value, const char *fmt, ...)
{
    WITH_NAME(fmt);
    if (value > -4096 && value < 4096) {
        print("observe %s = %ld\n", name, value);
    } else {
        print("observe %s = 0x%lx\n", name, value);
    }
}

void observe_text(const char *text, const char *fmt, ...)
{
    WITH_NAME(fmt);
    print("observe %s = \"%s\"\n", name, text);
}

void dying(const char *fmt, ...)
{
    WITH_NAME(fmt);
    print("dying %s\n", name);
}

void survived(void)
{
    check(false, "death");
    finish();
}

void finish(void)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_reboot};

    print("done: %u checks, %u failed\n", checks, failures);
    hcall(sched_op, SCHEDOP_shutdown, &s);
    for (;;) {
        hcall(sched_op, SCHEDOP_yield);
    }
}

static void run_case(const struct test_case *c)
{
    struct trap t;

    case_name = c->name;
    t = PROBE(c->run());
    if (t.vector != NO_TRAP) {
        check(false, "unexpected trap %ld", t.vector);
        print("# at %lx, error %lx, cr2 %lx, rsp %lx\n", t.regs.rip, t.error, t.cr2, t.regs.rsp);
    }
    events_off();
}

/* The first word of the command line selects a case. */
static bool named(const char *name, const char *line)
{
    size_t n = strlen(name);

    return strncmp(name, line, n) == 0 && (line[n] == 0 || line[n] == ' ');
}

static void main_on_own_stack(void *arg)
{
    const char *line = arg;
    const struct test_case *c;
    bool any = false;

    install_traps();
    for (c = test_cases; c->name != NULL; c++) {
        if (named(c->name, line)) {
            test_args = line + strlen(c->name);
            test_args += *test_args == ' ';
            run_case(c);
            finish();
        }
    }
    test_args = line;
    for (c = test_cases; c->name != NULL; c++) {
        if (!c->alone && line[0] == 0) {
            any = true;
            run_case(c);
        }
    }
    if (!any) {
        print("not ok no case is named '%s'\n", line);
    }
    finish();
}

void guest_start(start_info_t *si)
{
    start_info = si;
    update_va((unsigned long)shared(), si->shared_info | PTE_RW, UVMF_INVLPG);
    run_on_stack(vcpu_prepare(0), main_on_own_stack, si->cmd_line);
}
