# SPDX-License-Identifier: MIT
"""What all kinds of tests share: the test object, selection, the parallel loop and the report."""
import concurrent.futures
import os
import re
import tempfile
import threading
import time
import traceback

# Limits of time only end what hangs: nothing is judged by them. They are written down as an idle machine needs them; one that
# is slow, or has other work to do, gets so many times as much.
SLOWNESS = 6
# The limit where nothing else is written down, in seconds.
PATIENCE = 60 * SLOWNESS


class Context:
    """Where things are and what was asked for."""

    def __init__(self, root, build, hypervisor, verbose):
        self.root = root
        self.build = build
        self.hypervisor = hypervisor
        self.verbose = verbose


class Failure(Exception):
    """The test failed: a sentence, and the output that shows it."""

    def __init__(self, message, output=''):
        super().__init__(message)
        self.message = message
        self.output = output


class Skip(Exception):
    """The test cannot run on this machine, for a reason that is not the project's."""


def write_whole(path, data):
    """A file that other tests write too, and machines read meanwhile: they see one or the other, never half of it."""
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
        file.write(data)
    os.rename(file.name, path)


class Test:
    """A name with slashes and a function of the context; it returns its output or raises Failure or Skip."""

    def __init__(self, name, function):
        self.name = name
        self.function = function


def select(tests, names):
    """The tests below any of the names, in their order. A name that selects nothing is an error."""
    if not names:
        return tests
    chosen = []
    for name in names:
        name = name.rstrip('/')
        below = [t for t in tests if t.name == name or t.name.startswith(name + '/')]
        if not below:
            raise LookupError('no test is named %s (tests/run --list shows all)' % name)
        chosen += [t for t in below if t not in chosen]
    return [t for t in tests if t in chosen]


# The hypervisor's last words; what follows says where it died.
LAST_WORDS = re.compile(r'PANIC: |hypervisor fault: |Panic on CPU|FATAL (TRAP|PAGE FAULT)')


def tail(text, lines=40, before=10, after=120):
    """The end of an output, or where it tells of the hypervisor's death."""
    rows = text.rstrip('\n').split('\n')
    death = next((i for i, row in enumerate(rows) if LAST_WORDS.search(row)), None)
    if death is not None:
        rows = rows[max(0, death - before):death + after]
    elif len(rows) > lines:
        rows = ['... (%d lines before)' % (len(rows) - lines)] + rows[-lines:]
    return '\n'.join('    ' + row for row in rows)


def run_all(context, tests, jobs):
    counts = {'ok': 0, 'FAIL': 0, 'skip': 0}
    lock = threading.Lock()
    failed = []

    def run_one(test):
        start = time.monotonic()
        output, note = '', ''
        try:
            output = test.function(context) or ''
            verdict = 'ok'
        except Skip as reason:
            verdict, note = 'skip', str(reason)
        except Failure as failure:
            verdict, note, output = 'FAIL', failure.message, failure.output
        except Exception:  # a broken test is a failed test
            verdict, note, output = 'FAIL', 'the test itself broke', traceback.format_exc()
        seconds = time.monotonic() - start
        with lock:
            counts[verdict] += 1
            row = '%-4s %s (%.1f s)%s' % (verdict, test.name, seconds, ': ' + note if note else '')
            print(row, flush=True)
            if verdict == 'FAIL':
                failed.append(row)
            if output and (verdict == 'FAIL' or context.verbose):
                print(output.rstrip() if context.verbose else tail(output), flush=True)

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        list(pool.map(run_one, tests))
    if failed:  # again, where the eye falls first
        print('\n'.join(failed), flush=True)
    skipped = ', %d skipped' % counts['skip'] if counts['skip'] else ''
    print('%d passed, %d failed%s' % (counts['ok'], counts['FAIL'], skipped), flush=True)
    return 0 if counts['ok'] > 0 and counts['FAIL'] == 0 else 1
