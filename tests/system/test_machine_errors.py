# SPDX-License-Identifier: MIT
"""What a machine reports by NMI and by machine check, from a processor in a guest and from one that is halted. QEMU's
monitor makes them."""
import os
import re
import socket
import subprocess
import tempfile
import threading
import time

from runner.core import PATIENCE, Failure, Test
from runner.machine import hypervisor_file
from runner.tool import product

# Valid, uncorrected, enabled, with miscellany and an address; the context is not corrupt.
STATUS, ADDRESS = 0xbc00000000000135, 0x1234000
FAULT = re.compile(r'\(coracle\).*(PANIC|hypervisor fault)')


class Machine:
    """QEMU with a guest, and its monitor."""

    def __init__(self, context, mode, cpus):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, 'monitor')
        self.output, self.changed = '', threading.Condition()
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'qemu64', '-smp', str(cpus), '-m', '256', '-display', 'none',
             '-serial', 'stdio', '-monitor', 'unix:%s,server=on,wait=off' % path, '-nic', 'none', '-no-reboot',
             '-kernel', hypervisor_file(context, 'coracle'), '-append', 'com1=115200,8n1 console=com1 dom0_mem=64M noreboot',
             '-initrd', '%s %s' % (product(context, 'tests/system/heartbeat.elf'), mode)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self.collect, daemon=True).start()
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def collect(self):
        while True:
            chunk = os.read(self.process.stdout.fileno(), 4096)
            with self.changed:
                self.output += chunk.decode('utf-8', 'replace').replace('\r', '') if chunk else '\n(QEMU has ended)\n'
                self.changed.notify_all()
            if not chunk:
                return

    def wait(self, pattern, start=0, again=None):
        """The match of the pattern in what came after `start`. Does `again` now and then meanwhile."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                match = re.compile(pattern, re.MULTILINE).search(self.output, start)
                if match:
                    return match
                if time.monotonic() > deadline or 'QEMU has ended' in self.output:
                    raise Failure('nothing like "%s" on the serial line' % pattern, self.output)
                if again:
                    again()
                self.changed.wait(0.2)

    def order(self, line):
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(PATIENCE)
            monitor.connect(self.path)
            text = monitor.recv(4096)
            monitor.sendall(line.encode() + b'\n')
            while text.count(b'(qemu)') < 2:
                more = monitor.recv(4096)
                if not more:
                    raise Failure("QEMU's monitor ended", text.decode())
                text += more

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def no_fault(self):
        if FAULT.search(self.output):
            raise Failure('the hypervisor itself is at fault', self.output)
        return self.output


def nmi_busy(cpus):
    def function(context):
        with Machine(context, 'busy', cpus) as machine:
            machine.wait('^beat 1$')
            # One that comes while the hypervisor works is not reported.
            seen = machine.wait(r'NMI on processor 0, ignored', again=lambda: machine.order('nmi'))
            machine.wait(r'^beat \d+\n(.*\n)*beat', seen.end())
            return machine.no_fault()
    return Test('system/machine_errors/nmi-busy/%dcpus' % cpus, function)


def nmi_idle(context):
    with Machine(context, 'idle', 1) as machine:
        machine.wait('^waits$')
        for _ in range(10):
            machine.order('nmi')
        machine.type('one line\n')
        machine.wait('^heard one line$')
        return machine.no_fault()


def machine_check(mode, ready):
    """Nobody knows whose memory it was: the machine stops, and says what the bank holds."""
    def function(context):
        with Machine(context, mode, 1) as machine:
            machine.wait(ready)
            machine.order('mce 0 2 0x%x 0x5 0x%x 0x8c' % (STATUS, ADDRESS))
            machine.wait(r'\(coracle\) PANIC: machine check on processor 0 at [0-9a-f]{4}:[0-9a-f]{16}: '
                         r'machine status 0x5, bank 2, status 0x%x, address 0x%x$' % (STATUS, ADDRESS))
            machine.wait('halted')
            return machine.output
    return Test('system/machine_errors/machine-check-' + mode, function)


def collect(_context):
    return [nmi_busy(1), nmi_busy(4), Test('system/machine_errors/nmi-idle', nmi_idle),
            machine_check('busy', '^beat 1$'), machine_check('idle', '^waits$')]
