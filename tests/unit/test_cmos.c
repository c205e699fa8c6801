/* SPDX-License-Identifier: MIT */
/* The date from a played CMOS clock: encodings, centuries, and readings that a tick falls into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "hypervisor/drivers/cmos.h"
#include "hypervisor/include/ioport.h"

static struct tm date;
static bool binary, hours24, century;
static unsigned reads, tick_at, updating_until;
static uint8_t index_register;

static uint8_t encode(unsigned v)
{
    return (uint8_t)(binary ? v : v / 10 << 4 | v % 10);
}

static uint8_t hour(void)
{
    unsigned h = (unsigned)date.tm_hour;

    if (hours24) {
        return encode(h);
    }
    return encode(h % 12 ? h % 12 : 12) | (h >= 12 ? 0x80 : 0);
}

uint8_t inb(uint16_t port)
{
    assert_int_equal(port, 0x71);
    if (++reads == tick_at) {
        date.tm_sec++;
        timegm(&date);
    }
    switch (index_register) {
    case 0:
        return encode((unsigned)date.tm_sec);
    case 2:
        return encode((unsigned)date.tm_min);
    case 4:
        return hour();
    case 7:
        return encode((unsigned)date.tm_mday);
    case 8:
        return encode((unsigned)date.tm_mon + 1);
    case 9:
        return encode((unsigned)date.tm_year % 100);
    case 0x32:
        return century ? encode((unsigned)date.tm_year / 100 + 19) : 0xff;
    case 0x0a:
        return reads < updating_until ? 0xa6 : 0x26;
    case 0x0b:
        return (uint8_t)((binary ? 4 : 0) | (hours24 ? 2 : 0));
    default:
        fail();
        return 0;
    }
}

void outb(uint16_t port, uint8_t value)
{
    assert_int_equal(port, 0x70);
    index_register = value;
}

static void set_date(uint64_t seconds)
{
    time_t t = (time_t)seconds;

    gmtime_r(&t, &date);
    reads = 0;
    tick_at = 0;
    updating_until = 0;
}

static void all_encodings(void **state)
{
    static const uint64_t moments[] = {0,          86399,      951782400,  951868799,  1078012800, 1234567890,
                                       1583020799, 1709164800, 1795402000, 4102444799, 4107542400};
    (void)state;

    for (unsigned mode = 0; mode < 8; mode++) {
        binary = mode & 1;
        hours24 = mode & 2;
        century = mode & 4;
        for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
            if (!century && moments[i] >= 3155760000) {
                continue; /* from 2070 on two digits mean the last century */
            }
            set_date(moments[i]);
            assert_int_equal(cmos_read_time(), moments[i]);
        }
    }
}

static void a_tick_between_reads_is_noticed(void **state)
{
    (void)state;
    binary = false;
    hours24 = century = true;
    for (unsigned at = 1; at < 18; at++) {
        uint64_t found;

        set_date(1583020799); /* 2020-02-29 23:59:59 */
        tick_at = at;
        found = cmos_read_time();
        assert_true(found == 1583020799 || found == 1583020800);
        assert_true(reads < 60);
    }
}

static void waits_for_the_update_to_end(void **state)
{
    (void)state;
    set_date(1234567890);
    updating_until = 500;
    assert_int_equal(cmos_read_time(), 1234567890);
}

static void an_update_without_end_is_given_up(void **state)
{
    (void)state;
    set_date(1234567890);
    updating_until = ~0u;
    assert_int_equal(cmos_read_time(), 0);
}

static void nonsense_is_no_date(void **state)
{
    (void)state;
    binary = true;
    set_date(1234567890);
    date.tm_mon = 12;
    assert_int_equal(cmos_read_time(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_encodings),
        cmocka_unit_test(a_tick_between_reads_is_noticed),
        cmocka_unit_test(waits_for_the_update_to_end),
        cmocka_unit_test(an_update_without_end_is_given_up),
        cmocka_unit_test(nonsense_is_no_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
