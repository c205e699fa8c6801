/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ABI_SECRET_SECRET_H
#define TESTS_ABI_SECRET_SECRET_H

#include "tests/abi/lib/test.h"

/* A case (stacks.c). */
void stacks(void);

#endif
