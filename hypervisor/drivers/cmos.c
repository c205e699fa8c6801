/* SPDX-License-Identifier: MIT */
/*
 * The clock's registers change once a second, and while they do (bit UIP of register A, at most about 2 ms)
 * they read wrong. Instead of waiting for a change, read until two readings agree with no update seen on the
 * way.
 */
#include "hypervisor/drivers/cmos.h"
#include "hypervisor/include/ioport.h"

#define CMOS_INDEX  0x70
#define CMOS_DATA   0x71
#define REG_A       0x0a
#define REG_B       0x0b
#define A_UPDATING  0x80
#define B_BINARY    0x04
#define B_24_HOURS  0x02
#define REG_CENTURY 0x32 /* where PCs put it; checked for sense before it counts */
#define TRIES       10000

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, CENTURY, FIELDS };

static uint8_t read_register(uint8_t index)
{
    outb(CMOS_INDEX, index);
    return inb(CMOS_DATA);
}

static bool read_fields(uint8_t *field)
{
    static const uint8_t index[FIELDS] = {0, 2, 4, 7, 8, 9, REG_CENTURY};

    if (read_register(REG_A) & A_UPDATING) {
        return false;
    }
    for (unsigned i = 0; i < FIELDS; i++) {
        field[i] = read_register(index[i]);
    }
    return true;
}

static unsigned from_bcd(uint8_t v)
{
    return (v >> 4) * 10u + (v & 15u);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, counted in years that start in March. */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

    return 365ul * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static uint64_t to_seconds(const uint8_t *raw, uint8_t b)
{
    unsigned v[FIELDS];
    bool pm = !(b & B_24_HOURS) && (raw[HOUR] & 0x80);

    for (unsigned i = 0; i < FIELDS; i++) {
        uint8_t r = i == HOUR && !(b & B_24_HOURS) ? raw[i] & 0x7f : raw[i];

        v[i] = b & B_BINARY ? r : from_bcd(r);
    }
    if (!(b & B_24_HOURS)) {
        v[HOUR] = v[HOUR] % 12 + (pm ? 12 : 0);
    }
    if (v[MONTH] < 1 || v[MONTH] > 12 || v[DAY] < 1 || v[DAY] > 31 || v[HOUR] > 23 || v[MINUTE] > 59 ||
        v[SECOND] > 60 || v[YEAR] > 99) {
        return 0;
    }
    v[YEAR] += v[CENTURY] >= 19 && v[CENTURY] <= 21 ? v[CENTURY] * 100 : v[YEAR] < 70 ? 2000 : 1900;
    if (v[YEAR] < 1970) {
        return 0;
    }
    return ((days_of(v[YEAR], v[MONTH], v[DAY]) * 24 + v[HOUR]) * 60 + v[MINUTE]) * 60 + v[SECOND];
}

uint64_t cmos_read_time(void)
{
    uint8_t first[FIELDS], second[FIELDS];

    for (unsigned i = 0; i < TRIES; i++) {
        bool same = read_fields(first) && read_fields(second) && !(read_register(REG_A) & A_UPDATING);

        for (unsigned f = 0; same && f < FIELDS; f++) {
            same = first[f] == second[f];
        }
        if (same) {
            return to_seconds(first, read_register(REG_B));
        }
    }
    return 0;
}
