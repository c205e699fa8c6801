# SPDX-License-Identifier: MIT
"""A virtual machine under test: QEMU by TCG, its serial line, and an end that always comes."""
import os
import re
import selectors
import subprocess
import time

from .core import SLOWNESS, Failure

# What a hypervisor says when it is itself at fault. No test may ever see one of these lines.
HYPERVISOR_FAULT = re.compile(
    r'\(XEN\).*(Panic on CPU|FATAL TRAP|FATAL PAGE FAULT|Assertion .* failed|Xen BUG|Xen WARN|DOUBLE FAULT|'
    r'Xen call trace)'
    r'|\(coracle\).*\b(panic|assert\w*|fatal|hypervisor fault|BUG)\b', re.IGNORECASE)

# How each hypervisor announces that the initial domain is gone; the machine may well stay after it.
DOMAIN_END = {
    'xen': {
        'reboot': r'\(XEN\) Hardware Dom0 shutdown: rebooting machine',
        'poweroff': r'\(XEN\) Hardware Dom0 halted: halting machine',
        'crash': r'\(XEN\) Hardware Dom0 crashed: (rebooting machine|\'noreboot\')',
        'watchdog': r'\(XEN\) Hardware Dom0 shutdown: watchdog rebooting machine',
        'unknown': r'\(XEN\) Hardware Dom0 shutdown \(unknown reason 77\): rebooting machine',
    },
    'coracle': {reason: r'\(coracle\) d0: the initial domain has ended: ' + reason
                for reason in ('reboot', 'poweroff', 'crash', 'watchdog', 'unknown')},
}

# Coracle announces the end at a level that is quiet by default.
LOUD = {'xen': '', 'coracle': 'loglvl=all guest_loglvl=all '}


class Output:
    def __init__(self, text, ended):
        self.text = text
        self.ended = ended  # 'exit', 'pattern' or 'timeout'


def quote(word):
    """A comma separates modules in QEMU's -initrd; a doubled one is itself."""
    return word.replace(',', ',,')


# A guest that prints this line wants its input typed.
INPUT_MARK = b'# input'


def run_process(command, timeout, until=None, settle=0.3, typed=''):
    """Runs a command to its end, to a match of the pattern `until` (and a moment more), or to the timeout (seconds of an idle
    machine). What is to be typed goes in when the output asks for it."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    pattern = re.compile(until) if until else None
    deadline = time.monotonic() + timeout * SLOWNESS
    data, ended = bytearray(), None
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                ended = ended or 'timeout'
                break
            if not selector.select(left):
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                ended = ended or 'exit'
                break
            data += chunk
            if typed and INPUT_MARK in data:
                os.write(process.stdin.fileno(), typed.encode())
                typed = ''
            if pattern and not ended and pattern.search(data.decode('utf-8', 'replace')):
                ended = 'pattern'
                deadline = min(deadline, time.monotonic() + settle)
    finally:
        selector.close()
        process.kill()
        process.wait()
        process.stdout.close()
        if process.stdin:
            process.stdin.close()
    return Output(data.decode('utf-8', 'replace').replace('\r', ''), ended)


def hypervisor_file(context, hypervisor):
    path = {'xen': 'xen/xen-4.17', 'coracle': 'hypervisor/coracle-checked.elf'}[hypervisor]
    path = os.path.join(context.build, path)
    if not os.path.exists(path):
        raise Failure('%s is missing; `make test` builds or fetches it' % path)
    return path


def boot(context, hypervisor, image, args='', modules=(), cpu='qemu64', cpus=1, ram=256, memory='64M',
         options='', timeout=60, until=None, typed='', qemu=()):
    """Boots an image as the initial domain through -kernel."""
    append = 'com1=115200,8n1 console=com1 %sdom0_mem=%s %s' % (LOUD[hypervisor], memory, options)
    initrd = ','.join([quote('%s %s' % (image, args)).rstrip()] + [quote(m) for m in modules])
    command = ['qemu-system-x86_64', '-accel', 'tcg', '-cpu', cpu, '-smp', str(cpus), '-m', str(ram),
               '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-nic', 'none', '-no-reboot',
               '-kernel', hypervisor_file(context, hypervisor), '-append', append.rstrip(),
               '-initrd', initrd] + list(qemu)
    return run_process(command, timeout, until, typed=typed)
