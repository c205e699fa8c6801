# SPDX-License-Identifier: MIT
"""One run of the hypercall fuzzer: a machine, a seed, and the proof that the hypervisor is alive at the end.

The guest may come to any end or to none. The hypervisor must have announced the end of the domain, or must answer its
console keys when the time is over. Its own fault, a machine that ends without a word, and silence are failures."""
import os
import re
import selectors
import subprocess
import time

from runner.core import PATIENCE, Failure
from runner.machine import DOMAIN_END, HYPERVISOR_FAULT, hypervisor_file
from runner.tool import product

GUEST = 'tests/fuzz/hypercalls.elf'
KEYS = b'\x01\x01\x01h'
ANSWER = re.compile(r'\(coracle\).*key h: this help')
ENDED = re.compile('|'.join(DOMAIN_END['coracle'].values()))
AUDIT = re.compile(r'audit (-?\d+)')
BEGUN = 'fuzz: seed='


class Result:
    def __init__(self, text, end):
        self.text = text
        progress = re.findall(r'fuzz: processor \d.*', text)
        crash = re.findall(r'crashed: .*', text)
        self.summary = '%s; %s%s' % (end, progress[-1] if progress else 'no progress', '; ' + crash[0] if crash else '')


def read_some(process, selector, data, seconds):
    """Appends what comes within the time; false at the end of the output."""
    if selector.select(seconds):
        chunk = os.read(process.stdout.fileno(), 65536)
        data += chunk
        return bool(chunk)
    return True


def text_of(data):
    return data.decode('utf-8', 'replace').replace('\r', '')


def watch(process, seconds):
    """The output, and how it ended: 'ended' (the domain, in order), 'answered', 'silent' or 'exit'. The time begins with the
    fuzzer's first line."""
    data, begun, asked = bytearray(), False, False
    deadline = time.monotonic() + PATIENCE
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    while True:
        running = read_some(process, selector, data, 0.2)
        text = text_of(data)
        if ENDED.search(text):
            return text, 'ended'
        if HYPERVISOR_FAULT.search(text):
            after = time.monotonic() + 2
            while time.monotonic() < after and read_some(process, selector, data, 0.2):
                pass
            return text_of(data), 'fault'
        if asked and ANSWER.search(text):
            return text, 'answered'
        if not running:
            return text, 'exit'
        if not begun and not asked and BEGUN in text:
            begun, deadline = True, time.monotonic() + seconds
        if time.monotonic() > deadline:
            if asked:
                return text, 'silent'
            process.stdin.write(KEYS)
            process.stdin.flush()
            asked, deadline = True, time.monotonic() + PATIENCE


def fuzz(context, seed, calls, cpus=1, cpu='qemu64', reckless=0, seconds=15):
    """Runs one seed and returns a Result, or raises Failure with the seed in its message."""
    words = 'fuzz seed=%d calls=%d reckless=%d' % (seed, calls, reckless)
    process = subprocess.Popen(
        ['qemu-system-x86_64', '-accel', 'tcg', '-cpu', cpu, '-smp', str(cpus), '-m', '256', '-display', 'none',
         '-serial', 'stdio', '-monitor', 'none', '-nic', 'none', '-no-reboot', '-device', 'edu',
         '-device', 'virtio-rng-pci', '-kernel',
         hypervisor_file(context, 'coracle'), '-append',
         'com1=115200,8n1 console=com1 dom0_mem=16M noreboot dom0_max_vcpus=8',
         '-initrd', '%s %s' % (product(context, GUEST), words)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        text, end = watch(process, seconds)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()
    where = '%s on %d processors of %s' % (words, cpus, cpu)
    if HYPERVISOR_FAULT.search(text):
        raise Failure('the hypervisor itself is at fault: ' + where, text)
    if end == 'exit':
        raise Failure('the machine ended without a word: ' + where, text)
    if end == 'silent':
        raise Failure('the hypervisor does not answer its console keys: ' + where, text)
    audit = AUDIT.search(text)
    if audit and int(audit.group(1)) not in (0, -22, -38):
        raise Failure('the audit of frames found %s: %s' % (audit.group(1), where), text)
    if BEGUN not in text:
        raise Failure('the fuzzer did not start: ' + where, text)
    return Result(text, end)
