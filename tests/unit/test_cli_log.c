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
    return log;
}

#define LOG(...) read_log((const char *const[]){__VA_ARGS__, NULL})

static void test_coracle_exit(void **state)
{
    struct machine_log log;

    (void)state;
    log = LOG("(coracle) booting", "(coracle) d0: exit status 3", "(coracle) d0: shutdown: poweroff");
    assert_true(log.has_status);
    assert_int_equal(log.status, 3);
    assert_int_equal(log.end, END_SHUTDOWN);
    assert_false(log.trouble);
    log = LOG("(coracle) d0: shutdown: reboot");
    assert_false(log.has_status);
    assert_int_equal(log.end, END_SHUTDOWN);
}

static void test_coracle_trouble(void **state)
{
    (void)state;
    assert_int_equal(LOG("(coracle) d0: exit status 134", "(coracle) d0: shutdown: crash").end, END_CRASH);
    assert_int_equal(LOG("(coracle) d0: crashed: page fault").end, END_CRASH);
    assert_int_equal(LOG("(coracle) d0: shutdown: watchdog").end, END_CRASH);
    assert_int_equal(LOG("(coracle) panic: something").end, END_FAULT);
    assert_int_equal(LOG("(coracle) panic: something", "(coracle) d0: shutdown: poweroff").end, END_FAULT);
    assert_true(LOG("(coracle) panic: something").trouble);
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
    assert_int_equal(log.end, END_FAULT);
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
    struct symbol_files files = {.guest = path};
    size_t size = 0;
    FILE *out = open_memstream(&output, &size);

    (void)state;
    snprintf(line, sizeof(line), " #0 0x%" PRIx64, address);
    print_symbolized(&files, line, out);
    print_symbolized(&files, " #1 0x1", out);
    print_symbolized(&files, "no frame", out);
    fclose(out);
    assert_non_null(strstr(output, "landmark at test_cli_log.c:"));
    assert_non_null(strstr(output, "\n #1 0x1\nno frame\n"));
    free(output);
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
        cmocka_unit_test(test_coracle_exit), cmocka_unit_test(test_coracle_trouble),
        cmocka_unit_test(test_xen_ends),     cmocka_unit_test(test_frames),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_last_backtrace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
