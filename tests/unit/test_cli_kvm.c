/* SPDX-License-Identifier: MIT */
/* Whether KVM may be used: a processor with and without virtualization, a device that opens and is no KVM. */
#include "toolstack/lib/kvm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void expect_cpuinfo(const char *content, bool expected)
{
    char path[] = "/tmp/cpuinfo-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    assert_int_equal(cpuinfo_has_virtualization(path), expected);
    unlink(path);
}

static void test_cpuinfo(void **state)
{
    (void)state;
    expect_cpuinfo("processor\t: 0\nflags\t\t: fpu vme vmx sse2\n", true);
    expect_cpuinfo("processor\t: 0\nflags\t\t: fpu svm\n", true);
    expect_cpuinfo("flags\t\t: fpu\n\nflags\t\t: fpu vmx\n", true);
    expect_cpuinfo("processor\t: 0\nflags\t\t: fpu vme sse2\n", false);
    expect_cpuinfo("flags\t\t: fpu svm_lock vmx_x hvmx\n", false);
    expect_cpuinfo("vmx flags\t: vnmi preemption_timer\nmodel name : vmx svm\n", false);
    expect_cpuinfo("", false);
    assert_false(cpuinfo_has_virtualization("/nonexistent/cpuinfo"));
}

static void test_device_is_unusable(void **state)
{
    (void)state;
    assert_non_null(probe_kvm("/nonexistent/kvm"));
    assert_non_null(probe_kvm("/dev/null"));
    assert_non_null(probe_kvm("/dev/zero"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpuinfo),
        cmocka_unit_test(test_device_is_unusable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
