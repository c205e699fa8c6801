/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/include/boot.h"
#include "hypervisor/include/log.h"

static char lines[4096];
static struct options defaults;

void log_print(enum log_level level, const char *fmt, ...)
{
    size_t n = strlen(lines);
    va_list args;
    (void)level;

    va_start(args, fmt);
    n += (size_t)vsnprintf(lines + n, sizeof(lines) - n, fmt, args);
    va_end(args);
    snprintf(lines + n, sizeof(lines) - n, "\n");
}

static void parse(const char *cmdline)
{
    char *copy = strdup(cmdline); /* ASan sees a read beyond it */

    options = defaults;
    lines[0] = 0;
    options_parse(copy);
    free(copy);
}

static int keep_defaults(void **state)
{
    (void)state;
    defaults = options;
    return 0;
}

static void good_values(void **state)
{
    (void)state;
    parse("  com1=9600,7e1 com2=38400,8n1,0x3e8,5 console=com2  guest_console=com1,raw dom0_mem=64M "
          "maxcpus=4\tnosmp "
          "noreboot=no dom0_max_vcpus=2 loglvl=all guest_loglvl=none/debug");
    assert_string_equal(lines, "");
    assert_string_equal(options.com1, "9600,7e1");
    assert_string_equal(options.com2, "38400,8n1,0x3e8,5");
    assert_string_equal(options.console, "com2");
    assert_string_equal(options.guest_console, "com1,raw");
    assert_int_equal(options.dom0_mem, 64ul << 20);
    assert_int_equal(options.maxcpus, 4);
    assert_int_equal(options.dom0_max_vcpus, 2);
    assert_true(options.nosmp);
    assert_false(options.noreboot);
    assert_int_equal(options.loglvl, LOG_DEBUG);
    assert_int_equal(options.guest_loglvl, -1);
}

/* Names that Xen knows are taken, with a line that says what there is; others are not. */
static void schedulers(void **state)
{
    static const char *const names[] = {"credit", "credit2", "arinc653", "rtds", "null"};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        char line[32];

        snprintf(line, sizeof(line), "sched=%s", names[i]);
        parse(line);
        assert_non_null(strstr(lines, "one scheduler, with weights and caps"));
        assert_null(strstr(lines, "ignored"));
    }
    parse("sched=fifo");
    assert_non_null(strstr(lines, "option sched: expected credit2, credit, arinc653, rtds or null, "
                                  "found 'fifo': ignored"));
    parse("sched");
    assert_non_null(strstr(lines, "ignored"));
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
    } cases[] = {
        {"dom0_mem=1024", 1ul << 20},   {"dom0_mem=4096b", 4096},        {"dom0_mem=16k", 16384},
        {"dom0_mem=2g", 2ul << 30},     {"dom0_mem=1T", 1ul << 40},      {"dom0_mem=0x10M", 16ul << 20},
        {"dom0_mem=max:32M", 32 << 20}, {"dom0_mem=min:1M,8M", 8 << 20}, {"dom0_mem=8M,max:16M", 16 << 20}};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        parse(cases[i].text);
        assert_string_equal(lines, "");
        assert_int_equal(options.dom0_mem, cases[i].size);
    }
}

static void bad_values_are_named_and_change_nothing(void **state)
{
    static const char *const cases[] = {"dom0_mem=",
                                        "dom0_mem",
                                        "dom0_mem=64Q",
                                        "dom0_mem=64MB",
                                        "dom0_mem=0",
                                        "dom0_mem=-1",
                                        "dom0_mem=M",
                                        "dom0_mem=99999999999999999999",
                                        "dom0_mem=99999999999T",
                                        "maxcpus=x",
                                        "maxcpus=70000",
                                        "noreboot=maybe",
                                        "loglvl=loud",
                                        "loglvl",
                                        "console=a-name-that-is-too-long",
                                        "dom0_mem=12345678901234567890123456789012345M"};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        parse(cases[i]);
        assert_non_null(strstr(lines, "expected"));
        assert_non_null(strstr(lines, "found"));
        assert_memory_equal(&options, &defaults, sizeof(options));
    }
}

static void unknown_options_are_named(void **state)
{
    (void)state;
    parse("foo=1 dom0_mem=1M bar");
    assert_non_null(strstr(lines, "'foo'"));
    assert_non_null(strstr(lines, "'bar'"));
    assert_non_null(strstr(lines, "hypervisor/README.md"));
    assert_int_equal(options.dom0_mem, 1 << 20);
}

static void two_dashes_end_them(void **state)
{
    (void)state;
    parse("dom0_mem=1M -- dom0_mem=2M foo");
    assert_int_equal(options.dom0_mem, 1 << 20);
    assert_string_equal(lines, "");
}

static void long_words_are_passed_over(void **state)
{
    char text[400];
    (void)state;

    memset(text, 'a', sizeof(text));
    strcpy(text + 300, " dom0_mem=1M");
    parse(text);
    assert_non_null(strstr(lines, "expected at most 127 bytes, found 300"));
    assert_int_equal(options.dom0_mem, 1 << 20);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    srand(4);
    for (unsigned n = 0; n < 20000; n++) {
        char text[64];
        static const char alphabet[] = "dom0_mem=,:kMG 9x-max=loglvl/\xff\t";
        size_t length = (size_t)rand() % sizeof(text);

        for (size_t i = 0; i < length; i++) {
            text[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        }
        text[length ? length - 1 : 0] = 0;
        parse(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values),
        cmocka_unit_test(schedulers),
        cmocka_unit_test(sizes),
        cmocka_unit_test(bad_values_are_named_and_change_nothing),
        cmocka_unit_test(unknown_options_are_named),
        cmocka_unit_test(two_dashes_end_them),
        cmocka_unit_test(long_words_are_passed_over),
        cmocka_unit_test(random_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, keep_defaults, NULL);
}
