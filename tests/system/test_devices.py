# SPDX-License-Identifier: MIT
"""Drivers of the control domain (toolstack/device), each with QEMU's model of its device, by an image that uses what it finds
as a backend would (tests/system/device); some also on stock Xen. The disks' contents are looked at afterwards."""
import os
import re
import struct

from runner.core import Failure, Test
from runner.machine import DOMAIN_END, HYPERVISOR_FAULT, boot
from runner.tool import product

DISK = 4 << 20
PIECE = 64 << 10
SALT = 0x5a5a5a5a
NIC = ['-netdev', 'user,id=net']


def pattern(start, end, salt):
    """Bytes start to end of a disk; tests/system/device/disk.c has the same."""
    return b''.join(struct.pack('<I', (i * 2654435761 & 0xffffffff) ^ salt) for i in range(start // 4, end // 4))


BAD = ['-blockdev', 'driver=file,filename=%s,node-name=file', '-blockdev',
       'driver=blkdebug,image=file,node-name=disk,inject-error.0.event=none,inject-error.0.iotype=read,inject-error.0.sector=300,'
       'inject-error.0.errno=5']
SLOW = ',throttling.bps-total=4096'


def disk_options(path, device, drive='', args=''):
    if args == 'bad':
        return [word % path if '%s' in word else word for word in BAD] + ['-device', device + ',drive=disk']
    return ['-drive', 'file=%s,format=raw,if=none,id=disk%s' % (path, drive), '-device', device + ',drive=disk']


# Name: what the image must say that it found; device models; more of QEMU's options; arguments.
MACHINES = {
    'virtio': dict(disk='virtio-blk-pci', disk_driver='virtio-blk', card='virtio-net-pci', card_driver='virtio-net'),
    'virtio-legacy': dict(disk='virtio-blk-pci,disable-modern=on', disk_driver='virtio-blk',
                          card='virtio-net-pci,disable-modern=on', card_driver='virtio-net'),
    'virtio-modern': dict(disk='virtio-blk-pci-non-transitional', disk_driver='virtio-blk',
                          card='virtio-net-pci-non-transitional', card_driver='virtio-net', qemu=['-M', 'q35']),
    'virtio-line': dict(disk='virtio-blk-pci,vectors=0', disk_driver='virtio-blk',
                        card='virtio-net-pci,vectors=0,disable-modern=on', card_driver='virtio-net', cpus=2),
    'virtio-shared': dict(disk='virtio-blk-pci,vectors=0,addr=5', disk_driver='virtio-blk',
                          card='e1000,addr=9', card_driver='e1000', shared=True),
    'xen-virtio': dict(disk='virtio-blk-pci', disk_driver='virtio-blk', card='virtio-net-pci', card_driver='virtio-net',
                       on='xen'),
    'xen-lines': dict(disk='ide-hd,bus=ide.0', disk_driver='ide', card='e1000', card_driver='e1000', on='xen'),
    'virtio-small': dict(disk='virtio-blk-pci,queue-size=8,logical_block_size=4096,physical_block_size=4096',
                         disk_driver='virtio-blk', cpu='Opteron_G1'),
    'e1000': dict(card='e1000', card_driver='e1000', disk='virtio-blk-pci,vectors=0', disk_driver='virtio-blk'),
    'rtl8139': dict(card='rtl8139', card_driver='rtl8139', disk='virtio-blk-pci', disk_driver='virtio-blk'),
    'rtl8139-shared': dict(card='rtl8139,addr=9', card_driver='rtl8139', disk='virtio-blk-pci,vectors=0,addr=5',
                           disk_driver='virtio-blk', shared=True, cpus=2),
    'e1000e': dict(card='e1000e', card_driver='e1000', qemu=['-M', 'q35'], cpus=2),
    'ahci': dict(disk='ide-hd,bus=ide.0', disk_driver='ahci', qemu=['-M', 'q35']),
    'ahci-pc': dict(disk='ide-hd,bus=sata.2', disk_driver='ahci', qemu=['-device', 'ich9-ahci,id=sata'], cpus=2),
    'virtio-bad': dict(disk='virtio-blk-pci,request-merging=off', disk_driver='virtio-blk', args='bad'),
    'virtio-slow': dict(disk='virtio-blk-pci', disk_driver='virtio-blk', args='slow', drive=SLOW),
    'ahci-bad': dict(disk='ide-hd,bus=ide.0', disk_driver='ahci', qemu=['-M', 'q35'], args='bad'),
    'ahci-slow': dict(disk='ide-hd,bus=ide.0', disk_driver='ahci', qemu=['-M', 'q35'], args='slow', drive=SLOW),
    'ide': dict(disk='ide-hd,bus=ide.0', disk_driver='ide'),
    'ide-second': dict(disk='ide-hd,bus=ide.1,unit=1', disk_driver='ide', cpus=2),
    'ide-bad': dict(disk='ide-hd,bus=ide.0', disk_driver='ide', args='bad'),
    'ide-slow': dict(disk='ide-hd,bus=ide.0', disk_driver='ide', args='slow', drive=SLOW),
    'nvme': dict(disk='nvme,serial=1', disk_driver='nvme'),
    'nvme-blocks': dict(disk='nvme,serial=1,logical_block_size=4096,physical_block_size=4096', disk_driver='nvme',
                        qemu=['-M', 'q35'], cpus=2),
    'nvme-bad': dict(disk='nvme,serial=1', disk_driver='nvme', args='bad'),
    'nvme-slow': dict(disk='nvme,serial=1', disk_driver='nvme', args='slow', drive=SLOW),
    'virtio-read-only': dict(disk='virtio-blk-pci', disk_driver='virtio-blk', drive=',readonly=on'),
}


def judge(output):
    # QEMU's own lines about errors that it was told to make come in between.
    output.text = re.sub(r'qemu-system-x86_64: aio failed: .*\n', '', output.text)
    if HYPERVISOR_FAULT.search(output.text):
        raise Failure('the hypervisor itself is at fault', output.text)
    bad = re.search(r'^not ok (.*)$', output.text, re.MULTILINE)
    if bad:
        raise Failure(bad.group(1), output.text)
    done = re.search(r'^done: (\d+) passed, 0 failed$', output.text, re.MULTILINE)
    if not done or int(done.group(1)) != len(re.findall(r'^ok ', output.text, re.MULTILINE)):
        raise Failure('the image did not come to its end', output.text)


def machine(name, keys):
    def function(context):
        qemu = list(keys.get('qemu', []))
        path = os.path.join(context.build, 'tests/system/device-%s.disk' % name)
        if 'disk' in keys:
            with open(path, 'wb') as file:
                file.write(pattern(0, DISK, 0))
            qemu += disk_options(path, keys['disk'], keys.get('drive', ''), keys.get('args', ''))
        if 'card' in keys:
            qemu += NIC + ['-device', keys['card'] + ',netdev=net']
        on = keys.get('on', 'coracle')
        output = boot(context, on, product(context, 'tests/system/devices.elf'), '-- ' + keys.get('args', ''),
                      cpus=keys.get('cpus', 1), cpu=keys.get('cpu', 'qemu64'), memory='128M', qemu=qemu, timeout=100,
                      ram=512 if on == 'xen' else 256, until=DOMAIN_END[on]['poweroff'])
        judge(output)
        for kind in ('disk', 'card'):
            if kind in keys and not re.search(r'^# %s \w+ \(%s\)' % (kind, keys[kind + '_driver']), output.text, re.MULTILINE):
                raise Failure('no %s was found' % kind, output.text)
        if 'shared' in keys and len(set(re.findall(r'^# line (\d+)$', output.text, re.MULTILINE))) != 1:
            raise Failure('the devices do not share a line', output.text)
        if 'disk' in keys:
            half = DISK // 2 // PIECE * PIECE
            with open(path, 'rb') as file:
                after = file.read()
            # The first sectors may be discarded; the rest is as it was, or as the image wrote it.
            written = 0 if 'readonly' in keys.get('drive', '') or 'args' in keys else SALT
            if after[PIECE:half] != pattern(PIECE, half, 0) or after[half:] != pattern(half, DISK, written):
                raise Failure('the disk does not hold what it should', output.text)
        return output.text

    return Test('system/devices/' + name, function)


def collect(_context):
    return [machine(name, keys) for name, keys in MACHINES.items()]
