/* SPDX-License-Identifier: MIT */
/* Domain configurations as JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "toolstack/control/config_json.h"

static struct domain_config config;
static struct domain_error error;

static bool read(const char *text)
{
    cJSON *json = cJSON_Parse(text);
    bool good;

    assert_non_null(json);
    memset(&error, 0, sizeof(error));
    good = config_from_json(json, &config, &error);
    cJSON_Delete(json);
    return good;
}

static void everything_is_taken_over(void **state)
{
    static const uint8_t uuid[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                     0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};

    (void)state;
    assert_true(read("{\"name\":\"web\",\"uuid\":\"01234567-89AB-cdef-fedc-ba9876543210\",\"kernel\":\"k\","
                     "\"ramdisk\":\"r\",\"cmdline\":\"-- a b\",\"memory_kib\":4096,\"maxmem_kib\":8192,"
                     "\"vcpus\":2,\"maxvcpus\":4,\"cpus\":\"0-1\",\"cpu_weight\":512,\"cap\":50,"
                     "\"on_poweroff\":\"preserve\",\"on_reboot\":\"destroy\",\"on_crash\":\"restart\","
                     "\"on_watchdog\":\"preserve\",\"paused\":true,\"vif\":[\"mac=a\",\"\"],\"disk\":[]}"));
    assert_string_equal(config.name, "web");
    assert_memory_equal(config.uuid, uuid, 16);
    assert_string_equal(config.kernel, "k");
    assert_string_equal(config.ramdisk, "r");
    assert_string_equal(config.cmdline, "-- a b");
    assert_int_equal(config.memory_kib, 4096);
    assert_int_equal(config.max_memory_kib, 8192);
    assert_int_equal(config.vcpus, 2);
    assert_int_equal(config.max_vcpus, 4);
    assert_string_equal(config.cpus, "0-1");
    assert_int_equal(config.weight, 512);
    assert_int_equal(config.cap, 50);
    assert_int_equal(config.on_poweroff, ACTION_PRESERVE);
    assert_int_equal(config.on_reboot, ACTION_DESTROY);
    assert_int_equal(config.on_crash, ACTION_RESTART);
    assert_int_equal(config.on_watchdog, ACTION_PRESERVE);
    assert_true(config.paused);
    assert_int_equal(config.nr_vifs, 2);
    assert_string_equal(config.vifs[0].text, "mac=a");
    assert_int_equal(config.nr_disks, 0);
    domain_config_free(&config);
}

static void what_is_missing_has_xls_defaults(void **state)
{
    (void)state;
    assert_true(read("{\"name\":\"a\",\"kernel\":\"k\"}"));
    assert_int_equal(config.on_poweroff, ACTION_DESTROY);
    assert_int_equal(config.on_reboot, ACTION_RESTART);
    assert_int_equal(config.on_crash, ACTION_DESTROY);
    assert_null(config.ramdisk);
    assert_false(config.paused);
    domain_config_free(&config);
}

static void wrong_members_are_named(void **state)
{
    static const struct {
        const char *json, *text;
    } wrong[] = {
        {"[]", "expected a domain's configuration as a JSON object, found a list"},
        {"{\"name\":\"a\"}", "kernel: missing in the configuration"},
        {"{\"kernel\":\"a\"}", "name: missing in the configuration"},
        {"{\"name\":1,\"kernel\":\"k\"}", "name: expected a string, found a number"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"color\":1}",
         "color: no such member of a domain's configuration"},
        {"{\"name\":\"a\",\"name\":\"b\",\"kernel\":\"k\"}", "name: given twice"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"memory_kib\":0}",
         "memory_kib: expected a whole number from 1 to 4398046511104, found another number"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"memory_kib\":-5}",
         "memory_kib: expected a whole number from 1 to 4398046511104, found another number"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"memory_kib\":1e300}",
         "memory_kib: expected a whole number from 1 to 4398046511104, found another number"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"vcpus\":1.5}",
         "vcpus: expected a whole number from 1 to 2147483647, found another number"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"vcpus\":\"1\"}",
         "vcpus: expected a whole number from 1 to 2147483647, found a string"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"on_crash\":\"explode\"}",
         "on_crash: expected destroy, restart or preserve, found explode"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"paused\":1}", "paused: expected true or false, found a number"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"vif\":[\"x\",1]}",
         "vif: expected a list of strings, found a number in it"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"uuid\":\"0123\"}",
         "uuid: expected 32 hexadecimal digits, found 0123"},
        {"{\"name\":\"a\",\"kernel\":\"k\",\"uuid\":\"0123456789abcdef0123456789abcdef0\"}",
         "uuid: expected 32 hexadecimal digits, found 0123456789abcdef0123456789abcdef0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(read(wrong[i].json));
        assert_string_equal(error.text, wrong[i].text);
        assert_int_equal(error.error, -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_taken_over),
        cmocka_unit_test(what_is_missing_has_xls_defaults),
        cmocka_unit_test(wrong_members_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
