#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the targets in tests/fuzz/host: seeds.py FOLDER BUILD makes FOLDER/TARGET/seedN."""
import os
import struct
import sys
import zlib


def image(build):
    """A small image with notes, built by hand, and the smallest ones that the build has."""
    def note(kind, data):
        return struct.pack('<III', 4, len(data), kind) + b'Xen\0' + data + b'\0' * (-len(data) % 4)

    base = 0x100000
    notes = (note(5, b'3.0\0') + note(6, b'small\0') + note(8, b'generic\0') + note(3, struct.pack('<Q', 0)) +
             note(1, struct.pack('<Q', base)) + note(4, struct.pack('<Q', 0)) + note(9, b'yes\0') +
             note(2, struct.pack('<Q', base + 4096)) + note(16, struct.pack('<I', 1)))
    for with_p2m in (False, True):
        extra = notes + (note(15, struct.pack('<Q', 0x8000000000)) if with_p2m else b'')
        code = b'\xf4' * 64
        start = 64 + 2 * 56
        head = b'\x7fELF\2\1\1'.ljust(16, b'\0') + struct.pack('<HHIQQQIHHHHHH', 2, 62, 1, base, 64, 0, 0, 64, 56, 2, 64, 0, 0)
        load = struct.pack('<IIQQQQQQ', 1, 7, start, base, base, len(code), 0x2000, 4096)
        notes_header = struct.pack('<IIQQQQQQ', 4, 4, start + len(code), 0, 0, len(extra), len(extra), 4)
        for size in (b'\xff\x02\x00\x00', b'\x80\x03\x09\x0a', b'\xff\x02\x09\x8a'):
            yield size + head + load + notes_header + code + extra
    for name in ('tests/abi/oldimage.elf',):
        path = os.path.join(build, name)
        if os.path.exists(path):
            with open(path, 'rb') as file:
                yield b'\xff\x03\x00\x00' + file.read(65536)


def decode(_):
    for code in ('488907', '44884c2410', '42c744e5fcffffffff', '66c7001234', '89042578563412', 'f0480fb10f', '480fc70f',
                 'f348a5', 'f3aa', '0f01d0', '0fa2', '0f32', '0f30', 'e460', 'e680', 'ec', 'ee', '6e', 'f36c', 'fa',
                 'fb', 'f4', '0f20c0', '0f22d8', '0f06', '48870f', '480fc10f', '488f00', '4801074890', '65488b04250000'):
        yield bytes([15]) + bytes.fromhex(code) + bytes(16)


def boot(_):
    regions = ((0, 0x9fc00, 1), (0x9fc00, 0x400, 2), (0xf0000, 0x10000, 2), (0x100000, 0x1fee0000, 1), (0x1ffe0000, 0x20000, 3))
    text = b'coracle.elf com1=9600 noreboot dom0_mem=64M loglvl=all\0'
    base, memory = 0x10000, bytearray(1024)
    memory[0x100:0x100 + len(text)] = text
    memory[0x180:0x185] = b'qemu\0'
    modules = b''.join(struct.pack('<IIII', start, end, base + 0x190, 0)
                       for start, end in ((0x300000, 0x380010), (0x381000, 0x381100)))
    memory[0x190:0x19a] = b'guest a b\0'
    memory[0x1c0:0x1c0 + len(modules)] = modules
    mmap = b''.join(struct.pack('<IQQI', 20, *region) for region in regions)
    memory[0x200:0x200 + len(mmap)] = mmap
    memory[0:68] = struct.pack('<17I', 0x24c, 0, 0, 0, base + 0x100, 2, base + 0x1c0, 0, 0, 0, 0, len(mmap), base + 0x200, 0, 0, 0,
                               base + 0x180)
    yield b'\0' + bytes(memory)
    memory[0:4] = struct.pack('<I', 1)
    memory[4:12] = struct.pack('<II', 639, 65536)
    yield b'\0' + bytes(memory)

    def tag(kind, body):
        return struct.pack('<II', kind, len(body) + 8) + body + b'\0' * (-len(body) % 8)
    tags = (tag(1, b'x loglvl=all\0') + tag(2, b'GRUB 2.06\0') + tag(4, struct.pack('<II', 639, 1000)) +
            tag(3, struct.pack('<II', 0x300000, 0x310000) + b'one two\0') +
            tag(6, struct.pack('<II', 24, 0) + b''.join(struct.pack('<QQII', *region, 0) for region in regions)) +
            tag(14, b'RSD PTR old\0') + tag(0, b''))
    yield b'\1' + struct.pack('<II', len(tags) + 8, 0) + tags


def options(_):
    yield (b'com1=9600,7e1 com2=38400,8n1,0x3e8,5 console=com2 guest_console=com1,raw dom0_mem=64M maxcpus=4\tnosmp '
           b'noreboot=no dom0_max_vcpus=2 loglvl=all guest_loglvl=none/debug sched=credit')
    yield b'dom0_mem=0x10000000000000000 dom0_mem=17179869184G maxcpus=-1 unknown =x com1='


def mux(_):
    up = bytes([1, 0, 1, 0]) + b'\0'
    yield up + bytes([2, 3, 0, 0]) + bytes([3, 3, 4, 0]) + b'abcd' + bytes([5, 3, 0, 0]) + bytes([200, 0, 201, 0])
    frame = struct.pack('<BBBBHH', 0xc0, 0x7a, 1, 0, 0, 12)
    hello = struct.pack('<III', 1, 7, 5)
    raw = frame + struct.pack('<I', zlib.crc32(frame + hello)) + hello
    yield bytes([240, len(raw)]) + raw + b'\xf0\x10' + bytes(16)


CONFIG = (b'{"name":"web","uuid":"01234567-89AB-cdef-fedc-ba9876543210","kernel":"k","ramdisk":"r","cmdline":"-- a b",'
          b'"memory_kib":4096,"maxmem_kib":8192,"vcpus":2,"maxvcpus":4,"cpus":"0-1,^1","cpu_weight":512,"cap":50,'
          b'"on_poweroff":"preserve","on_reboot":"destroy","on_crash":"restart","on_watchdog":"preserve","paused":true,'
          b'"vif":["mac=00:16:3e:00:00:01,bridge=b"],"disk":["file:/x,xvda,w"]}')


def http(_):
    yield b'GET /x?a=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n\r\nGET /2 HTTP/1.1\r\n\r\n'
    yield b'POST /b HTTP/1.1\r\nContent-Length: %d\r\n\r\n' % len(CONFIG) + CONFIG
    yield b'POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n'
    yield b'GET /hold HTTP/1.1\r\n\r\nGET /n HTTP/1.1\r\n\r\n\xff\x02\xff\x01'
    yield b'GET /stream HTTP/1.1\r\n\r\n\xff\x05\xff\x0d\xff\x10'
    yield b'GET /c HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: coracle-console\r\n\r\nxyz'
    yield b'GET /hold HTTP/1.1\r\n\r\n\xff\x20\xff\x02'
    yield b'PUT /no HTTP/1.1\r\nContent-Length: 9\r\n\r\n\xff\x10123'


def config(_):
    yield CONFIG
    yield b'{"name":"a","kernel":"k","memory_kib":4096}'
    yield b'all'
    yield b'0-3,^1,7'


def blk(_):
    limits = struct.pack('<BBQ', 0, 0, 1 << 20) + b''
    for operation, segments in ((0, 1), (1, 11), (2, 1), (3, 0)):
        request = struct.pack('<BBH4xQQ', operation, segments, 51712, 77, 8)
        request += b''.join(struct.pack('<IBBxx', 5 + i, 0, 7) for i in range(segments))
        yield limits + request
    yield struct.pack('<BBBQ', 4, 8, 0, 1 << 20) + struct.pack('<BBH4xQQQ', 5, 0, 51712, 1, 8, 64)
    indirect = struct.pack('<BBHxxxxQQH', 6, 1, 20, 3, 16, 51712).ljust(28, b'\0') + struct.pack('<I', 9)
    yield limits + indirect.ljust(112, b'\0') + b''.join(struct.pack('<IBBxx', i, 0, 7) for i in range(20))


def net(_):
    ethernet = bytes(6) + b'\x00\x16\x3e\0\0\1\x08\x00'
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 4000, 1, 0, 64, 6, 0, b'\x0a\0\0\1', b'\x0a\0\0\2')
    tcp = struct.pack('>HHIIBBHHH', 80, 1024, 1, 1, 0x50, 0x18, 512, 0, 0)
    header = ethernet + ip + tcp
    fill = bytes([9, 0, len(header)]) + header
    buffers, everything = bytes([5, 39]), bytes([11, 31])
    yield fill + bytes([1, 0, 0, 60, 0]) + bytes([3, 0xff]) + buffers + bytes([7, 0, 7, 1])
    # A frame to be segmented: extra info, then its rest in a second page.
    big = bytes([1, 0x68 | 0x08, 0, 0x10, 0x0e])
    yield fill + everything + big + bytes([2, 1 | 1 << 3, 180]) + bytes([3, 0xff]) + buffers + bytes([7, 0, 7, 1])
    pieces = bytes([1, 0x20 | 1, 0, 0, 0x1f, 1, 2, 0, 0, 0x10])
    yield fill + pieces + bytes([3, 0x8f]) + everything + buffers + bytes([7, 0, 7, 1])
    yield bytes([4, 127, 3]) + bytes([6, 200]) + bytes([0]) + bytes(12) + bytes([3, 0])


def lines(_):
    for text in (b'data.img,raw,xvda,w', b'format=qcow2,vdev=xvdb,access=ro,target=a.qcow2', b'phy:sda,xvda1,w!',
                 b'vdev=hda, backendtype=phy, direct-io-safe, discard, target=/dev/x,y', b'tap:aio:/x,d5p1,r'):
        yield b'\1' + text
    for text in (b'mac=00:16:3e:00:00:01,bridge=br0,ip=10.0.0.2/24 fe80::1,rate=10Mb/s@20ms,mtu=9000,devid=3,vifname=v',
                 b'bridge=lan,antispoof=1', b'', b'rate=1MB/s,script=vif-bridge,type=vif,model=e1000'):
        yield b'\0' + text


def xl_cfg(_):
    yield (b'# a guest\nname = "web"\nkernel = "/boot/k"; ramdisk = \'r\'\nmemory = 64\nmaxmem = 128\nvcpus = 2\n'
           b'cpus = ["0-1", "^1"]\nvif = [ "mac=00:16:3e:00:00:01,bridge=br0",\n  "bridge=lan" ]\n'
           b'disk = [ \'phy:sda,xvda,w\' ]\nextra = "a b"\nroot = "/dev/xvda"\non_crash = "coredump-destroy"\n'
           b'type = "pv"\nunknown = 5\n')
    yield b'name="a"\nkernel="k"\ncmdline="mount=/d:xvda:ext2 -- x"\ncap=50\ncpu_weight=0x100\n"""'


def main():
    folder, build = sys.argv[1:3]
    for target in (image, decode, boot, options, mux, http, config, blk, net, lines, xl_cfg):
        os.makedirs(os.path.join(folder, target.__name__), exist_ok=True)
        for i, data in enumerate(target(build)):
            with open(os.path.join(folder, target.__name__, 'seed%d' % i), 'wb') as file:
                file.write(data)


if __name__ == '__main__':
    main()
