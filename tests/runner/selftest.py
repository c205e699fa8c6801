# SPDX-License-Identifier: MIT
"""The runner's own test: output of guests that lie, die or say too little must never pass."""
from . import abi, core, system, tool
from .machine import HYPERVISOR_FAULT

GOOD = 'ok a/x\nobserve a/y = 5\ndone: 1 checks, 0 failed\n'

# Output, how the boot was to end, and whether it passes.
BOOTS = (
    ('a whole run', GOOD, 'done', True),
    ('nothing at all', '', 'done', False),
    ('no last line', 'ok a/x\n', 'done', False),
    ('no checks', 'done: 0 checks, 0 failed\n', 'done', False),
    ('only observations', 'observe a/y = 5\ndone: 0 checks, 0 failed\n', 'done', True),
    ('a failed check', 'not ok a/x: got 1 (1) want 2 (2)\ndone: 1 checks, 1 failed\n', 'done', False),
    ('a failed check that is not counted', 'ok a/x\nnot ok a/z: bad\ndone: 1 checks, 0 failed\n', 'done', False),
    ('a lost line', 'done: 2 checks, 0 failed\nok a/x\n', 'done', False),
    ('a wrong count', 'ok a/x\ndone: 2 checks, 0 failed\n', 'done', False),
    ('a check twice', 'ok a/x\nok a/x\ndone: 2 checks, 0 failed\n', 'done', False),
    ('an observation twice', 'ok a/x\nobserve a/y = 1\nobserve a/y = 1\ndone: 1 checks, 0 failed\n', 'done', False),
    ('two runs', GOOD + GOOD, 'done', False),
    ('a death as asked', 'ok a/x\ndying a/z\n', 'crash', True),
    ('a death not announced', 'ok a/x\n', 'crash', False),
    ('a death survived', 'dying a/z\nok a/x\ndone: 1 checks, 0 failed\n', 'crash', False),
    ('a death after a failed check', 'not ok a/x: bad\ndying a/z\n', 'crash', False),
)

COMPARED = (
    ('the same', GOOD, GOOD, (), True),
    ('another observation', GOOD, GOOD.replace('5', '6'), (), False),
    ('another observation, allowed', GOOD, GOOD.replace('5', '6'), ('a/y',), True),
    ('another observation, something else allowed', GOOD, GOOD.replace('5', '6'), ('a/yy',), False),
    ('a missing observation', GOOD, 'ok a/x\ndone: 1 checks, 0 failed\n', (), False),
    ('a missing check', GOOD, 'observe a/y = 5\ndone: 0 checks, 0 failed\n', (), False),
)

FAULTS = (
    ('(XEN) Panic on CPU 0:', True), ('(XEN) Assertion \'x\' failed at y.c:1', True), ('(XEN) Xen call trace:', True),
    ('(coracle) panic: no memory', True), ('(coracle) fatal page fault in the hypervisor', True),
    ('(XEN) Domain 0 (vcpu#0) crashed on cpu#0:', False), ('(coracle) d0: exit status 0', False),
)

PROGRAMS = (
    ('a good program', tool.Finished(0, 'ok one\n', ''), {}, True),
    ('a wrong status', tool.Finished(1, 'ok one\n', ''), {}, False),
    ('a wanted status', tool.Finished(3, 'x\n', ''), {'status': 3, 'out': 'x'}, True),
    ('a failed check', tool.Finished(0, 'ok one\nnot ok two\n', ''), {}, False),
    ('no check at all', tool.Finished(0, 'hello\n', ''), {}, False),
    ('output that is not there', tool.Finished(0, 'ok\n', ''), {'out': '^bye$'}, False),
    ('a hypervisor that fell', tool.Finished(0, 'ok one\n', '(coracle) panic: x'), {}, False),
)


def run(_context):
    wrong = []
    for name, text, expect, good in BOOTS:
        if (not abi.Report(text).judge(expect)) != good:
            wrong.append('boot: ' + name)
    for name, one, other, differs, good in COMPARED:
        if (not abi.compare({'xen': abi.Report(one), 'coracle': abi.Report(other)}, differs)) != good:
            wrong.append('comparison: ' + name)
    for text, fault in FAULTS:
        if bool(HYPERVISOR_FAULT.search(text)) != fault:
            wrong.append('fault line: ' + text)
    if 'called from' not in core.tail('x\n' * 99 + '(coracle) PANIC: y\n(coracle) called from z\n' + 'x\n' * 99):
        wrong.append('the lines after a panic are lost')
    for name, finished, keys, good in PROGRAMS:
        try:
            tool.judge(finished, **keys)
            passed = True
        except core.Failure:
            passed = False
        if passed != good:
            wrong.append('program: ' + name)
    text = ' * build: -O2\n * run: name=a exit=3 out="x y"\n * run: name=b'
    if system.find_directives('/*\n' + text + '\n */', 'run') != ['name=a exit=3 out="x y"', 'name=b']:
        wrong.append('directives')
    if wrong:
        raise core.Failure('the runner misjudges', '\n'.join(wrong))
    return ''


def collect(_context):
    return [core.Test('runner/judgement', run)]
