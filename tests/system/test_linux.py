# SPDX-License-Identifier: MIT
"""A PV guest that nobody here wrote: Debian's kernel, unchanged, as the initial domain, with user processes."""
import os
import re

from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, run_process

INIT = b"""#!/busybox sh
/busybox mkdir -p /proc /dev
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
echo "init: user space runs on `/busybox uname -s` with `/busybox grep -c ^processor /proc/cpuinfo` processors"
i=0; while [ $i -lt 100 ]; do /busybox true; i=$((i+1)); done
echo "init: 100 processes came and went"
/busybox dd if=/dev/zero of=/x bs=1M count=8 2>/dev/null
echo "init: sum `/busybox sha256sum /x`"
/busybox sleep 1
echo "init: slept"
/busybox poweroff -f
"""
SUM = '2daeb1f36095b44b318410b3f4e8b5d989dcc7bb023d1426c492dab0a3053e74'   # of 8 MiB of zeros


def member(name, mode, content=b''):
    """One file of a cpio archive in the newc format."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    entry = b'070701' + b''.join(b'%08x' % field for field in fields) + name.encode() + b'\0'
    entry += b'\0' * (-len(entry) % 4)
    return entry + content + b'\0' * (-len(content) % 4)


def initramfs(folder):
    path = os.path.join(folder, 'initramfs')
    with open(os.path.join(folder, 'busybox'), 'rb') as file:
        busybox = file.read()
    with open(path, 'wb') as file:
        file.write(member('init', 0o100755, INIT) + member('busybox', 0o100755, busybox) + member('TRAILER!!!', 0))
    return path


def boots(cpus):
    def function(context):
        folder = os.path.join(context.build, 'linux')
        kernel = os.path.join(folder, 'vmlinux')
        output = run_process(['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'qemu64', '-m', '640', '-smp', str(cpus),
                              '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-nic', 'none', '-no-reboot',
                              '-kernel', os.path.join(context.build, 'hypervisor/coracle.elf'),
                              '-append', 'com1=115200,8n1 console=com1 dom0_mem=384M',
                              '-initrd', '%s console=hvc0,%s' % (kernel, initramfs(folder))], timeout=280)
        if HYPERVISOR_FAULT.search(output.text):
            raise Failure('the hypervisor itself is at fault', output.text)
        if output.ended != 'exit':
            raise Failure('the machine did not power off', output.text)
        for pattern in (r'init: user space runs on Linux with %d processors' % cpus, r'init: 100 processes came and went',
                        r'init: sum ' + SUM, r'init: slept', r'reboot: Power down'):
            if not re.search(pattern, output.text):
                raise Failure('nothing like "%s" on the console' % pattern, output.text)
        return output.text

    return Test('system/linux/%dcpus' % cpus, function)


def collect(_context):
    return [boots(1), boots(2)]
