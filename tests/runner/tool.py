# SPDX-License-Identifier: MIT
"""Running the product's own programs: the tool and images made with it."""
import os
import re
import subprocess

from .core import SLOWNESS, Failure
from .machine import HYPERVISOR_FAULT


class Finished:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def text(self):
        return '--- status %s, stdout ---\n%s\n--- stderr ---\n%s' % (self.status, self.out, self.err)


def run(command, stdin='', timeout=60, env=None, cwd=None):
    """A program to its end; a timeout (seconds of an idle machine) is a Failure."""
    try:
        done = subprocess.run(command, input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout * SLOWNESS, check=False, env=env, cwd=cwd)
    except subprocess.TimeoutExpired as expired:
        raise Failure('no end within %d s: %s' % (timeout * SLOWNESS, ' '.join(command)),
                      ((expired.output or b'') + (expired.stderr or b'')).decode('utf-8', 'replace'))
    except OSError as error:
        raise Failure('cannot run %s: %s' % (command[0], error))
    return Finished(done.returncode, done.stdout.decode('utf-8', 'replace'), done.stderr.decode('utf-8', 'replace'))


def product(context, path):
    path = os.path.join(context.build, path)
    if not os.path.exists(path):
        raise Failure('%s is missing; `make` builds it' % path)
    return path


def coracle(context, *arguments, stdin='', timeout=60, env=None):
    """The tool with these arguments."""
    return run([product(context, 'coracle')] + list(arguments), stdin, timeout, env)


def limit(timeout=60):
    """Options that end a machine which hangs, a little before run() would end the tool."""
    return ['--timeout', str((timeout - 10) * SLOWNESS)]


def run_image(context, image, args=(), hypervisor='coracle', stdin='', timeout=60, options=()):
    """`coracle run` of an image; the machine's own limit is a little below ours."""
    options = list(options) + limit(timeout + 10)
    if hypervisor == 'xen':
        options += ['--xen', product(context, 'xen/xen-4.17')]
    return coracle(context, 'run', *options, image, '--', *args, stdin=stdin, timeout=timeout + 10)


def judge(finished, status=0, out='', err=''):
    """Failure unless a program ended as told and none of its checks failed. Returns its text."""
    text = finished.text()
    if HYPERVISOR_FAULT.search(text):
        raise Failure('the hypervisor itself is at fault', text)
    if finished.status != status:
        raise Failure('exit status %s instead of %s' % (finished.status, status), text)
    if re.search(r'^not ok', finished.out, re.MULTILINE):
        raise Failure('a check of the program failed', text)
    for what, pattern, stream in (('stdout', out, finished.out), ('stderr', err, finished.err)):
        if pattern and not re.search(pattern, stream, re.MULTILINE):
            raise Failure('%s has nothing like "%s"' % (what, pattern), text)
    if not out and not err and not re.search(r'^ok\b', finished.out, re.MULTILINE):
        raise Failure('the program printed no check', text)
    return text
