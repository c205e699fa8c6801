/* SPDX-License-Identifier: MIT */
/* Names, values, policies and images: what the control domain decides without a hypervisor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include "pvboot/abi.h"
#include <xen/sched.h>
#include "toolstack/control/image.h"
#include "toolstack/control/names.h"
#include "toolstack/control/policy.h"

static void domain_names(void **state)
{
    char longest[DOMAIN_NAME_MAX + 2];

    (void)state;
    assert_true(domain_name_valid("web"));
    assert_true(domain_name_valid("Web-1.example:a_b"));
    assert_true(domain_name_valid("1a"));
    assert_false(domain_name_valid(""));
    assert_false(domain_name_valid("12"));
    assert_false(domain_name_valid("-x"));
    assert_false(domain_name_valid(".."));
    assert_false(domain_name_valid("a/b"));
    assert_false(domain_name_valid("a b"));
    assert_false(domain_name_valid("a\n"));
    assert_false(domain_name_valid("\xc3\xa4"));
    memset(longest, 'a', sizeof(longest));
    longest[DOMAIN_NAME_MAX] = 0;
    assert_true(domain_name_valid(longest));
    longest[DOMAIN_NAME_MAX] = 'a';
    longest[DOMAIN_NAME_MAX + 1] = 0;
    assert_false(domain_name_valid(longest));
}

static void image_names(void **state)
{
    (void)state;
    assert_true(image_name_valid("sha256:0123abcd"));
    assert_true(image_name_valid("app+1.0"));
    assert_false(image_name_valid(""));
    assert_false(image_name_valid("../etc"));
    assert_false(image_name_valid(".hidden"));
    assert_false(image_name_valid("a/b"));
}

static int parse(const char *text, unsigned cpus, unsigned *bits)
{
    uint8_t map[CPUS_MAX / 8] = {0};
    int result = cpus_parse(text, cpus, map);

    *bits = map[0] | (unsigned)map[1] << 8;
    return result;
}

static void processors(void **state)
{
    static const struct {
        const char *text;
        int result;
        unsigned bits;
    } cases[] = {
        {"0", 0, 0x001},      {"0-3", 0, 0x00f},     {"1,3,5", 0, 0x02a},
        {"0-3,^1", 0, 0x00d}, {"all", 0, 0x3ff},     {"all,^0", 0, 0x3fe},
        {"^0", 0, 0x3fe},     {" 2 , 4 ", 0, 0x014}, {"^1-2", 0, 0x3f9},
        {"9", 0, 0x200},      {"10", -ERANGE, 0},    {"0-10", -ERANGE, 0},
        {"0,^0", -ERANGE, 0}, {"", -EINVAL, 0},      {"x", -EINVAL, 0},
        {"3-1", -EINVAL, 0},  {"1-", -EINVAL, 0},    {"1,", -EINVAL, 0},
        {"1 2", -EINVAL, 0},  {"-1", -EINVAL, 0},    {"99999999999", -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned bits;

        assert_int_equal(parse(cases[i].text, 10, &bits), cases[i].result);
        if (cases[i].result == 0) {
            assert_int_equal(bits, cases[i].bits);
        }
    }
}

/* Refused, with a message that names what is wrong. */
static void refused(const struct domain_config *bad, const char *word)
{
    struct domain_error error = {0};

    assert_int_equal(domain_config_check(bad, &error), -EINVAL);
    assert_int_equal(error.error, -EINVAL);
    assert_non_null(strstr(error.text, word));
}

/* The good configuration with one value changed. */
#define REFUSED(member, value, word)                                                                         \
    do {                                                                                                     \
        struct domain_config bad = good;                                                                     \
        bad.member = (value);                                                                                \
        refused(&bad, word);                                                                                 \
    } while (0)

static void configurations(void **state)
{
    struct domain_config good = {.name = (char *)"a", .kernel = (char *)"k", .memory_kib = 4096};
    struct domain_error error;

    (void)state;
    assert_int_equal(domain_config_check(&good, &error), 0);
    REFUSED(name, NULL, "name");
    REFUSED(name, (char *)"a b", "a b");
    REFUSED(kernel, NULL, "kernel");
    REFUSED(kernel, (char *)"a/b", "a/b");
    REFUSED(ramdisk, (char *)"", "ramdisk");
    REFUSED(memory_kib, 0, "memory");
    REFUSED(memory_kib, 4097, "4097");
    REFUSED(memory_kib, UINT64_MAX - 3, "memory");
    REFUSED(max_memory_kib, 4092, "maxmem");
    REFUSED(vcpus, 129, "vcpus");
    REFUSED(max_vcpus, 129, "vcpus");
    good.max_vcpus = 2;
    REFUSED(vcpus, 3, "3 of 2");
    REFUSED(cap, 201, "cap");
    REFUSED(weight, 65536, "cpu_weight");
    REFUSED(cpus, (char *)"1-", "cpus");
    good.cap = 200;
    good.weight = 65535;
    good.cpus = (char *)"all,^0";
    good.max_memory_kib = 4096;
    assert_int_equal(domain_config_check(&good, &error), 0);
}

static void copies(void **state)
{
    struct domain_device disks[] = {{(char *)"phy:a,xvda,w"}, {(char *)"file:b,xvdb,r"}};
    struct domain_config from = {.name = (char *)"a",
                                 .kernel = (char *)"k",
                                 .cpus = (char *)"0",
                                 .disks = disks,
                                 .nr_disks = 2,
                                 .memory_kib = 8},
                         to;

    (void)state;
    assert_true(domain_config_copy(&to, &from));
    assert_string_equal(to.name, "a");
    assert_ptr_not_equal(to.name, from.name);
    assert_null(to.ramdisk);
    assert_int_equal(to.nr_disks, 2);
    assert_string_equal(to.disks[1].text, "file:b,xvdb,r");
    assert_int_equal(to.memory_kib, 8);
    domain_config_free(&to);
    assert_null(to.name);
}

static void policies(void **state)
{
    const struct domain_config config = {.on_poweroff = ACTION_PRESERVE,
                                         .on_reboot = ACTION_RESTART,
                                         .on_crash = ACTION_DESTROY,
                                         .on_watchdog = ACTION_RESTART};

    (void)state;
    assert_int_equal(policy_action(&config, SHUTDOWN_poweroff), ACTION_PRESERVE);
    assert_int_equal(policy_action(&config, SHUTDOWN_reboot), ACTION_RESTART);
    assert_int_equal(policy_action(&config, SHUTDOWN_crash), ACTION_DESTROY);
    assert_int_equal(policy_action(&config, SHUTDOWN_watchdog), ACTION_RESTART);
    assert_int_equal(policy_action(&config, SHUTDOWN_suspend), ACTION_PRESERVE);
    assert_int_equal(policy_action(&config, SHUTDOWN_soft_reset), ACTION_DESTROY);
    assert_int_equal(policy_action(&config, 77), ACTION_DESTROY);
}

static void storms(void **state)
{
    unsigned quick = 0;

    (void)state;
    for (unsigned i = 1; i < POLICY_QUICK_LIMIT; i++) {
        assert_false(policy_storm(&quick, POLICY_QUICK_NS - 1));
    }
    assert_false(policy_storm(&quick, POLICY_QUICK_NS)); /* one that lasted: counted anew */
    for (unsigned i = 1; i < POLICY_QUICK_LIMIT; i++) {
        assert_false(policy_storm(&quick, 0));
    }
    assert_true(policy_storm(&quick, 0));
}

static void images(void **state)
{
    char *data = malloc(4);
    struct image *image;

    (void)state;
    assert_null(image_next(NULL));
    assert_int_equal(image_add_static("m", "static", 6), 0);
    assert_int_equal(image_add("z", data, 4), 0);
    assert_int_equal(image_add_static("a", "first", 5), 0);
    assert_int_equal(image_add("m", data, 4), -EEXIST); /* and data stays ours, which is the image z's */
    assert_int_equal(image_add_static("a b", "x", 1), -EINVAL);
    assert_string_equal(image_next(NULL)->name, "a");
    assert_string_equal(image_next(image_next(NULL))->name, "m");
    assert_null(image_next(image_find("z")));
    image = image_find("m");
    assert_int_equal(image->size, 6);
    image->users++;
    assert_int_equal(image_remove("m"), -EBUSY);
    image->users--;
    assert_int_equal(image_remove("m"), 0);
    assert_int_equal(image_remove("m"), -ENOENT);
    assert_null(image_find("m"));
    assert_int_equal(image_remove("z"), 0);
    assert_int_equal(image_remove("a"), 0);
    assert_null(image_next(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domain_names),   cmocka_unit_test(image_names), cmocka_unit_test(processors),
        cmocka_unit_test(configurations), cmocka_unit_test(copies),      cmocka_unit_test(policies),
        cmocka_unit_test(storms),         cmocka_unit_test(images),
    };

    return cmocka_run_group_tests_name("domain_config", tests, NULL, NULL);
}
