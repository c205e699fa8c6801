/* SPDX-License-Identifier: MIT */
/* Lines of vif= (toolstack/backend/vif_config.h), as xl-network-configuration(5) has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "toolstack/backend/vif_config.h"

static struct vif_config config;
static struct domain_error error;

static void good(const char *text)
{
    if (vif_config_parse(text, 3, &config, &error)) {
        fail_msg("%s: %s", text, error.text);
    }
}

/* The message names the line, and says `what`. */
static void bad(const char *text, const char *what)
{
    error.text[0] = '\0';
    assert_int_equal(vif_config_parse(text, 3, &config, &error), -EINVAL);
    if (!strstr(error.text, "vif 3: ") || !strstr(error.text, what)) {
        fail_msg("%s: \"%s\" does not say \"%s\"", text, error.text, what);
    }
}

static void defaults(void **state)
{
    (void)state;
    good("");
    assert_false(config.has_mac);
    assert_string_equal(config.bridge, "br0");
    assert_int_equal(config.mtu, 1500);
    assert_int_equal(config.rate_bytes, 0);
    assert_int_equal(config.nr_ips, 0);
    assert_false(config.antispoof);
    assert_false(config.has_devid);
}

static void all_keys(void **state)
{
    static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0xaB, 0x00, 0x01};

    (void)state;
    good("mac=00:16:3E:ab:00:01, bridge=xenbr1,ip=10.0.0.2/24 2001:db8::2,rate=10Mb/s,mtu=1400,devid=7,"
         "vifname=web0,antispoof=1,type=vif,model=e1000,backend=0");
    assert_true(config.has_mac);
    assert_memory_equal(config.mac, mac, 6);
    assert_string_equal(config.bridge, "xenbr1");
    assert_string_equal(config.vifname, "web0");
    assert_string_equal(config.ip, "10.0.0.2/24 2001:db8::2");
    assert_int_equal(config.nr_ips, 2);
    assert_false(config.ips[0].ipv6);
    assert_memory_equal(config.ips[0].bytes, ((const uint8_t[]){10, 0, 0, 2}), 4);
    assert_true(config.ips[1].ipv6);
    assert_int_equal(config.ips[1].bytes[15], 2);
    assert_int_equal(config.mtu, 1400);
    assert_true(config.has_devid);
    assert_int_equal(config.devid, 7);
    assert_true(config.antispoof);
}

/* Bytes in an interval: xl's reckoning, with 1,000 for K and an interval of 50 ms unless one is given. */
static void rates(void **state)
{
    (void)state;
    good("rate=10Mb/s");
    assert_int_equal(config.rate_bytes, 62500);
    assert_int_equal(config.rate_us, 50000);
    good("rate=1MB/s@20ms");
    assert_int_equal(config.rate_bytes, 20000);
    assert_int_equal(config.rate_us, 20000);
    good("rate=250KB/s");
    assert_int_equal(config.rate_bytes, 12500);
    good("rate=1GB/s@1s");
    assert_int_equal(config.rate_bytes, 1000000000);
    good("rate=800000b/s@50us");
    assert_int_equal(config.rate_bytes, 5);
    bad("rate=10", "10Mb/s");
    bad("rate=Mb/s", "10Mb/s");
    bad("rate=10Mb", "10Mb/s");
    bad("rate=10Mb/s@", "10Mb/s");
    bad("rate=10Mb/s@20", "10Mb/s");
    bad("rate=10Mb/s20ms", "10Mb/s");
    bad("rate=-1Mb/s", "10Mb/s");
    bad("rate=99999999999999999999b/s", "10Mb/s");
    bad("rate=99999999999GB/s", "10Mb/s");
    bad("rate=0Mb/s", "at least a byte");
    bad("rate=10Mb/s@0ms", "at least a byte");
    bad("rate=100GB/s@1s", "below 4 GB");
}

static void malformed(void **state)
{
    (void)state;
    bad("mac", "key=value");
    bad("mac=", "00:16:3e:00:00:01");
    bad("mac=00:16:3e:00:00", "00:16:3e:00:00:01");
    bad("mac=00:16:3e:00:00:01:02", "00:16:3e:00:00:01");
    bad("mac=00:16:3e:00:00:0g", "00:16:3e:00:00:01");
    bad("mac=01:16:3e:00:00:01", "unicast");
    bad("mac=00:00:00:00:00:00", "unicast");
    bad("mac=00-16-3e-00-00-01", "00:16:3e:00:00:01");
    bad("bridge=", "name of 1 to 15");
    bad("bridge=a/b", "name of 1 to 15");
    bad("bridge=0123456789abcdef", "name of 1 to 15");
    bad("bridge=..", "name of 1 to 15");
    bad("ip=", "10.0.0.2/24");
    bad("ip=10.0.0", "10.0.0.2/24");
    bad("ip=10.0.0.256", "10.0.0.2/24");
    bad("ip=10.0.0.2/33", "10.0.0.2/24");
    bad("ip=1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1", "10.0.0.2/24");
    bad("ip=2001:::1", "10.0.0.2/24");
    bad("mtu=67", "68 to 9000");
    bad("mtu=9001", "68 to 9000");
    bad("mtu=x", "68 to 9000");
    bad("devid=256", "0 to 255");
    bad("devid=-1", "0 to 255");
    bad("antispoof=yes", "0 or 1");
    bad("type=ioemu", "expected vif");
    bad("backend=net", "expected 0");
    bad("colour=red", "found \"colour\"");
    bad("mac=00:16:3e:00:00:01,mac=00:16:3e:00:00:02", "found again");
    bad("bridge=br0,,vif=", "found \"vif\"");
}

static void made_addresses(void **state)
{
    uint8_t first[16] = {1}, second[16] = {2}, a[6], b[6];
    char text[18];

    (void)state;
    vif_config_make_mac(first, 0, a);
    vif_config_make_mac(first, 0, b);
    assert_memory_equal(a, b, 6); /* the same for each run */
    assert_memory_equal(a, ((const uint8_t[]){0x00, 0x16, 0x3e}), 3);
    vif_config_make_mac(first, 1, b);
    assert_memory_not_equal(a, b, 6);
    vif_config_make_mac(second, 0, b);
    assert_memory_not_equal(a, b, 6);
    vif_mac_text((const uint8_t[]){0, 0x16, 0x3e, 0xff, 9, 0x10}, text);
    assert_string_equal(text, "00:16:3e:ff:09:10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),  cmocka_unit_test(all_keys),       cmocka_unit_test(rates),
        cmocka_unit_test(malformed), cmocka_unit_test(made_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
