# SPDX-License-Identifier: MIT
"""A packed medium in a machine of QEMU's, as on a desk: its first serial line is a file, its second a terminal."""
import os
import re
import subprocess

from .core import Failure
from .machine import HYPERVISOR_FAULT

FIRMWARE = {'bios': [], 'uefi': ['-bios', '/usr/share/ovmf/OVMF.fd']}


class PackedMachine:
    """QEMU with a medium, and what `qemu` adds; `line` is the device of its second serial line. `log` is the file of the first."""

    def __init__(self, medium, firmware, log, qemu):
        self.log = log
        with open(log + '.qemu', 'wb') as file:
            self.process = subprocess.Popen(
                ['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'qemu64', '-m', '512', '-display', 'none', '-no-reboot', *qemu,
                 '-serial', 'file:' + log, '-chardev', 'pty,id=line', '-serial', 'chardev:line',
                 '-drive', 'format=raw,file=' + medium, *FIRMWARE[firmware]],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file)
        # Said when the terminal is there, and so is what stands before it on the command line.
        first = self.process.stdout.readline().decode()
        found = re.search(r'redirected to (\S+)', first)
        if not found:
            self.process.kill()
            raise Failure('QEMU names no terminal', first + self.console())
        self.line = found.group(1)

    def console(self):
        text = ''
        for path in (self.log + '.qemu', self.log):
            if os.path.exists(path):
                with open(path, encoding='utf-8', errors='replace') as file:
                    text += file.read()
        return text

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if isinstance(error, Failure):
            error.output += '\n--- first serial line ---\n' + self.console()
        elif kind is None and HYPERVISOR_FAULT.search(self.console()):
            raise Failure('the hypervisor itself is at fault', self.console())
