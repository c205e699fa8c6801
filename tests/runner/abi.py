# SPDX-License-Identifier: MIT
"""ABI guests: each boots on stock Xen and on Coracle, and the two must say the same.

A boot passes only if, on each hypervisor, the guest came to its announced end, its last line counts exactly the
verdicts that were seen, all of them good; and if both runs have the same verdicts and the same observations.

tests/abi/TOPIC/test.conf, when present, lists the boots, one a line; without it there is one boot named `all`:

    boot NAME [case=WORD] [args="..."] [expect=done|poweroff|reboot|crash|watchdog|unknown] [pattern=REGEX]
              [cpus=1,4] [cpu=MODEL;MODEL...] [memory=64M] [ram=256] [initrd=TEXT] [options="..."] [timeout=60]
              [input=TEXT, typed when the guest prints a line "# input"] [qemu="more of QEMU's options"]
    differs NAME-REGEX  why the answers may differ
"""
import os
import re
import shlex

from .core import Failure, Test, write_whole
from .machine import DOMAIN_END, HYPERVISOR_FAULT, boot

DEFAULTS = {'case': '', 'args': '', 'expect': 'done', 'pattern': '', 'cpus': '1', 'cpu': 'qemu64', 'memory': '64M',
            'ram': '256', 'initrd': '', 'options': '', 'timeout': '60', 'input': '', 'qemu': ''}
LINE = re.compile(r'^(ok|not ok|observe|dying|done:) ?(.*)$')


class Report:
    """What one boot said."""

    def __init__(self, text):
        self.good, self.bad, self.observed, self.problems = [], [], {}, []
        self.dying = self.done = None
        for line in text.split('\n'):
            match = LINE.match(line)
            if match:
                self.take(match.group(1), match.group(2))
        names = self.good + [name.split(': got ')[0] for name in self.bad]
        for name in sorted(set(n for n in names if names.count(n) > 1)):
            self.problems.append('the verdict %s came twice' % name)

    def take(self, kind, rest):
        if self.done is not None:
            self.problems.append('a line after the last line: %s %s' % (kind, rest))
        if kind == 'ok':
            self.good.append(rest)
        elif kind == 'not ok':
            self.bad.append(rest)
        elif kind == 'dying':
            self.dying = rest
        elif kind == 'observe':
            name, _, value = rest.partition(' = ')
            if name in self.observed:
                self.problems.append('the observation %s came twice' % name)
            self.observed[name] = value
        else:
            self.done = rest

    def judge(self, expect):
        problems = self.problems + ['not ok ' + line for line in self.bad]
        if expect == 'done':
            want = '%d checks, 0 failed' % len(self.good)
            if self.done is None:
                problems.append('the guest did not reach its last line')
            elif self.done != want and not self.bad:
                problems.append('the last line is "done: %s", but "done: %s" was counted' % (self.done, want))
            if not self.good and not self.observed:
                problems.append('the guest checked nothing')
        elif self.dying is None:
            problems.append('the guest did not come to the deed that ends it')
        elif self.done is not None:
            problems.append('the guest outlived the deed that had to end it')
        return problems


def interesting(text):
    """The text without the hypervisor's boot messages: from some lines before the guest's first one."""
    rows = text.split('\n')
    first = next((i for i, row in enumerate(rows) if LINE.match(row)), max(0, len(rows) - 30))
    return '\n'.join(rows[max(0, first - 2):])


def parse_conf(path):
    """Boots and permitted differences of a test.conf."""
    boots, differs = [], []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] == 'differs' and len(words) > 2:
                differs.append(words[1])
                continue
            keys = dict(word.partition('=')[::2] for word in words[2:])
            unknown = set(keys) - set(DEFAULTS)
            if words[0] != 'boot' or len(words) < 2 or unknown:
                raise Failure('%s:%d: not a boot line: %s' % (path, number, line.strip()))
            boots.append((words[1], dict(DEFAULTS, **keys)))
    return boots, differs


def run_on(context, hypervisor, image, keys, cpu, cpus):
    """One boot on one hypervisor: its report, its text, and what is bad in it already."""
    expect = keys['expect']
    modules = []
    if keys['initrd']:
        path = os.path.join(context.build, 'tests/abi/initrd-%s' % os.path.basename(image))
        write_whole(path, keys['initrd'].encode())
        modules.append(path)
    end = DOMAIN_END[hypervisor]['reboot' if expect == 'done' else expect]
    output = boot(context, hypervisor, image, ('%s %s' % (keys['case'], keys['args'])).strip(), modules, cpu=cpu,
                  cpus=cpus, ram=int(keys['ram']), memory=keys['memory'], options=keys['options'],
                  timeout=float(keys['timeout']), until=end, typed=keys['input'], qemu=shlex.split(keys['qemu']))
    report = Report(output.text)
    problems = report.judge(expect)
    if output.ended == 'timeout':
        problems.append('no end in time')
    elif expect != 'done' and not re.search(end, output.text):
        problems.append('expected the line "%s"' % end)
    if keys['pattern'] and not re.search(keys['pattern'], output.text):
        problems.append('expected a line like "%s"' % keys['pattern'])
    fault = HYPERVISOR_FAULT.search(output.text)
    if fault:
        problems.append('the hypervisor itself is at fault: %s' % fault.group(0))
    return report, interesting(output.text), ['%s: %s' % (hypervisor, p) for p in problems]


def compare(reports, differs):
    """Sentences about what the two hypervisors do not agree on."""
    one, other = reports['xen'], reports['coracle']
    problems = []
    for name in sorted(set(one.good) ^ set(other.good)):
        problems.append('the verdict %s came only on %s' % (name, 'xen' if name in one.good else 'coracle'))
    for name in sorted(set(one.observed) | set(other.observed)):
        values = one.observed.get(name, 'nothing'), other.observed.get(name, 'nothing')
        if values[0] != values[1] and not any(re.fullmatch(d, name) for d in differs):
            problems.append('%s: xen %s, coracle %s' % (name, values[0], values[1]))
    return problems


def make_test(name, topic, keys, cpu, cpus, differs):
    def function(context):
        image = os.path.join(context.build, 'tests/abi/%s.elf' % topic)
        if not os.path.exists(image):
            raise Failure('%s is missing; `make test-guests` builds it' % image)
        reports, texts, problems, bad_texts = {}, [], [], []
        for hypervisor in ('xen', 'coracle') if context.hypervisor == 'both' else (context.hypervisor,):
            reports[hypervisor], text, bad = run_on(context, hypervisor, image, keys, cpu, cpus)
            texts.append('--- %s ---\n%s' % (hypervisor, text))
            problems += bad
            if bad:
                bad_texts.append(texts[-1])
        if len(reports) == 2:
            problems += compare(reports, differs)
        if problems:
            raise Failure('%s%s' % (problems[0], ' and %d more' % (len(problems) - 1) if len(problems) > 1 else ''),
                          '\n'.join(bad_texts + ['! ' + p for p in problems]))
        return '\n'.join(texts)

    return Test(name, function)


def collect(context):
    tests = []
    folder = os.path.join(context.root, 'tests/abi')
    for topic in sorted(os.listdir(folder)):
        path = os.path.join(folder, topic)
        if topic == 'lib' or not os.path.isdir(path):
            continue
        conf = os.path.join(path, 'test.conf')
        boots, differs = parse_conf(conf) if os.path.exists(conf) else ([], [])
        for boot_name, keys in boots or [('all', DEFAULTS)]:
            cpus_list, models = keys['cpus'].split(','), keys['cpu'].split(';')
            for cpus in cpus_list:
                for cpu in models:
                    name = 'abi/%s/%s' % (topic, boot_name)
                    name += '/%scpus' % cpus if len(cpus_list) > 1 else ''
                    name += '/' + cpu if len(models) > 1 else ''
                    tests.append(make_test(name, topic, keys, cpu, int(cpus), differs))
    return tests
