# SPDX-License-Identifier: MIT
"""How domains share the processors, on the real scheduler: the guest `shares` makes domains that run, and reads after a
second of virtual time how long each did. The machine's clock counts instructions (-icount), so the figures do not
depend on the machine that the tests run on.

With several processors QEMU executes one after the other, and an interrupt waits for its processor's turn. A turn ends at
the next timer of the machine's, which may be far, or at a PAUSE instruction: the domains' programs execute one every
1000 instructions, so that on four processors an interrupt is late by some 4 us.

A network filter's timer to end the turns (-object filter-buffer) is no way: QEMU's main thread runs and sets it, and while
that thread does, or waits for the host to let it, one processor has all turns. To the hypervisor the others then run the
same domains for long: it finds these ahead of the rest, and rightly gives them nothing for as long again.
"""
import os
import re

from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, boot

COUNTED = ('-icount', 'shift=0,sleep=off', '-rtc', 'clock=vm')
SECOND = 1000000000
TOLERANCE = 0.02
USED = 0.99        # of the processors' time, at least, if there is enough to do
LATE = 200000      # ns; the shortest slice is 100000, the hogs' are 1 ms or more here
SWITCH_GROWTH = 1.05


class Domains:
    """A group of equal domains: `burst` and `sleep` in microseconds (burst 0: they always run), `cpu` if pinned."""

    def __init__(self, number, vcpus=1, weight=256, cap=0, burst=0, sleep=0, cpu=None):
        self.number, self.vcpus, self.weight, self.cap = number, vcpus, weight, cap
        self.burst, self.sleep, self.cpu = burst, sleep, cpu

    def word(self):
        return '%d,%d,%d,%d,%d,%d,%s' % (self.number, self.vcpus, self.weight, self.cap, self.burst, self.sleep,
                                         '-' if self.cpu is None else self.cpu)

    def limit(self, cpus):
        """Processors that one of them could use."""
        limit = self.vcpus * (self.burst / (self.burst + self.sleep) if self.burst else 1.0)
        return min(limit, self.cap / 100 if self.cap else cpus, cpus)


class Measured:
    def __init__(self, text):
        self.text = text
        self.ran = [tuple(map(int, row)) for row in re.findall(r'^ran \d+ (\d+) (\d+) (\d+)$', text, re.MULTILINE)]
        self.window, self.instructions, self.own = (
            int(re.search(r'^%s (\d+)$' % word, text, re.MULTILINE).group(1)) for word in
            ('window', 'instructions', 'own'))


def measure(context, cpus, groups, slice_us=0):
    image = os.path.join(context.build, 'tests/system/shares.elf')
    if not os.path.exists(image):
        raise Failure('%s is missing; `make test-system-guests` builds it' % image)
    words = (['r%d' % slice_us] if slice_us else []) + [group.word() for group in groups]
    output = boot(context, 'coracle', image, 'measure ' + ' '.join(words), cpus=cpus, ram=512,
                  options='dom0_max_vcpus=1', timeout=240, qemu=COUNTED)
    fault = HYPERVISOR_FAULT.search(output.text)
    if fault:
        raise Failure('the hypervisor itself is at fault: ' + fault.group(0), output.text)
    if output.ended != 'exit' or re.search('^not ok', output.text, re.MULTILINE) or 'done: ' not in output.text:
        raise Failure('the guest did not come to a good end', output.text)
    return Measured(output.text)


def fair(limits, weights, total):
    """Weighted max-min fairness: everybody has weight * level, or its limit if that is less; the sum is total."""
    low, high = 0.0, 1e6
    for _ in range(200):
        level = (low + high) / 2
        if sum(min(limit, weight * level) for limit, weight in zip(limits, weights)) < total:
            low = level
        else:
            high = level
    return [min(limit, weight * low) for limit, weight in zip(limits, weights)]


def judge(measured, cpus, groups):
    each = [group for group in groups for _ in range(group.number)]
    limits = [group.limit(cpus) for group in each]
    used = sum(ran for ran, _, _ in measured.ran) / measured.window
    wanted = min(cpus, sum(limits))
    problems = []
    if used < USED * wanted:
        problems.append('%.3f processors were used of %.3f' % (used, wanted))
    ideal = fair(limits, [group.weight for group in each], min(used, sum(limits)))
    for i, (group, share, (ran, late, wakes)) in enumerate(zip(each, ideal, measured.ran)):
        if group.burst:
            if late > LATE or not wakes:
                problems.append('domain %d (%s): %d ns late after one of %d sleeps' % (i, group.word(), late, wakes))
        elif abs(ran / measured.window - share) > TOLERANCE * share:
            problems.append('domain %d (%s): ran %.3f ms of a second, fair are %.3f'
                            % (i, group.word(), 1000 * ran / measured.window, 1000 * share))
    if problems:
        raise Failure('%d domains on %d processors: %s' % (len(each), cpus, '; '.join(problems[:10])), measured.text)


def shares(name, cpus, *groups):
    def function(context):
        measured = measure(context, cpus, groups)
        judge(measured, cpus, groups)
        return measured.text

    return Test('system/shares/%s/%dcpus' % (name, cpus), function)


def pinned(context):
    """Each processor is shared by weight among those that are pinned to it."""
    groups = [Domains(1, 2, 256, cpu=0), Domains(1, 1, 768, cpu=0), Domains(2, 1, cpu=2), Domains(1, 1, cpu=3)]
    want = [0.25, 0.75, 0.5, 0.5, 1.0]
    measured = measure(context, 4, groups)
    for i, (share, (ran, _, _)) in enumerate(zip(want, measured.ran)):
        # The guest that measures runs now and then, too.
        if abs(ran / measured.window - share) > TOLERANCE * share:
            raise Failure('domain %d: ran %.3f ms of a second, expected %.3f'
                          % (i, 1000 * ran / measured.window, 1000 * share), measured.text)
    return measured.text


def run_states(context):
    """What vCPUs are told of their time, where they wait a lot: it adds up, and agrees with what the toolstack is told."""
    measured = measure(context, 1, [Domains(8, 1, burst=1000, sleep=1000)])
    rows = [tuple(map(int, row)) for row in
            re.findall(r'^states \d+ (\d+) (\d+) (\d+) (\d+) (\d+)$', measured.text, re.MULTILINE)]
    if len(rows) != 8:
        raise Failure('expected the run states of 8 domains', measured.text)
    for i, ((window, *states), (ran, _, _)) in enumerate(zip(rows, measured.ran)):
        running, runnable, blocked, offline = states
        if abs(sum(states) - window) > 50000:
            raise Failure('domain %d: its states add up to %d ns of %d' % (i, sum(states), window), measured.text)
        if abs(running / window - ran / measured.window) > 0.01 or offline:
            raise Failure('domain %d: running %d and offline %d of %d ns, the toolstack says %d of %d'
                          % (i, running, offline, window, ran, measured.window), measured.text)
        # 4 processors' worth of work on one: most of the time all but the sleep is waiting.
        if runnable < window * 0.4 or blocked < window * 0.1:
            raise Failure('domain %d: runnable for %d ns, blocked for %d of %d' % (i, runnable, blocked, window),
                          measured.text)
    return measured.text


def switch_cost(context):
    """The instructions of a switch, timer interrupt included, with 10 and with 100 domains and slices of 1 ms."""
    costs = []
    for number in (10, 100):
        measured = measure(context, 1, [Domains(number)], slice_us=1000)
        spent = measured.window - measured.instructions - measured.own
        costs.append(spent / (measured.window / 1000000))
    text = 'instructions a switch: %.0f with 10 domains, %.0f with 100' % tuple(costs)
    if costs[1] > SWITCH_GROWTH * costs[0]:
        raise Failure(text)
    return text


def collect(_context):
    tests = [shares('%d_domains' % number, cpus, Domains(number, 3)) for number in (1, 10, 100) for cpus in (1, 4)]
    for cpus in (1, 4):
        tests.append(shares('weights', cpus, Domains(1, 4, 256), Domains(1, 4, 512), Domains(2, 3, 1024),
                            Domains(3, 2, 100)))
        tests.append(shares('caps_alone', cpus, Domains(1, 1, cap=20), Domains(1, 4, cap=35)))
        tests.append(shares('caps_and_weights', cpus, Domains(2, 4, 512), Domains(1, 4, cap=10), Domains(2, 2, cap=5)))
        tests.append(shares('sleepers', cpus, Domains(8, 2 if cpus == 1 else 4), Domains(3, 1, burst=100, sleep=10000)))
    tests.append(shares('half_used', 4, Domains(2, 1), Domains(1, 2, cap=50)))
    tests.append(shares('100_of_all_kinds', 4, Domains(30, 2), Domains(20, 4, 512), Domains(20, 1, 128),
                        Domains(10, 4, 1024, cap=10), Domains(20, 3, cap=2)))
    tests.append(shares('33_domains', 8, Domains(11, 4), Domains(11, 2, 512), Domains(11, 1, 384)))
    tests.append(Test('system/shares/pinned/4cpus', pinned))
    tests.append(Test('system/shares/run_states', run_states))
    tests.append(Test('system/shares/switch', switch_cost))
    return tests
