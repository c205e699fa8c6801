/* SPDX-License-Identifier: MIT */
/* What the hypervisor's lines mean, and backtraces with names. */
#include "toolstack/lib/machine_log.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* A function of this program that addr2line can find. It must not be static, or it may vanish. */
void landmark(void);

void landmark(void)
{
}

/* What a log makes of the lines. */
static struct machine_log read_log(const char *const *lines)
{
    struct machine_log log = {0};

    for (; *lines != NULL; lines++)
        machine_log_line(&log, *lines);
    machine_log_free(&log);
    return log;
}

#define LOG(...) read_log((const char *const[]){__VA_ARGS__, NULL})

static void test_coracle_exit(void **state)
{
    struct machine_log log;

    (void)state;
    log = LOG("(coracle) booting", "(coracle) d0: exit status 3",
              "(coracle) d0: the initial domain has ended: poweroff");
    assert_true(log.has_status);
    assert_int_equal(log.status, 3);
    assert_int_equal(log.end, END_SHUTDOWN);
    assert_false(log.trouble);
    log = LOG("(coracle) d0: the initial domain has ended: reboot");
    assert_false(log.has_status);
    assert_int_equal(log.end, END_SHUTDOWN);
}

/* On a host the program is domain 1, and without domain 0 there is none. */
static void test_host(void **state)
{
    struct machine_log log = {.host = true};

    (void)state;
    machine_log_line(&log, "(coracle) d1: exit status 3");
    machine_log_line(&log, "(coracle) d1: shutdown: poweroff");
    machine_log_line(&log, "(coracle) d0: the initial domain has ended: poweroff");
    assert_int_equal(log.end, END_UNKNOWN);
    assert_false(log.trouble);
    machine_log_line(&log, "(coracle) d1: crashed: page fault");
    assert_int_equal(log.end, END_CRASH);
    assert_true(log.trouble);
    machine_log_line(&log, "(coracle) d0: crashed: page fault");
    assert_int_equal(log.end, END_FAULT);
    machine_log_free(&log);
    log = (struct machine_log){.host = true};
    machine_log_line(&log, "(coracle) PANIC: not enough memory for the initial domain");
    assert_int_equal(log.end, END_REFUSED);
    machine_log_free(&log);
    log = (struct machine_log){.host = true};
    machine_log_line(&log, "(coracle) d0: exit status 134");
    machine_log_line(&log, "(coracle) d0: the initial domain has ended: crash");
    assert_int_equal(log.end, END_FAULT);
    machine_log_free(&log);
}

static void test_coracle_trouble(void **state)
{
    (void)state;
    assert_int_equal(
        LOG("(coracle) d0: exit status 134", "(coracle) d0: the initial domain has ended: crash").end,
        END_CRASH);
    assert_int_equal(LOG("(coracle) d0: crashed: page fault").end, END_CRASH);
    assert_int_equal(LOG("(coracle) d0: the initial domain has ended: watchdog").end, END_CRASH);
    assert_int_equal(LOG("(coracle) PANIC: something").end, END_FAULT);
    assert_int_equal(
        LOG("(coracle) PANIC: something", "(coracle) d0: the initial domain has ended: poweroff").end,
        END_FAULT);
    assert_true(LOG("(coracle) PANIC: something").trouble);
    assert_int_equal(LOG("(coracle) PANIC: the initial domain cannot be built: no").end, END_REFUSED);
}

static void test_xen_ends(void **state)
{
    struct machine_log log;

    (void)state;
    log = LOG("(XEN) Hardware Dom0 halted: halting machine");
    assert_int_equal(log.end, END_SHUTDOWN);
    assert_true(log.over);
    log = LOG("(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.");
    assert_int_equal(log.end, END_CRASH);
    assert_true(log.over);
    assert_int_equal(LOG("(XEN) Hardware Dom0 shutdown: rebooting machine").end, END_SHUTDOWN);
    log = LOG("(XEN) Panic on CPU 0:", "(XEN) Could not construct domain 0");
    assert_int_equal(log.end, END_REFUSED);
}

/* What goes to stderr while fn runs, as a string that the caller frees. */
static char *capture_stderr(void (*fn)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    char *text = calloc(1, 64 * 1024);

    assert_true(file != NULL && text != NULL && saved >= 0);
    fflush(stderr);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    fn();
    fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    assert_true(pread(fileno(file), text, 64 * 1024 - 1, 0) >= 0);
    fclose(file);
    return text;
}

static void log_until_trouble(void)
{
    struct machine_log log = {0};
    char line[32];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof(line), "(coracle) line %u", i);
        machine_log_line(&log, line);
    }
    machine_log_line(&log, "(coracle) d0: crashed");
    machine_log_line(&log, "(coracle) timeline: not asked for");
    machine_log_line(&log, "(coracle) d0: rip 1");
    machine_log_free(&log);
}

static void log_until_silence(void)
{
    struct machine_log log = {.show_timeline = true};

    machine_log_line(&log, "(coracle) one");
    machine_log_line(&log, "(coracle) timeline: early tsc=1 waited=1");
    machine_log_line(&log, "(coracle) clock: TSC 2000 kHz, APIC timer 1 kHz");
    machine_log_line(&log, "(coracle) timeline: guest_entry tsc=5000 waited=1000");
    machine_log_line(&log, "(coracle) two");
    machine_log_show_kept(&log, LOG_KEPT);
    machine_log_show_kept(&log, LOG_KEPT);
    machine_log_free(&log);
}

static void test_what_is_shown(void **state)
{
    char *text = capture_stderr(log_until_trouble);

    (void)state;
    assert_null(strstr(text, "line 91\n"));
    assert_non_null(strstr(text, "(coracle) line 92\n"));
    assert_non_null(strstr(text, "(coracle) line 99\n(coracle) d0: crashed\n(coracle) d0: rip 1\n"));
    free(text);
    text = capture_stderr(log_until_silence);
    assert_string_equal(text,
                        "(coracle) timeline: early tsc=1 waited=1\n"
                        "boot timeline            since start   of it waiting for clocks\n"
                        "  guest entry                2.50 ms       0.50 ms\n"
                        "(coracle) one\n(coracle) clock: TSC 2000 kHz, APIC timer 1 kHz\n(coracle) two\n");
    free(text);
}

static void expect_frame(const char *line, bool found, uint64_t expected, bool expected_first)
{
    uint64_t address = 0;
    bool is_first = false;

    assert_int_equal(find_frame(line, &address, &is_first), found);
    assert_int_equal(address, expected);
    assert_int_equal(is_first, expected_first);
}

static void test_frames(void **state)
{
    (void)state;
    expect_frame(" #0 0x401000", true, 0x401000, true);
    expect_frame("(coracle) d0:   #12 0xffff82000020abcd ?", true, 0xffff82000020abcd, false);
    expect_frame("#1  0x10", true, 0x10, false);
    expect_frame("(XEN) RIP:    e033:[<0000000000401106>]", true, 0x401106, true);
    expect_frame("# 0x10", false, 0, false);
    expect_frame("#1 10", false, 0, false);
    expect_frame("#1 0x", false, 0, false);
    expect_frame("#PF #3 0x44", true, 0x44, false);
    expect_frame("", false, 0, false);
}

/* The program's own file and the link-time address of landmark. */
static uint64_t own_address(char path[256])
{
    char command[320], output[64] = "";
    FILE *nm;
    ssize_t length = readlink("/proc/self/exe", path, 255);

    assert_true(length > 0);
    path[length] = '\0';
    snprintf(command, sizeof(command), "nm '%s' | grep ' T landmark$'", path);
    nm = popen(command, "r");
    assert_non_null(nm);
    assert_non_null(fgets(output, sizeof(output), nm));
    pclose(nm);
    return strtoull(output, NULL, 16);
}

static void test_names(void **state)
{
    char path[256], line[64], *output = NULL;
    uint64_t address = own_address(path);
    struct symbol_files files = {.guest = path, .hypervisor = path};
    char trace[96];
    size_t size = 0;
    FILE *out = open_memstream(&output, &size);

    (void)state;
    snprintf(line, sizeof(line), " #0 0x%" PRIx64, address);
    print_symbolized(&files, line, out);
    print_symbolized(&files, " #1 0x1", out);
    print_symbolized(&files, "no frame", out);
    snprintf(trace, sizeof(trace), "(coracle) trace %" PRIx64 " 1", address + 1);
    print_symbolized(&files, trace, out);
    fclose(out);
    assert_non_null(strstr(output, "landmark at test_cli_log.c:"));
    assert_non_null(strstr(output, "\n #1 0x1\nno frame\n"));
    assert_non_null(strstr(strstr(output, "(coracle) trace"), "landmark at"));
    assert_non_null(strstr(output, "(coracle) trace 0x1"));
    free(output);
}

static struct machine_log host_log;
static char host_line[64];

static void domain_falls(void)
{
    machine_log_line(&host_log, "(coracle) d1: crashed: page fault");
    machine_log_line(&host_log, host_line);
}

static void control_falls(void)
{
    machine_log_line(&host_log, host_line + strlen("(coracle)"));
    machine_log_line(&host_log, "(coracle) d0: the initial domain has ended: crash");
}

static void control_crashes(void)
{
    machine_log_line(&host_log, "(coracle) d0: crashed: page fault");
    machine_log_line(&host_log, host_line);
}

/* On a host, an address is the domain's or the control domain's, which are linked to the same place. */
static void test_names_on_a_host(void **state)
{
    static void (*const ends[])(void) = {domain_falls, control_falls, control_crashes};
    char path[256];
    uint64_t address = own_address(path);

    (void)state;
    snprintf(host_line, sizeof(host_line), "(coracle)   #0 0x%" PRIx64, address);
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        for (unsigned known = 0; known < 2; known++) {
            bool has_name = i == 0 ? known == 0 : known == 1;
            char *text;

            host_log = (struct machine_log){
                .host = true, .symbols.guest = known == 0 ? path : NULL, .control = known == 1 ? path : NULL};
            text = capture_stderr(ends[i]);
            assert_int_equal(strstr(text, "landmark at") != NULL, has_name);
            free(text);
            machine_log_free(&host_log);
        }
    }
}

static void test_last_backtrace(void **state)
{
    static const char text[] =
        "out\0put\n #0 0x1\n #1 0x2\nmore\ncoracle: died\n #0 0x3\r\n \x1b[2J#1 0x4\nend #9";
    struct symbol_files files = {0};
    char *output = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&output, &size);

    (void)state;
    print_last_backtrace(&files, text, sizeof(text) - 1, out);
    print_last_backtrace(&files, "nothing", 7, out);
    print_last_backtrace(&files, "", 0, out);
    fclose(out);
    assert_string_equal(output, "coracle: backtrace:\n #0 0x3\n .[2J#1 0x4\n");
    free(output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coracle_exit),    cmocka_unit_test(test_host),
        cmocka_unit_test(test_coracle_trouble), cmocka_unit_test(test_xen_ends),
        cmocka_unit_test(test_frames),          cmocka_unit_test(test_names),
        cmocka_unit_test(test_last_backtrace),  cmocka_unit_test(test_what_is_shown),
        cmocka_unit_test(test_names_on_a_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
