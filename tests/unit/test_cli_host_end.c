/* SPDX-License-Identifier: MIT */
/* What a host's lines say of its end, and what is left to read. */
#include "toolstack/lib/host_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct host_place place;

static int make_place(void **state)
{
    (void)state;
    strcpy(place.name, "h");
    strcpy(place.directory, "/tmp/coracle-host-end-XXXXXX");
    return mkdtemp(place.directory) == NULL;
}

static int remove_place(void **state)
{
    (void)state;
    host_end_forget(&place);
    return rmdir(place.directory);
}

/* All of end.log, "" when there is none; the caller frees it. */
static char *content(void)
{
    char *path = host_file(&place, "end.log"), *text = calloc(1, 65536);
    FILE *file = fopen(path, "r");

    assert_non_null(text);
    if (file != NULL) {
        assert_true(fread(text, 1, 65535, file) > 0);
        fclose(file);
    }
    free(path);
    return text;
}

/* What is left when the machine has said that. */
static char *left_by(const char *said)
{
    struct host_end end = {0};
    struct symbol_files none = {0};

    host_end_forget(&place);
    /* However it is cut into pieces. */
    for (size_t at = 0, n = 1; said[at] != '\0'; at += n, n = n % 7 + 1) {
        n = strnlen(said + at, n);
        host_end_read(&end, said + at, n);
    }
    host_end_write(&end, &place, &none, "QEMU was ended by signal 9");
    return content();
}

static void expect(const char *said, const char *left)
{
    char *text = left_by(said), *reason = host_end_reason(&place);

    assert_string_equal(text, left);
    assert_int_equal(reason != NULL, left[0] != '\0');
    if (reason != NULL)
        assert_true(strncmp(left, reason, strlen(reason)) == 0 && left[strlen(reason)] == '\n');
    free(reason);
    free(text);
}

#define SHUT(how) "(coracle) d0: the initial domain has ended: " how "\r\n"

static void test_in_order(void **state)
{
    (void)state;
    expect("control: hello\r\n(coracle) d0: exit status 0\r\n" SHUT("poweroff"), "");
    expect("(coracle) d3: crashed: page fault\n(coracle)   #0 0x400000\n(coracle) d3: exit status 134\n" SHUT(
               "reboot"),
           "");
    /* A program may print anything. */
    expect("coracle: message\n  #0 0x400000\n" SHUT("poweroff"), "");
}

static void test_crash_of_the_control_domain(void **state)
{
    (void)state;
    expect("before\ncoracle: odd\ncoracle: page fault reading address 0x10: unmapped\r\ncoracle: rip "
           "0x400000 rsp 0x1\r\n"
           "coracle: rax 0000\r\n  #0 0x400000\r\n  #1 0x400010 ?\r\n(coracle) d0: exit status 134\r\n"
           "(coracle) timeline: end tsc=1 waited=1\r\n" SHUT("crash"),
           "its control domain crashed: page fault reading address 0x10: unmapped\n"
           "coracle: page fault reading address 0x10: unmapped\ncoracle: rip 0x400000 rsp 0x1\ncoracle: rax "
           "0000\n"
           "  #0 0x400000\n  #1 0x400010 ?\n(coracle) d0: exit status 134\n"
           "(coracle) d0: the initial domain has ended: crash\n");
    expect(
        "coracle: all is well\n(coracle) d0: crashed: no stack\n(coracle)   rip 1\n(coracle)   #0 0x1\n" SHUT(
            "crash"),
        "its control domain crashed: no stack\n(coracle) d0: crashed: no stack\n(coracle)   rip 1\n(coracle) "
        "  #0 0x1\n"
        "(coracle) d0: the initial domain has ended: crash\n");
}

static void test_other_ends(void **state)
{
    (void)state;
    expect("control: the link cannot start\n(coracle) d0: exit status 1\n" SHUT("poweroff"),
           "its control domain ended with status 1\ncontrol: the link cannot start\n(coracle) d0: exit "
           "status 1\n"
           "(coracle) d0: the initial domain has ended: poweroff\n");
    expect("(coracle) d0: exit status 0\n" SHUT("watchdog"),
           "its control domain ended: watchdog\n(coracle) d0: exit status 0\n"
           "(coracle) d0: the initial domain has ended: watchdog\n");
    /* The first fault is the one. */
    expect("one\n(coracle) hypervisor fault: vector 14\n(coracle) PANIC: stopped\n(coracle) trace 1 2\n",
           "its hypervisor failed: hypervisor fault: vector 14\n(coracle) hypervisor fault: vector 14\n"
           "(coracle) PANIC: stopped\n(coracle) trace 1 2\n");
    expect("one\ntwo", "QEMU was ended by signal 9\none\ntwo\n");
    expect("", "QEMU was ended by signal 9\n");
}

/* Bounded, whatever comes: the last lines, and of each the beginning; nothing that a terminal acts on. */
static void test_bounds(void **state)
{
    size_t lines = HOST_END_LINES * 3, each = HOST_END_LINE * 2;
    char *said = malloc(lines * (each + 1) + 1), *text, *at = said;
    unsigned count = 0;

    (void)state;
    assert_non_null(said);
    for (size_t i = 0; i < lines; i++, at += each + 1) {
        memset(at, 'x', each);
        memcpy(at, i == 0 ? "(coracle) PANIC: \x1b" : "more", i == 0 ? 18 : 4);
        at[each] = '\n';
    }
    *at = '\0';
    text = left_by(said);
    assert_true(strncmp(text, "its hypervisor failed: PANIC: .xxx", 34) == 0);
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1, count++)
        assert_true(strcspn(line, "\n") < HOST_END_LINE + 64);
    assert_int_equal(count, HOST_END_LINES + 1);
    free(text);
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_crash_of_the_control_domain),
        cmocka_unit_test(test_other_ends),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
