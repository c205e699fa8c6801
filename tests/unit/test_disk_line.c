/* SPDX-License-Identifier: MIT */
/* Lines of disk=, after Xen's xl-disk-configuration and vbd-interface. */
#include "toolstack/backend/disk_line.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void names(void **state)
{
    static const struct {
        const char *name;
        uint32_t number;
    } good[] = {{"xvda", 51712},
                {"xvda1", 51713},
                {"xvdb", 51728},
                {"xvdp15", 202 << 8 | 15 << 4 | 15},
                {"xvdq", 1 << 28 | 16 << 8},
                {"xvdaa", 1 << 28 | 26 << 8},
                {"xvda16", 1 << 28 | 16},
                {"sda", 2048},
                {"sdb1", 2065},
                {"hda", 768},
                {"hdb2", 834},
                {"hdc", 5632},
                {"d0", 51712},
                {"d0p1", 51713},
                {"d536p37", 1 << 28 | 536 << 8 | 37},
                {"51712", 51712}};
    static const char *const bad[] = {"",
                                      "xvd",
                                      "xvdA",
                                      "xvda256",
                                      "xvdab3x",
                                      "sdq",
                                      "hde",
                                      "hda64",
                                      "d",
                                      "d1p256",
                                      "vda",
                                      "a",
                                      "51712x",
                                      "xvdzzzzzzzz",
                                      "99999999999999999999",
                                      "d0p",
                                      "xvda99999999999"};
    uint32_t number;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(disk_vdev_number(good[i].name, &number), 0);
        assert_int_equal(number, good[i].number);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(disk_vdev_number(bad[i], &number), -EINVAL);
    }
}

static void check(const char *text, const char *target, const char *vdev, enum disk_format format,
                  const char *flags)
{
    char error[DISK_ERROR_MAX] = "";
    struct disk_line line;

    if (disk_line_parse(text, &line, error)) {
        fail_msg("%s: %s", text, error);
    }
    assert_string_equal(line.target, target);
    assert_string_equal(line.vdev, vdev);
    assert_int_equal(line.format, format);
    assert_int_equal(line.read_only, strchr(flags, 'r') != NULL);
    assert_int_equal(line.shared, strchr(flags, 's') != NULL);
    assert_int_equal(line.physical, strchr(flags, 'p') != NULL);
    assert_int_equal(line.discard, strchr(flags, 'n') == NULL);
}

static void lines(void **state)
{
    (void)state;
    check("data.img,raw,xvda,w", "data.img", "xvda", DISK_RAW, "");
    check("/dev/vg/guest-volume,,hda", "/dev/vg/guest-volume", "hda", DISK_ANY, "");
    check("/dev/vg/guest-volume, raw, hda, rw", "/dev/vg/guest-volume", "hda", DISK_RAW, "");
    check("format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume", "/dev/vg/guest-volume", "hda",
          DISK_RAW, "");
    check("raw:/dev/vg/guest-volume,hda,w", "/dev/vg/guest-volume", "hda", DISK_RAW, "");
    check("phy:vda,xvda,w", "vda", "xvda", DISK_ANY, "p");
    check("phy:vda,,xvda,r", "vda", "xvda", DISK_ANY, "pr");
    check("tap:qcow2:/a/b,xvdb,r", "/a/b", "xvdb", DISK_QCOW2, "r");
    check("a,qcow2,xvda,w!", "a", "xvda", DISK_QCOW2, "s");
    check("a,raw,xvda,ro,no-discard", "a", "xvda", DISK_RAW, "rn");
    check("vdev=xvda,backendtype=phy,target=vda", "vda", "xvda", DISK_ANY, "p");
    check("vdev=xvda,access=ro,target=with,commas=in it.img", "with,commas=in it.img", "xvda", DISK_ANY, "r");
    check("vdev=xvda,devtype=disk,direct-io-safe,discard,target=a", "a", "xvda", DISK_ANY, "");
    check("hda.img,raw,xvda,w", "hda.img", "xvda", DISK_RAW, "");
}

static void refused(const char *text, const char *part)
{
    char error[DISK_ERROR_MAX] = "";
    struct disk_line line;

    assert_true(disk_line_parse(text, &line, error) < 0);
    if (!strstr(error, part)) {
        fail_msg("'%s': expected '%s', found '%s'", text, part, error);
    }
}

static void bad_lines(void **state)
{
    char huge[3 * DISK_TARGET_MAX];

    (void)state;
    refused("", "no target");
    refused(",raw,xvda,w", "no target");
    refused("a.img", "no virtual disk");
    refused("a.img,raw", "no virtual disk");
    refused("a.img,vhd,xvda,w", "format");
    refused("a.img,xvda,w", "format"); /* without an old prefix the second is the format */
    refused("a.img,raw,vda,w", "virtual disk");
    refused("a.img,raw,xvda,x", "access");
    refused("a.img,raw,xvda,w,more", "behind them");
    refused("a.img,raw,xvda,w,color=blue", "not known");
    refused("vdev=xvda,devtype=cdrom,target=a", "devtype");
    refused("vdev=xvda,backendtype=tap,target=a", "backendtype");
    memset(huge, 'a', sizeof(huge));
    huge[sizeof(huge) - 1] = 0;
    refused(huge, "characters");
    memcpy(huge, "vdev=xvda,target=", 17);
    refused(huge, "characters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(lines),
                                       cmocka_unit_test(bad_lines)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
