/* SPDX-License-Identifier: MIT */
/* xl.cfg to the API's Config: names, values, lists, and what must be refused with its line. */
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/xl_cfg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define REPORTS_MAX 4096

static char reports[REPORTS_MAX];

/* Keeps what would go to stderr. */
void report(const char *format, ...)
{
    size_t length = strlen(reports);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reports + length, REPORTS_MAX - length, format, arguments);
    va_end(arguments);
    strncat(reports, "\n", REPORTS_MAX - strlen(reports) - 1);
}

static char path[] = "/tmp/test-xl-cfg-XXXXXX";

/* What the text is translated to; reports holds what was said. */
static cJSON *translate(const char *text)
{
    int fd;

    strcpy(path + strlen(path) - 6, "XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    reports[0] = '\0';
    cJSON *config = xl_cfg_read(path);

    unlink(path);
    return config;
}

/* The text is refused, and the reason names this line and has this part. */
static void assert_refused(const char *text, unsigned line, const char *part)
{
    char place[64];

    assert_null(translate(text));
    snprintf(place, sizeof(place), "%s:%u:", path, line);
    if (strstr(reports, place) == NULL || strstr(reports, part) == NULL)
        fail_msg("expected '%s' and '%s' in: %s", place, part, reports);
}

#define NEEDED "name = 'a'\nkernel = 'k.elf'\n"

static void everything(void **state)
{
    cJSON *config = translate("# a comment, with 'quotes\n"
                              "name = \"web\" ; kernel='/boot/web.elf'\n"
                              "ramdisk = 'root.tar'\n"
                              "memory = 24\nmaxmem=32\nvcpus = 2\nmaxvcpus=\"4\"\n"
                              "cpus = '0-3,^1'\ncpu_weight = 512\ncap = 150\n"
                              "uuid = '00010203-0405-0607-0809-0a0b0c0d0e0f'\n"
                              "on_poweroff='preserve'\non_reboot='restart'\non_crash='destroy'\n"
                              "on_watchdog='restart'\n"
                              "type='pv'\nbuilder='linux'\n"
                              "vif = [ 'bridge=a',\n 'mac=00:16:3e:00:00:01' ]\n"
                              "disk = ['file:/x,xvda,w']\n"
                              "root='/dev/xvda ro'\nextra='console=hvc0 quiet'\n");
    const cJSON *list;

    (void)state;
    assert_non_null(config);
    assert_string_equal(reports, "");
    assert_string_equal(json_text(config, "name", ""), "web");
    assert_string_equal(json_text(config, "kernel", ""), "/boot/web.elf");
    assert_string_equal(json_text(config, "ramdisk", ""), "root.tar");
    assert_int_equal(json_number(config, "memory_kib"), 24 * 1024);
    assert_int_equal(json_number(config, "maxmem_kib"), 32 * 1024);
    assert_int_equal(json_number(config, "vcpus"), 2);
    assert_int_equal(json_number(config, "maxvcpus"), 4);
    assert_string_equal(json_text(config, "cpus", ""), "0-3,^1");
    assert_int_equal(json_number(config, "cpu_weight"), 512);
    assert_int_equal(json_number(config, "cap"), 150);
    assert_string_equal(json_text(config, "uuid", ""), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    assert_string_equal(json_text(config, "on_poweroff", ""), "preserve");
    assert_string_equal(json_text(config, "on_watchdog", ""), "restart");
    assert_string_equal(json_text(config, "cmdline", ""), "root=/dev/xvda ro console=hvc0 quiet");
    list = cJSON_GetObjectItem(config, "vif");
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_string_equal(cJSON_GetArrayItem(list, 1)->valuestring, "mac=00:16:3e:00:00:01");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(config, "disk")), 1);
    assert_false(cJSON_HasObjectItem(config, "type"));
    assert_false(cJSON_HasObjectItem(config, "extra"));
    cJSON_Delete(config);
}

static void absent_keys_stay_absent(void **state)
{
    cJSON *config = translate(NEEDED);

    (void)state;
    assert_non_null(config);
    assert_int_equal(cJSON_GetArraySize(config), 2);
    cJSON_Delete(config);
}

static void unknown_keys_are_named_with_their_line(void **state)
{
    cJSON *config = translate(NEEDED "vif = ['bridge = x',\n'# no comment']\n"
                                     "usb = 1; sdl=0\nextra=\"a \\\" b = 1; c\"\nvnc += ['x']");
    char expected[256];

    (void)state;
    assert_non_null(config);
    snprintf(expected, sizeof(expected),
             "%s:5: 'usb' is not known here and has no effect\n"
             "%s:5: 'sdl' is not known here and has no effect\n"
             "%s:7: 'vnc' is not known here and has no effect\n",
             path, path, path);
    assert_string_equal(reports, expected);
    cJSON_Delete(config);
}

static void actions_of_xl_are_mapped_with_a_word(void **state)
{
    cJSON *config = translate(NEEDED "on_crash='coredump-restart'\non_reboot='rename-restart'\n");

    (void)state;
    assert_non_null(config);
    assert_string_equal(json_text(config, "on_crash", ""), "restart");
    assert_string_equal(json_text(config, "on_reboot", ""), "restart");
    assert_non_null(strstr(reports, ":3: on_crash='coredump-restart' is not supported; taken as 'restart'"));
    assert_non_null(strstr(reports, ":4: on_reboot='rename-restart' is not supported; taken as 'restart'"));
    cJSON_Delete(config);
}

static void cmdline_wins_over_root_and_extra(void **state)
{
    cJSON *config = translate(NEEDED "cmdline='one'\nextra='two'\n");

    (void)state;
    assert_non_null(config);
    assert_string_equal(json_text(config, "cmdline", ""), "one");
    assert_non_null(strstr(reports, "root and extra have no effect"));
    cJSON_Delete(config);
}

static void cpus_as_list(void **state)
{
    cJSON *config = translate(NEEDED "cpus=['2','2']\n");

    (void)state;
    assert_non_null(config);
    assert_string_equal(json_text(config, "cpus", ""), "2");
    cJSON_Delete(config);
    assert_refused(NEEDED "cpus=['2','3']\n", 3, "vcpu-pin");
    config = translate(NEEDED "cpus=[]\n");
    assert_non_null(config);
    assert_false(cJSON_HasObjectItem(config, "cpus"));
    cJSON_Delete(config);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    assert_refused(NEEDED "memory = 'much'\n", 3, "memory");
    assert_refused(NEEDED "\nmemory = 0\n", 4, "0");
    assert_refused(NEEDED "memory = ['1']\n", 3, "list");
    assert_refused(NEEDED "vcpus = '-1'\n", 3, "vcpus");
    assert_refused(NEEDED "cpu_weight = 65536\n", 3, "65535");
    assert_refused(NEEDED "vif = 'bridge=x'\n", 3, "vif");
    assert_refused(NEEDED "vif = ['a', ['b']]\n", 3, "list");
    assert_refused(NEEDED "on_crash = 'explode'\n", 3,
                   "expected destroy, restart or preserve, found 'explode'");
    assert_refused(NEEDED "type = 'hvm'\n", 3, "expected pv");
    assert_refused(NEEDED "builder = 'hvm'\n", 3, "expected pv");
    assert_refused(NEEDED "memory = ]\n", 3, "syntax error");
    assert_refused(NEEDED "vif = ['a' 'b']\n", 3, "syntax error");
    assert_refused(NEEDED "name = 'open\n", 3, "lexical error");
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    assert_null(translate("name='a'\n"));
    assert_non_null(strstr(reports, "expected kernel, such as"));
    assert_null(translate("kernel='a'\n"));
    assert_non_null(strstr(reports, "expected name, such as"));
    assert_null(translate(""));
    assert_null(xl_cfg_read("/nonexistent/a.cfg"));
    assert_non_null(strstr(reports, "/nonexistent/a.cfg: No such file"));
}

static void images_are_told_from_configurations(void **state)
{
    (void)state;
    assert_false(is_xl_cfg("/proc/self/exe"));
    assert_false(is_xl_cfg("/nonexistent"));
    assert_true(is_xl_cfg("Makefile"));
    assert_true(is_xl_cfg("/dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(absent_keys_stay_absent),
        cmocka_unit_test(unknown_keys_are_named_with_their_line),
        cmocka_unit_test(actions_of_xl_are_mapped_with_a_word),
        cmocka_unit_test(cmdline_wins_over_root_and_extra),
        cmocka_unit_test(cpus_as_list),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(images_are_told_from_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
