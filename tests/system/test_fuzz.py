# SPDX-License-Identifier: MIT
"""The hypercall fuzzer for a few seconds each: on one processor and several, careful and reckless."""
from fuzz.harness import fuzz
from runner.core import Test

# Seed, processors, model, reckless.
RUNS = (
    (1, 1, 'qemu64', 0),
    (2, 2, 'qemu64', 0),
    (3, 4, 'Opteron_G1', 0),
    (4, 2, 'max', 0),
    (5, 1, 'Conroe,-vmx', 1),
    (6, 2, 'qemu64', 1),
)


def collect(_context):
    tests = []
    for seed, cpus, cpu, reckless in RUNS:
        tests.append(Test('system/fuzz/hypercalls/seed%d' % seed,
                          lambda context, s=seed, n=cpus, c=cpu, r=reckless:
                          fuzz(context, s, 10000000, cpus=n, cpu=c, reckless=r, seconds=12).text))
    return tests
