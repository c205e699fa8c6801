/* SPDX-License-Identifier: MIT */
/*
 * Drivers under test, as the initial domain: this image finds the machine's devices and uses each disk and
 * each network card as a backend would. Lines are `ok NAME` and `not ok NAME: why`; the last is `done: N
 * passed, M failed`, and what is found is told in lines `# ...` for tests/system/test_devices.py.
 */
#ifndef TESTS_SYSTEM_DEVICE_TEST_H
#define TESTS_SYSTEM_DEVICE_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "toolstack/device/blkdev.h"
#include "toolstack/device/netdev.h"

#define SECOND 1000000000ull

/* A verdict; the format makes the name. */
bool check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define SLOWNESS 6 /* as in tests/runner/core.py */
/* Turns the loop until *flag. Seconds of an idle machine, against hanging: a busy one has more. */
bool wait_for(const volatile bool *flag, unsigned seconds);
/* SCSI disks are found by and by: turns the loop until there is one (name NULL), or that one. */
bool wait_for_disk(const char *name);

/* how: "" a good disk; "bad" with an unreadable sector; "slow" that takes minutes. */
void test_disk(struct blkdev *dev, const char *how);
void test_card(struct netdev *dev);
/* All devices vanish while they are used, and come back: with cards, test_card() works afterwards. */
void test_gone(void);
/* Long frames through a bridge and this card, for the host to look at. */
void test_uplink(struct netdev *dev);

#endif
