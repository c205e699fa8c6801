# SPDX-License-Identifier: MIT
"""Drivers of the control domain (toolstack/device), each with QEMU's model of its device, by an image that uses what it finds
as a backend would (tests/system/device); some also on stock Xen. The disks' contents are looked at afterwards."""
import os
import re
import shutil
import socket
import struct
import tempfile
import threading

from runner.core import Failure, Test
from runner.machine import DOMAIN_END, HYPERVISOR_FAULT, boot
from runner.tool import product

DISK = 4 << 20
PIECE = 64 << 10
SALT = 0x5a5a5a5a
COUNTED = ('-icount', 'shift=0,sleep=off', '-rtc', 'clock=vm')
NIC = ['-netdev', 'user,id=net']


def pattern(start, end, salt):
    """Bytes start to end of a disk; tests/system/device/disk.c has the same."""
    return b''.join(struct.pack('<I', (i * 2654435761 & 0xffffffff) ^ salt) for i in range(start // 4, end // 4))


BAD = ['-blockdev', 'driver=file,filename=%s,node-name=file', '-blockdev',
       'driver=blkdebug,image=file,node-name=disk,inject-error.0.event=none,inject-error.0.iotype=read,inject-error.0.sector=300,'
       'inject-error.0.errno=5']
SCSI = ['-device', 'virtio-scsi-pci,id=scsi']
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
    'e1000e-lines': dict(card='e1000e', card_driver='e1000', disk='ide-hd,bus=ide.0', disk_driver='ahci', qemu=['-M', 'q35'],
                         lines=True),
    'nvme-lines': dict(disk='nvme,serial=1', disk_driver='nvme', card='virtio-net-pci', card_driver='virtio-net', lines=True),
    'xen-nvme': dict(disk='nvme,serial=1', disk_driver='nvme', card='e1000e', card_driver='e1000', on='xen'),
    # Behind bridges: their lines change hands, and the buses are numbered by firmware.
    'behind-bridge': dict(disk='virtio-blk-pci,vectors=0,bus=bridge,addr=3', disk_driver='virtio-blk',
                          card='rtl8139,bus=bridge,addr=6', card_driver='rtl8139',
                          qemu=['-device', 'pci-bridge,id=bridge,chassis_nr=1,addr=7'], says=['on bus 1: class 020000']),
    'behind-port': dict(disk='nvme,serial=1,bus=one', disk_driver='nvme', card='e1000e,bus=two', card_driver='e1000',
                        qemu=['-M', 'q35', '-device', 'pcie-root-port,id=one,slot=1,chassis=1', '-device',
                              'pcie-root-port,id=two,slot=2,chassis=2'],
                        says=['on bus 1: class 010802', 'on bus 2: class 020000'], cpus=2),
    'behind-switch': dict(disk='virtio-blk-pci-non-transitional,bus=down', disk_driver='virtio-blk',
                          card='virtio-net-pci-non-transitional,bus=other', card_driver='virtio-net', lines=True,
                          qemu=['-M', 'q35', '-device', 'pcie-root-port,id=one', '-device', 'x3130-upstream,id=up,bus=one',
                                '-device', 'xio3130-downstream,id=down,bus=up,chassis=3', '-device',
                                'xio3130-downstream,id=other,bus=up,chassis=4,addr=1'],
                          says=['on bus 3: class 010000', 'on bus 4: class 020000']),
    # A device that nobody drives and that has so much memory that firmware puts what has 64 bits above 4 GiB.
    'wide': dict(disk='nvme,serial=1', disk_driver='nvme', card='virtio-net-pci-non-transitional', card_driver='virtio-net',
                 qemu=['-M', 'q35', '-object', 'memory-backend-ram,id=much,size=4G,reserve=off', '-device',
                       'ivshmem-plain,memdev=much'],
                 says=['above 4 GiB: class 010802', 'above 4 GiB: class 020000', 'above 4 GiB: class 050000',
                       r'device \S+ \(1af4:1110, class 050000\): no driver; it is left alone']),
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
    'scsi': dict(disk='scsi-hd,bus=scsi.0', disk_driver='virtio-scsi', qemu=SCSI),
    'scsi-legacy': dict(disk='scsi-hd,bus=scsi.0,scsi-id=255,logical_block_size=4096,physical_block_size=4096',
                        disk_driver='virtio-scsi', cpus=2, qemu=['-device', 'virtio-scsi-pci,id=scsi,disable-modern=on,vectors=0']),
    'scsi-bad': dict(disk='scsi-hd,bus=scsi.0', disk_driver='virtio-scsi', args='bad', qemu=SCSI),
    'scsi-slow': dict(disk='scsi-hd,bus=scsi.0', disk_driver='virtio-scsi', args='slow', drive=SLOW, qemu=SCSI),
    'scsi-read-only': dict(disk='scsi-hd,bus=scsi.0', disk_driver='virtio-scsi', drive=',readonly=on', qemu=SCSI),
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
        output = boot(context, on, product(context, 'tests/system/devices.elf'),
                      '-- ' + ('lines' if 'lines' in keys else keys.get('args', '')),
                      cpus=keys.get('cpus', 1), cpu=keys.get('cpu', 'qemu64'), memory='128M', qemu=qemu, timeout=100,
                      ram=512 if on == 'xen' else 256, until=DOMAIN_END[on]['poweroff'])
        judge(output)
        for kind in ('disk', 'card'):
            if kind in keys and not re.search(r'^# %s \w+ \(%s\)' % (kind, keys[kind + '_driver']), output.text, re.MULTILINE):
                raise Failure('no %s was found' % kind, output.text)
        for part in keys.get('says', ()):
            if not re.search(part, output.text):
                raise Failure('it does not say "%s"' % part, output.text)
        if not re.search(r'class 030000\): no driver; it is left alone$', output.text, re.MULTILINE):
            raise Failure('the screen is not left alone', output.text)
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


# What tests/system/device/uplink.c sends, again and again: streams of TCP by IPv4, and by IPv6.
MSS = {4: 1448, 6: 1428}
MARKS = {1: 4, 11: 6, 2: 4, 12: 6, 3: 4, 13: 6}


def sizes(mss):
    return [1, 100, mss, mss + 1, 2 * mss, 4096, 30000, 65535 - 86] + [40 * mss] * 16


def ones_sum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Packets:
    """The packets that must come, in this order, each with this of the stream; `wrong` says which did not."""

    def __init__(self, fragments):
        """fragments: what the card shall cut comes whole, as IPv4 fragments: so does QEMU's 82574 before 8.0."""
        self.expected, self.wrong, self.parts, at = [], None, b'', 0xffff8000
        for mark, version in MARKS.items():
            mss = 65535 if fragments and mark == 1 else MSS[version]
            for size in sizes(MSS[version]):
                for begin in range(0, size, mss):
                    length = min(mss, size - begin)
                    self.expected.append((mark, (at + begin) & 0xffffffff, length, begin // mss, begin + length == size))
                at += size

    def reassemble(self, frame):
        """The frame, or the one whose last fragment it is; None: there are more."""
        field = struct.unpack('!H', frame[20:22])[0]
        if frame[12:14] != b'\x08\0' or not field & 0x3fff:
            return frame
        if (field & 0x1fff) * 8 != len(self.parts):
            self.wrong = 'a fragment at %d instead of %d' % ((field & 0x1fff) * 8, len(self.parts))
        self.parts += frame[34:14 + struct.unpack('!H', frame[16:18])[0]]
        if field & 0x2000:
            return None
        ip = bytearray(frame[14:34])
        ip[2:4], ip[6:8], ip[10:12] = struct.pack('!H', 20 + len(self.parts)), b'\0\0', b'\0\0'
        ip[10:12] = struct.pack('!H', ~ones_sum(bytes(ip)) & 0xffff)
        whole, self.parts = frame[:14] + bytes(ip) + self.parts, b''
        return whole

    def take(self, frame):
        frame = self.reassemble(frame)
        if not self.expected or self.wrong or frame is None:
            return
        mark, at, length, number, last = self.expected[0]
        ipv6 = MARKS[mark] == 6
        if number == 0 and len(frame) == 14 + 20 + 32:
            return  # QEMU's 8254x sends an empty packet behind a whole number of full ones
        self.expected.pop(0)
        ip, tcp = frame[14:], frame[14 + (40 if ipv6 else 20):]
        if ipv6:
            whole = struct.unpack('!H', ip[4:6])[0] + 40
            pseudo = ip[8:40] + struct.pack('!II', whole - 40, 6)
        else:
            whole, name = struct.unpack('!HH', ip[2:6])
            pseudo = ip[12:20] + struct.pack('!HH', 6, whole - 20)
            if ones_sum(ip[:20]) != 0xffff or name != (0xfff0 + number) & 0xffff:
                self.wrong = 'IPv4: checksum %04x, identification %04x' % (ones_sum(ip[:20]), name)
        words = bytes((i ^ i >> 8 ^ i >> 16) & 255 for i in ((at + n) & 0xffffffff for n in range(length)))
        good = (frame[:14] == b'\2\0\0\0\0\2\2\0\0\0\0\1' + (b'\x86\xdd' if ipv6 else b'\x08\0'),
                whole == len(ip) == (72 if ipv6 else 52) + length, struct.unpack('!HHI', tcp[:8]) == (mark, 80, at),
                tcp[12] == 0x80, tcp[13] == (0x19 if last else 0x10), tcp[20:32] == b'\1\1\x08\nabcdefgh',
                ones_sum(pseudo + tcp) == 0xffff, tcp[32:] == words)
        if not all(good):
            self.wrong = self.wrong or 'stream %d, number %d, %d bytes: %s' % (mark, at, length, good)


def uplink(name, card, driver, cuts=False, fragments=False):
    """Long TCP frames out of a bridge, cut by the card where it does that (IPv4): what comes out on its wire."""
    def function(context):
        folder = tempfile.mkdtemp(prefix='coracle-')
        packets = Packets(fragments)

        def listen():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.bind(folder + '/host')
                ready.set()
                wire.settimeout(100)
                try:
                    while packets.expected and not packets.wrong:
                        packets.take(wire.recv(65536))
                    wire.sendto(b'\xff' * 6 + b'\2\0\0\0\0\2\x88\xb5'.ljust(54, b'\0'), folder + '/card')
                except OSError as error:
                    packets.wrong = packets.wrong or '%d packets have not come: %s' % (len(packets.expected), error)

        ready = threading.Event()
        thread = threading.Thread(target=listen)
        thread.start()
        ready.wait()
        try:
            output = boot(context, 'coracle', product(context, 'tests/system/devices.elf'), '-- uplink', memory='128M',
                          timeout=100, until=DOMAIN_END['coracle']['poweroff'],
                          qemu=['-netdev', 'dgram,id=net,local.type=unix,local.path=%s/card,remote.type=unix,remote.path=%s/host'
                                % (folder, folder), '-device', card + ',netdev=net', *COUNTED])
        finally:
            thread.join()
            shutil.rmtree(folder)
        if packets.wrong:
            raise Failure(packets.wrong, output.text)
        judge(output)
        if '(%s)' % driver not in output.text:
            raise Failure('no card was found', output.text)
        by = re.findall(r'IPv4, cut by the (\w+)', output.text)
        if by != ['card' if cuts else 'bridge', 'bridge', 'bridge']:
            raise Failure('IPv4 is cut by: %s' % by, output.text)
        return output.text

    return Test('system/devices/uplink-' + name, function)


def collect(_context):
    return [machine(name, keys) for name, keys in MACHINES.items()] + [
        uplink('e1000', 'e1000', 'e1000', cuts=True), uplink('e1000e', 'e1000e', 'e1000', cuts=True, fragments=True),
        uplink('rtl8139', 'rtl8139', 'rtl8139'), uplink('virtio', 'virtio-net-pci', 'virtio-net')]
