# SPDX-License-Identifier: MIT
"""The store's answers beside those of Debian's xenstored; tests/store/README.md."""
import tempfile

from runner.core import Failure, Test
from runner.tool import product, run

SEEDS = range(1, 5)
REQUESTS = 3000


def compares(seed):
    def function(context):
        with tempfile.TemporaryDirectory() as folder:
            finished = run([product(context, 'tests/store/compare'), product(context, 'xentools/bin/xenstored'),
                            product(context, 'tests/store/shim.so'), folder, str(seed), str(REQUESTS)], timeout=240)
        if finished.status != 0 or '%d requests' % REQUESTS not in finished.out:
            raise Failure('the store and xenstored differ', finished.text())
        return finished.text()

    return Test('system/store/seed%d' % seed, function)


def collect(_context):
    return [compares(seed) for seed in SEEDS]
