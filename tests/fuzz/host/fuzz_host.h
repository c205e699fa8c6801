/* SPDX-License-Identifier: MIT */
/* What the targets of libFuzzer share. */
#ifndef TESTS_FUZZ_HOST_FUZZ_HOST_H
#define TESTS_FUZZ_HOST_FUZZ_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's entry: one input; whatever must not happen ends the process. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run with this input if what must hold does not. */
static inline void expect(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

/* The input, byte by byte; zeroes behind its end. */
struct input {
    const uint8_t *at, *end;
};

static inline uint8_t next(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static inline size_t left(const struct input *input)
{
    return (size_t)(input->end - input->at);
}

#endif
