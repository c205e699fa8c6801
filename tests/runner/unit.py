# SPDX-License-Identifier: MIT
"""Unit tests: cmocka programs on the host, built with ASan and UBSan. They must say how many tests ran."""
import os
import re
import subprocess

from .core import PATIENCE, Failure, Test


def make_test(name):
    def function(context):
        program = os.path.join(context.build, 'tests/unit', name)
        if not os.path.exists(program):
            raise Failure('%s is missing; `make test-unit` builds it' % program)
        try:
            result = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as expired:
            raise Failure('no end within %d s' % PATIENCE, (expired.output or b'').decode('utf-8', 'replace'))
        text = result.stdout.decode('utf-8', 'replace')
        passed = sum(int(n) for n in re.findall(r'^\[  PASSED  \] (\d+) test', text, re.MULTILINE))
        if result.returncode != 0:
            raise Failure('exit status %d' % result.returncode, text)
        if passed == 0 or '[  FAILED  ]' in text:
            raise Failure('no cmocka summary of passed tests', text)
        return text

    return Test('unit/' + name, function)


def collect(context):
    folder = os.path.join(context.root, 'tests/unit')
    names = sorted(f[5:-2] for f in os.listdir(folder) if f.startswith('test_') and f.endswith('.c'))
    return [make_test(name) for name in names]
