# SPDX-License-Identifier: MIT
"""Whole machines: C programs in tests/system/guests, and Python files tests/system/test_*.py.

A guest program tests/system/guests/NAME.c is built by coracle-cc and run by `coracle run`, on Coracle as
system/guests/NAME and on stock Xen as system/xen/NAME. Lines of its first comment say how:

    build: FLAGS                     compiler flags (default -O2)
    run: [name=RUN] [args="..."] [stdin="..."] [exit=N] [out=REGEX] [err=REGEX] [cpus=N] [cpu=MODEL]
         [memory=SIZE] [root=FOLDER] [timeout=60] [on=both|coracle|xen]     one line for each run

Without a run line there is one run that must end with status 0. A program that does not use out= or err= must print
a line that starts with `ok`; a line that starts with `not ok` is a failure whatever the status.

A file tests/system/test_NAME.py defines collect(context), which returns core.Test objects.
"""
import importlib.util
import os
import re
import shlex

from .core import Failure, Test
from .tool import judge, product, run_image

DEFAULTS = {'name': '', 'args': '', 'stdin': '', 'exit': '0', 'out': '', 'err': '', 'cpus': '', 'cpu': '',
            'memory': '', 'root': '', 'timeout': '60', 'on': 'both'}


def find_directives(text, word):
    """What follows `word:` in comments. The formatter may have refilled the lines: a directive goes on to the next one,
    to an empty line or to the comment's end."""
    found = []
    for comment in re.findall(r'/\*(.*?)\*/', text, re.DOTALL):
        for paragraph in re.split(r'\n[ *]*\n', comment):
            joined = re.sub(r'\s*\n[ *]*', ' ', paragraph)
            found += [d.strip() for d in re.findall(r'\b%s: (.*?)(?=\b(?:run|build): |$)' % word, joined)]
    return found


def parse_runs(path):
    """The run lines of a guest's source."""
    runs = []
    with open(path, encoding='utf-8') as file:
        head = file.read(6000)
    for line in find_directives(head, 'run'):
        try:
            keys = dict(word.partition('=')[::2] for word in shlex.split(line))
        except ValueError:
            keys = {line: ''}
        if set(keys) - set(DEFAULTS):
            raise Failure('%s: not a run line: %s' % (path, line))
        runs.append(dict(DEFAULTS, **keys))
    return runs or [DEFAULTS]


def guest_test(path, prefix, guest, keys, hypervisor):
    def function(context):
        image = product(context, 'tests/system/%s.elf' % guest)
        options = []
        for key in ('cpus', 'cpu', 'memory'):
            if keys[key]:
                options += ['--' + key, keys[key]]
        if keys['root']:
            options += ['--root', os.path.join(os.path.dirname(path), keys['root'])]
        finished = run_image(context, image, shlex.split(keys['args']), hypervisor,
                             keys['stdin'].encode().decode('unicode_escape'), int(keys['timeout']), options)
        return judge(finished, int(keys['exit']), keys['out'], keys['err'])

    return Test('%s/%s%s' % (prefix, guest, '/' + keys['name'] if keys['name'] else ''), function)


def guest_tests(context):
    tests = []
    folder = os.path.join(context.root, 'tests/system/guests')
    sources = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for prefix, hypervisor in (('system/guests', 'coracle'), ('system/xen', 'xen')):
        for name in sources:
            path = os.path.join(folder, name)
            if not name.endswith('.c'):
                continue
            try:
                runs = parse_runs(path)
            except Failure as failure:
                tests.append(broken('%s/%s' % (prefix, name[:-2]), failure))
                continue
            tests += [guest_test(path, prefix, name[:-2], keys, hypervisor) for keys in runs
                      if keys['on'] in ('both', hypervisor)]
    return tests


def broken(name, problem):
    """A test that could not even be read is a failed test, and the others still run."""
    def function(_context):
        raise Failure('cannot be read: %s' % problem)

    return Test(name, function)


def collect(context):
    tests = guest_tests(context)
    folder = os.path.join(context.root, 'tests/system')
    for name in sorted(os.listdir(folder)):
        if name.startswith('test_') and name.endswith('.py'):
            spec = importlib.util.spec_from_file_location(name[:-3], os.path.join(folder, name))
            module = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(module)
                tests += module.collect(context)
            except Exception as problem:
                tests.append(broken('system/' + name[5:-3], problem))
    return tests
