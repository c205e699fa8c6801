# SPDX-License-Identifier: MIT
"""The tool as its users meet it: good and bad usage, images that must be refused, and what run promises about streams,
status, signals and its own traces."""
import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

from runner.core import PATIENCE, Failure, Test
from runner.tool import coracle, limit, product, run

PROGRAM = r'''
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void fall(volatile int *where)
{
    *where = 1;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char buffer[512];
    ssize_t count;

    if (strcmp(what, "args") == 0) {
        for (int i = 0; i < argc; i++)
            printf("[%s]\n", argv[i]);
        printf("HOME=%s\n", getenv("HOME") ? getenv("HOME") : "(none)");
    } else if (strcmp(what, "copy") == 0) {
        while ((count = read(0, buffer, sizeof(buffer))) > 0)
            write(1, buffer, (size_t)count);
    } else if (strcmp(what, "exit") == 0) {
        return atoi(argv[2]);
    } else if (strcmp(what, "cat") == 0) {
        FILE *file = fopen(argv[2], "r");

        if (file == NULL)
            return 3;
        while (fgets(buffer, sizeof(buffer), file) != NULL)
            fputs(buffer, stdout);
    } else if (strcmp(what, "fall") == 0) {
        fall((int *)16);
    } else if (strcmp(what, "hang") == 0) {
        write(1, "up\n", 3);
        for (;;)
            pause();
    }
    return 0;
}
'''


def expect(finished, status, *parts):
    """Failure unless a program ended with this status and stderr has all the parts."""
    if finished.status != status:
        raise Failure('exit status %s instead of %s' % (finished.status, status), finished.text())
    for part in parts:
        if part not in finished.err:
            raise Failure('stderr has nothing like "%s"' % part, finished.text())
    return finished.text()


def expect_out(finished, out):
    if finished.status != 0 or finished.out != out:
        raise Failure('expected status 0 and the output %r' % out, finished.text())
    return finished.text()


class Folder:
    """A temporary folder that is gone afterwards."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix='coracle-test-')
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, data):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(data)
        return path


def program(context):
    """The image of PROGRAM, built with the tool once for each build directory."""
    path = os.path.join(context.build, 'tests/system/cli-program.elf')
    with Folder() as folder:
        source = folder.write('program.c', PROGRAM.encode())
        image = os.path.join(folder.path, 'program.elf')
        expect(coracle(context, 'build', '-o', image, source, '-O1', '-g', '-DX=1'), 0)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # Several tests may come here at once: each moves a whole file into place.
        shutil.copy(image, '%s.%d.%d' % (path, os.getpid(), id(folder)))
        os.rename('%s.%d.%d' % (path, os.getpid(), id(folder)), path)
    return path


def options(context, hypervisor):
    """How the image is booted: directly on Coracle or on stock Xen, or as a domain of a host."""
    return {'xen': ['--xen', os.path.join(context.build, 'xen/xen-4.17')], 'coracle': ['--direct'],
            'host': ['--via-host']}[hypervisor]


def image_file(context):
    """Any good image; those of the ABI tests need no libOS."""
    return product(context, 'tests/abi/xen_version.elf')


# ---- usage ----

def usage(context):
    text = expect(coracle(context, '--help'), 0)
    for verb in ('build', 'run', 'pack'):
        if verb not in text:
            raise Failure('--help does not name ' + verb, text)
        expect(coracle(context, verb, '--help'), 0)
    expect(coracle(context, '--version'), 0)
    expect(coracle(context), 2, 'verb')
    expect(coracle(context, 'fly'), 2, "unknown verb 'fly'", '--help')
    expect(coracle(context, '--fly'), 2, "unknown option '--fly'")
    expect(coracle(context, 'run'), 2, 'image')
    expect(coracle(context, 'run', 'a.elf', '--fly'), 2, '--fly', '--help')
    expect(coracle(context, 'run', 'a.elf', 'b.elf'), 2, 'b.elf', '--')
    expect(coracle(context, 'run', 'a.elf', '--env', '1=x'), 2, 'NAME=VALUE')
    expect(coracle(context, 'run', 'a.elf', '--cpus', '0'), 2, '--cpus 0')
    expect(coracle(context, 'run', 'a.elf', '--hypervisor', 'vmware'), 2, 'xen or coracle')
    expect(coracle(context, 'build'), 2, 'source')
    return expect(coracle(context, 'pack', 'a.elf'), 2, '-o FILE')


def memory(context):
    image = image_file(context)
    for size, part in (('0', 'is zero'), ('0M', 'is zero'), ('lots', 'not a number'), ('16X', 'suffix'),
                       ('-4M', 'not a number'), ('999999999999G', 'too large')):
        expect(coracle(context, 'run', image, '--memory', size), 2, '--memory ' + size, part)
    return expect(coracle(context, 'run', image, '--memory', '64K'), 1, 'too little', '64 KiB', 'at least')


# ---- images that are none ----

def with_field(data, offset, form, value):
    """The ELF file with one field of its header changed."""
    data = bytearray(data)
    struct.pack_into(form, data, offset, value)
    return bytes(data)


def bad_images(context):
    with open(image_file(context), 'rb') as file:
        good = file.read()
    cases = [('empty', b'', 'empty'), ('text', b'#!/bin/sh\n' * 10, 'ELF'), ('short', good[:40], 'ELF'),
             ('truncated', good[:len(good) // 2], 'truncated'), ('i386', with_field(good, 18, '<H', 3), 'machine'),
             ('aarch64', with_field(good, 18, '<H', 183), 'machine'), ('elf32', with_field(good, 4, 'B', 1), '64-bit'),
             ('library', with_field(good, 16, '<H', 3), 'fixed addresses')]
    with Folder() as folder:
        for name, data, part in cases:
            expect(coracle(context, 'run', folder.write(name, data)), 1, name, part)
        source = folder.write('host.c', b'int main(void) { return 0; }')
        host = os.path.join(folder.path, 'host')
        run(['gcc', '-no-pie', '-static', '-o', host, source])
        expect(coracle(context, 'run', host), 1, 'host')
        expect(coracle(context, 'run', os.path.join(folder.path, 'none.elf')), 1, 'No such file')
        return expect(coracle(context, 'run', folder.path), 1, 'not a file')


def overlapping_segments(context):
    with open(image_file(context), 'rb') as file:
        data = bytearray(file.read())
    start, = struct.unpack_from('<Q', data, 32)
    count, = struct.unpack_from('<H', data, 56)
    loads = [start + i * 56 for i in range(count) if struct.unpack_from('<I', data, start + i * 56)[0] == 1]
    # The second segment moves to the first one's addresses.
    data[loads[1] + 16:loads[1] + 32] = data[loads[0] + 16:loads[0] + 32]
    with Folder() as folder:
        return expect(coracle(context, 'run', folder.write('overlap', bytes(data))), 1, 'overlap')


def bad_files(context):
    image = image_file(context)
    with Folder() as folder:
        plain = folder.write('plain', b'x')
        expect(coracle(context, 'run', image, '--root', plain), 1, 'expected a directory', 'plain')
        expect(coracle(context, 'run', image, '--root', plain + '.not'), 1, 'expected a directory')
        expect(coracle(context, 'run', image, '--xen', plain + '.not'), 1, 'hypervisor', 'plain.not')
        expect(coracle(context, 'pack', '-o', '/nonexistent/boot.iso', image), 1, 'cannot write', 'boot.iso')
        expect(coracle(context, 'pack', '-o', os.path.join(folder.path, 'b.iso'), image, '--', ''), 1, 'empty')
        expect(coracle(context, 'run', *options(context, 'xen'), image, '--', 'x' * 1100), 1, '1023')
        source = folder.write('bad.c', b'int main(void) { return missing; }')
        expect(coracle(context, 'build', '-o', os.path.join(folder.path, 'b.elf'), source), 1, 'missing')
        left = sorted(os.listdir(folder.path))
        if left != ['bad.c', 'plain']:
            raise Failure('files are left behind: %s' % left)
    return ''


def without_programs(context):
    image = image_file(context)
    bare = {'PATH': '/nonexistent'}
    expect(coracle(context, 'run', image, env=bare), 1, 'qemu-system-x86_64', 'package qemu-system-x86')
    return expect(coracle(context, 'pack', '-o', '/tmp/never.iso', image, env=bare), 1, 'package grub-common',
                  'package xorriso', 'package mtools')


# ---- what run promises ----

def arguments(hypervisor):
    words = ['plain', 'two words', '', "it's", '"', '\\', 'a,b,,c', '--', '$HOME', '*', '-x', 'a=b', '\t', 'a\nb', 'é']

    def function(context):
        finished = coracle(context, 'run', *options(context, hypervisor), *limit(), '--env', 'HOME=/a b,c',
                           program(context), '--', 'args', *words)
        return expect_out(finished, ''.join('[%s]\n' % w for w in ['cli-program', 'args'] + words) + 'HOME=/a b,c\n')

    return Test('system/cli/arguments/' + hypervisor, function)


def status(hypervisor):
    def function(context):
        for code in (0, 1, 7, 255):
            expect(coracle(context, 'run', *options(context, hypervisor), *limit(), program(context), '--',
                           'exit', str(code)), code)
        return ''

    return Test('system/cli/status/' + hypervisor, function)


def streams(hypervisor):
    """Every byte, in both directions, and the end of the input."""
    def function(context):
        image = program(context)
        # Stock Xen clears the highest bit of what it receives.
        data = bytes(range(128 if hypervisor == 'xen' else 256)) * 40 + b'(XEN no\n(coracle) neither\r\n\r\r\nno end of line'
        done = subprocess.run([product(context, 'coracle'), 'run', *options(context, hypervisor), *limit(),
                               image, '--', 'copy'], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=PATIENCE, check=False)
        if done.returncode != 0 or done.stdout != data:
            first = next((i for i, (a, b) in enumerate(zip(done.stdout, data)) if a != b), None)
            raise Failure('status %d, %d of %d bytes came back, the first other one is number %s' %
                          (done.returncode, len(done.stdout), len(data), first), done.stderr.decode('utf-8', 'replace'))
        return ''

    return Test('system/cli/streams/' + hypervisor, function)


def root(hypervisor):
    def function(context):
        with Folder() as folder:
            folder.write('etc/motd', b'welcome\n')
            folder.write('a/' + 'long' * 40 + '/b', b'deep\n')
            os.symlink('etc/motd', os.path.join(folder.path, 'link'))
            for name, content in (('/etc/motd', 'welcome\n'), ('/link', 'welcome\n'),
                                  ('/a/' + 'long' * 40 + '/b', 'deep\n')):
                expect_out(coracle(context, 'run', *options(context, hypervisor), *limit(), '--root',
                                   folder.path, program(context), '--', 'cat', name), content)
        return ''

    return Test('system/cli/root/' + hypervisor, function)


def backtrace(hypervisor):
    def function(context):
        finished = coracle(context, 'run', *options(context, hypervisor), *limit(), program(context), '--',
                           'fall')
        return expect(finished, 134, 'fall at program.c:', 'main at program.c:')

    return Test('system/cli/backtrace/' + hypervisor, function)


def children(pid):
    with open('/proc/%d/task/%d/children' % (pid, pid), encoding='ascii') as file:
        return [int(word) for word in file.read().split()]


def start_hanging(context, hypervisor):
    """The tool with a machine that runs for ever: the process and its QEMU's number."""
    process = subprocess.Popen([product(context, 'coracle'), 'run', '-q', *options(context, hypervisor),
                                program(context), '--', 'hang'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if process.stdout.readline() != b'up\n':
        process.kill()
        raise Failure('the program does not come up')
    return process, children(process.pid)[0]


def ended_by(hypervisor):
    """Whatever ends the tool ends QEMU too, and two runs at once do not meet."""
    def function(context):
        first = start_hanging(context, hypervisor)
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
            process, qemu = start_hanging(context, hypervisor)
            process.send_signal(number)
            if process.wait(PATIENCE) != code:
                raise Failure('signal %d: exit status %d instead of %d' % (number, process.returncode, code))
            deadline = time.monotonic() + PATIENCE
            while os.path.exists('/proc/%d' % qemu) and time.monotonic() < deadline:
                time.sleep(0.05)
            if os.path.exists('/proc/%d' % qemu):
                raise Failure('signal %d: QEMU outlives the tool' % number)
            process.stdout.close()
        if first[0].poll() is not None:
            raise Failure('the first machine did not survive the others')
        first[0].terminate()
        first[0].wait(PATIENCE)
        first[0].stdout.close()
        return ''

    return Test('system/cli/ended/' + hypervisor, function)


def read_until(descriptor, part):
    """What a terminal shows up to the part."""
    data, deadline = b'', time.monotonic() + PATIENCE
    os.set_blocking(descriptor, False)
    while part not in data.replace(b'\r', b''):
        try:
            data += os.read(descriptor, 1000)
        except BlockingIOError:
            time.sleep(0.02)
        if time.monotonic() > deadline:
            raise Failure('the terminal does not show %r' % part, data.decode('utf-8', 'replace'))
    return data


def terminal(hypervisor):
    """On a terminal the guest gets the keys, Ctrl-A x ends it, and the terminal is as before, however the end comes."""
    def function(context):
        image = program(context)
        for end in ('key', 'interrupts', 'signal', 'program'):
            desk, line = pty.openpty()
            before = termios.tcgetattr(line)
            process = subprocess.Popen([product(context, 'coracle'), 'run', *options(context, hypervisor), image, '--',
                                        'copy' if end == 'program' else 'hang'], stdin=line, stdout=line, stderr=line,
                                       preexec_fn=lambda: take_terminal(line))
            try:
                if end == 'program':
                    # What is typed before the tool has the terminal is still edited by the line itself.
                    while termios.tcgetattr(line)[3] & termios.ICANON and process.poll() is None:
                        time.sleep(0.02)
                    os.write(desk, b'echoed\r\x04')
                    shown = read_until(desk, b'echoed\nechoed')
                else:
                    shown = read_until(desk, b'up\n')
                if end == 'key':
                    os.write(desk, b'\x01x')
                elif end == 'interrupts':
                    interrupt(process, desk)
                elif end == 'signal':
                    process.terminate()
                code = process.wait(PATIENCE)
            finally:
                process.kill()
                process.wait()
            after = termios.tcgetattr(line)
            os.close(desk)
            os.close(line)
            if code != {'key': 130, 'interrupts': 130, 'signal': 143, 'program': 0}[end]:
                raise Failure('ended by %s: exit status %d' % (end, code), shown.decode('utf-8', 'replace'))
            if before != after:
                raise Failure('ended by %s: the terminal stays changed' % end)
        return ''

    return Test('system/cli/terminal/' + hypervisor, function)


def interrupt(process, desk):
    """Nobody reads the console: of two Ctrl-C, with no output between them, the second one goes to the tool."""
    deadline, count = time.monotonic() + PATIENCE, 0
    while process.poll() is None and time.monotonic() < deadline:
        os.write(desk, b'\x03')
        count += 1
        time.sleep(0.5)
    if count < 2:
        raise Failure('the first Ctrl-C ended it')


def take_terminal(line):
    """In the child: a session of its own with the terminal."""
    os.setsid()
    fcntl.ioctl(line, termios.TIOCSCTTY, 0)


def timeout(hypervisor):
    def function(context):
        return expect(coracle(context, 'run', *options(context, hypervisor), '--timeout', '3', program(context), '--',
                              'hang'), 124, 'still ran after 3 s')

    return Test('system/cli/timeout/' + hypervisor, function)


def hypervisor_options(context):
    finished = coracle(context, 'run', '--append', 'loglvl=9 nonsense=1', *limit(), program(context), '--',
                       'exit', '4')
    return expect(finished, 4, "unknown option 'nonsense'", 'option loglvl')


def too_much_for_the_machine(context):
    """The hypervisor's refusal reaches the user."""
    finished = coracle(context, 'run', '--direct', '--append', 'dom0_mem=100G', *limit(), program(context), '--', 'exit')
    return expect(finished, 1, 'not enough memory for the initial domain', 'could not build the domain')


def says_accelerator(context):
    finished = coracle(context, 'run', *options(context, 'xen'), *limit(), image_file(context), '--', 'none')
    if 'TCG' not in finished.err and 'KVM' not in finished.err:
        raise Failure('stderr names no accelerator', finished.text())
    return finished.text()


def collect(_context):
    tests = [Test('system/cli/' + name, function) for name, function in (
        ('usage', usage), ('memory', memory), ('images', bad_images), ('overlap', overlapping_segments),
        ('files', bad_files), ('programs', without_programs), ('accelerator', says_accelerator),
        ('hypervisor-options', hypervisor_options), ('refused', too_much_for_the_machine))]
    for make in (arguments, status, streams, root, backtrace, ended_by, terminal, timeout):
        tests += [make('coracle'), make('host'), make('xen')]
    return tests
