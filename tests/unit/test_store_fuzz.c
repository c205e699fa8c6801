/* SPDX-License-Identifier: MIT */
/* The fuzzer's target for the store (tests/store/fuzz.c) on random inputs, the same ones each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void random_inputs(void **state)
{
    static uint8_t input[4096];
    uint64_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 10000; round++) {
        for (unsigned i = 0; i < sizeof(input); i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            /* Half of them small, so that steps are short and types are common ones. */
            input[i] = (uint8_t)(seed >> 33) & (seed >> 62 & 1 ? 0xff : 0x1f);
        }
        assert_int_equal(LLVMFuzzerTestOneInput(input, 64 + round * 16 % 4032), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
