# SPDX-License-Identifier: MIT
"""A PV guest that nobody here wrote: Debian's kernel, unchanged, as the initial domain, with user processes and with its own
drivers for a disk (messages) and a network card (a level-triggered line)."""
import hashlib
import os
import re

from runner import linux
from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, run_process

START = b"""#!/busybox sh
/busybox mkdir -p /proc /dev
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
"""
PROCESSES = START + b"""
echo "init: user space runs on `/busybox uname -s` with `/busybox grep -c ^processor /proc/cpuinfo` processors"
i=0; while [ $i -lt 100 ]; do /busybox true; i=$((i+1)); done
echo "init: 100 processes came and went"
/busybox dd if=/dev/zero of=/x bs=1M count=8 2>/dev/null
echo "init: sum `/busybox sha256sum /x`"
/busybox sleep 1
echo "init: slept"
/busybox poweroff -f
"""
# In the order in which they need each other.
MODULES = ['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk', 'e1000']
DEVICES = START + b"""
for module in """ + ' '.join(MODULES).encode() + b"""; do
    /busybox insmod /modules/$module.ko || echo "init: $module was refused"
done
echo "init: disk `/busybox sha256sum /dev/vda`"
echo "written by the guest" | /busybox dd of=/dev/vda bs=512 seek=100 conv=notrunc 2>/dev/null
/busybox sync
/busybox ifconfig eth0 10.0.2.15 up
i=0; while [ $i -lt 20 ] && ! /busybox ping -c 3 -W 5 10.0.2.2; do i=$((i+1)); done
/busybox grep -E 'eth0|virtio0-req' /proc/interrupts
/busybox poweroff -f
"""
SUM = '2daeb1f36095b44b318410b3f4e8b5d989dcc7bb023d1426c492dab0a3053e74'   # of 8 MiB of zeros


def boot(context, name, init, cpus, patterns, qemu):
    kernel = os.path.join(context.build, 'linux/vmlinux')
    archive = linux.initramfs(context, 'initramfs-' + name, init, MODULES)
    output = run_process(['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'qemu64', '-m', '640', '-smp', str(cpus),
                          '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot',
                          '-kernel', os.path.join(context.build, 'hypervisor/coracle.elf'),
                          '-append', 'com1=115200,8n1 console=com1 dom0_mem=384M',
                          '-initrd', '%s console=hvc0,%s' % (kernel, archive)] + qemu, timeout=280)
    if HYPERVISOR_FAULT.search(output.text):
        raise Failure('the hypervisor itself is at fault', output.text)
    if output.ended != 'exit':
        raise Failure('the machine did not power off', output.text)
    for pattern in patterns + [r'reboot: Power down']:
        if not re.search(pattern, output.text):
            raise Failure('nothing like "%s" on the console' % pattern, output.text)
    return output.text


def processes(cpus):
    def function(context):
        return boot(context, '%dcpus' % cpus, PROCESSES, cpus,
                    [r'init: user space runs on Linux with %d processors' % cpus, r'init: 100 processes came and went',
                     r'init: sum ' + SUM, r'init: slept'], ['-nic', 'none'])

    return Test('system/linux/%dcpus' % cpus, function)


def devices(context):
    path = os.path.join(context.build, 'linux/disk')
    content = b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(1 << 17))   # 4 MiB
    with open(path, 'wb') as file:
        file.write(content)
    text = boot(context, 'devices', DEVICES, 2,
                [r'init: disk ' + hashlib.sha256(content).hexdigest(), r'3 packets transmitted, 3 packets received',
                 r'\d+ +xen-pirq +-msi-x +virtio0-req', r'\d+ +xen-pirq +-ioapic-level +eth0'],
                ['-drive', 'file=%s,format=raw,if=virtio' % path, '-nic', 'user,model=e1000'])
    with open(path, 'rb') as file:
        after = file.read()
    want = content[:51200] + b'written by the guest\n'
    if after[:len(want)] != want or after[51712:] != content[51712:]:
        raise Failure('the disk does not hold what the guest wrote', text)
    return text


def collect(_context):
    return [processes(1), processes(2), Test('system/linux/devices', devices)]
