# SPDX-License-Identifier: MIT
"""Disks through the whole path: a program, blkfront, blkback, a driver, QEMU, and the image on this machine."""
import fcntl
import os
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import time

from runner.core import Failure, Test
from runner.host import LocalHost, children, kill
from runner.tool import coracle, limit

SECTOR = 512
MEGABYTE = 1024 * 1024


def check(condition, what, output=''):
    if not condition:
        raise Failure(what, str(output))


BUILT = {}
BUILDING = threading.Lock()


def program(context, name='disk'):
    """The image of disk/NAME.c, built once."""
    image = os.path.join(context.build, 'tests/system/disk_%s.elf' % name)
    source = os.path.join(os.path.dirname(__file__), 'disk/%s.c' % name)
    with BUILDING:
        if image not in BUILT:
            os.makedirs(os.path.dirname(image), exist_ok=True)
            BUILT[image] = coracle(context, 'build', '-o', image, source, '-O2', '-g', '-pthread', '-isystem',
                                   os.path.join(context.build, 'libos/abi'),
                                   *(['-lext2', '-I.'] if name in ('files', 'cost') else []))
    if BUILT[image].status != 0:
        raise Failure('a program of the tests cannot be built', BUILT[image].text())
    return image


def pattern(number):
    """What disk.c writes into a sector."""
    return b''.join(struct.pack('<Q', (number * 0x9e3779b97f4a7c15 + i) % 2**64) for i in range(0, SECTOR, 8))


class Images:
    """A directory for images."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix='coracle-disk-')
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name, size=0, data=b''):
        path = os.path.join(self.path, name)
        with open(path, 'wb') as file:
            file.write(data)
            file.truncate(max(size, len(data)))
        return path

    def qcow2(self, name, size, *options):
        path = os.path.join(self.path, name)
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', *options, path, str(size)], check=True)
        return path

    def raw(self, image):
        """A qcow2 image's content, which must be whole."""
        checked = subprocess.run(['qemu-img', 'check', '-q', '-f', 'qcow2', image], capture_output=True, check=False)
        # 3: clusters that nobody refers to, which a crash may leave
        check(checked.returncode in (0, 3), 'qemu-img check finds errors', checked.stdout + checked.stderr)
        path = image + '.raw'
        subprocess.run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', image, path], check=True)
        with open(path, 'rb') as file:
            return file.read()


def run(context, disks, *steps, status=0, says=(), stdin=''):
    options = [word for disk in disks for word in ('--disk', disk)]
    finished = coracle(context, 'run', *limit(), *options, program(context), '--', *steps, stdin=stdin)
    check(finished.status == status, 'exit status %d instead of %d' % (finished.status, status), finished.text())
    for part in says:
        check(part in finished.text(), 'nothing like "%s" was said' % part, finished.text())
    check('not ok' not in finished.out, 'a step failed', finished.text())
    return finished


def expect_pattern(data, first, count):
    for number in range(first, first + count):
        if data[number * SECTOR:(number + 1) * SECTOR] != pattern(number):
            raise Failure('sector %d of the image is not what the program wrote' % number)


# ---- data ----

def raw_image(context):
    with Images() as images:
        image = images.file('a,b.img', 4 * MEGABYTE, b'x' * 4096 + pattern(8) * 2)
        run(context, ['vdev=xvda,target=' + image], 'size:xvda', 'get:xvda:0:5', 'check:xvda:8:1', 'fill:xvda:10:3000',
            'check:xvda:10:3000', 'put:xvda:1021:across sectors', 'get:xvda:1021:14', 'flush:xvda',
            says=['xvda has 4194304 bytes, sectors of 512, writable; fstat 4194304, end 4194304, block device 1',
                  "got 'xxxxx'", "got 'across sectors'"])
        with open(image, 'rb') as file:
            data = file.read()
        check(len(data) == 4 * MEGABYTE, 'the image has another size')
        expect_pattern(data, 10, 3000)
        check(data[1021:1035] == b'across sectors' and data[:1021] == b'x' * 1021 and data[1035:4096] == b'x' * 3061,
              'what lies beside was changed')
        check(not any(data[3010 * SECTOR:]), 'sectors were written that nobody wrote')


def qcow2_and_threads(context):
    with Images() as images:
        image = images.qcow2('a.qcow2', 8 * MEGABYTE)
        run(context, [image], 'fill:xvda:3000:500', 'check:xvda:3000:500', 'threads:xvda', 'flush:xvda')
        data = images.raw(image)
        expect_pattern(data, 3000, 500)
        expect = b''.join(pattern(number + 3) for number in range(8 * 320))  # the last round of the threads
        check(data[:8 * 320 * SECTOR] != bytes(8 * 320 * SECTOR), 'the threads wrote nothing')
        for thread in range(8):
            first = thread * 320
            check(data[first * SECTOR:(first + 320) * SECTOR] == expect[first * SECTOR:(first + 320) * SECTOR],
                  'what thread %d wrote is not on the disk' % thread)


def ring_of_pages(context):
    """A ring of four pages: more requests in flight than one page holds."""
    with Images() as images:
        image = images.file('a', 8 * MEGABYTE)
        config = images.file('d.cfg', data=(
            'name = "d"\nkernel = "%s"\nmemory = 32\ndisk = [ "%s,raw,xvda,w" ]\n'
            'cmdline = "diskring=4 -- fill:xvda:3000:500 check:xvda:3000:500 threads:xvda flush:xvda ring:xvda wait"\n'
            % (program(context), image)).encode())
        with LocalHost(context, '--memory', '192M', config) as host:
            host.wait_until(lambda: 'waiting' in host.run('logs', 'd').out, 'the program is through')
            said = host.ok('logs', 'd')
            check('not ok' not in said and 'ok threads' in said, 'a step failed', said)
            check('ring-page-order 2' in said, 'the ring is another one', said)
        with open(image, 'rb') as file:
            expect_pattern(file.read(), 3000, 500)


def two_disks(context):
    with Images() as images:
        first, second = images.file('1', MEGABYTE), images.file('2', 2 * MEGABYTE)
        run(context, [first, second + ',raw,xvdq,w'], 'size:xvda', 'size:xvdq', 'fill:xvda:0:10', 'fill:xvdq:100:10',
            'flush:xvda', 'flush:xvdq', says=['xvda has 1048576', 'xvdq has 2097152'])
        with open(first, 'rb') as file:
            data = file.read()
        expect_pattern(data, 0, 10)
        check(not any(data[10 * SECTOR:]), 'the first disk has what was meant for the second')
        with open(second, 'rb') as file:
            data = file.read()
        expect_pattern(data, 100, 10)
        check(not any(data[:100 * SECTOR]), 'the second disk has what was meant for the first')


def read_only(context):
    with Images() as images:
        image = images.file('ro.img', MEGABYTE, pattern(0))
        os.chmod(image, 0o444)
        run(context, [image + ':ro'], 'size:xvda', 'check:xvda:0:1', 'limits:xvda',
            says=['read-only;', 'write: Read-only file system', 'open for writing: Read-only file system',
                  'beyond the end: Invalid argument', 'far beyond: Invalid argument', 'read at the end: 0',
                  'no such disk: No such file'])
        with open(image, 'rb') as file:
            check(file.read() == pattern(0) + bytes(MEGABYTE - SECTOR), 'a read-only image has changed')


def discard(context):
    with Images() as images:
        image = images.qcow2('a.qcow2', 16 * MEGABYTE)
        run(context, [image], 'fill:xvda:0:8192', 'discard:xvda:0:4096', 'flush:xvda')
        data = images.raw(image)
        check(not any(data[:4096 * SECTOR]), 'discarded sectors are still there')
        expect_pattern(data, 4096, 4096)


def plain_program(context):
    """A program that only opens /dev/xvda asks for disks when it is linked; without that it carries none of them."""
    source = os.path.join(os.path.dirname(__file__), 'disk/plain.c')
    with Images() as images:
        image = images.file('a', MEGABYTE, b'a line on the disk\n')
        for flags, output in (['-Wl,-u,cor_block_open'], 'read: a line on the disk'), ([], 'the disk: No such file'):
            elf = os.path.join(images.path, 'plain.elf')
            built = coracle(context, 'build', '-o', elf, source, '-O2', *flags)
            check(built.status == 0, 'it cannot be built', built.text())
            ran = coracle(context, 'run', *limit(), '--disk', image, elf)
            check(output in ran.text(), 'nothing like "%s" was said' % output, ran.text())
            symbols = subprocess.run(['nm', elf], capture_output=True, text=True, check=True).stdout
            check(('T cor_block_open' in symbols or 'W cor_block_open' in symbols) == bool(flags),
                  'the disks are %s the program' % ('not in' if flags else 'in'))


# ---- crashes ----

def flush_survives(context):
    """A write that was acknowledged after a flush is in the image when QEMU is killed. The image is qcow2, whose tables
    QEMU keeps in memory until a flush: without one the data could not be found again."""
    with Images() as images:
        image = images.qcow2('a.qcow2', 16 * MEGABYTE)
        with LocalHost(context, '--memory', '192M',
                       images.file('d.cfg', data=('name = "d"\nkernel = "%s"\nmemory = 32\ndisk = [ "%s,qcow2,xvda,w" ]\n'
                                                  'extra = "fill:xvda:100:9000 flush:xvda wait"\n'
                                                  % (program(context), image)).encode())) as host:
            host.wait_until(lambda: 'waiting' in host.run('logs', 'd').out, 'the program has flushed')
            check('ok flush' in host.ok('logs', 'd'), 'no flush', host.ok('logs', 'd'))
            qemu, = children(host.agent())
            kill(qemu)
            host.wait_until(lambda: not os.path.exists('/proc/%d' % qemu), 'QEMU is dead')
        expect_pattern(images.raw(image), 100, 9000)


# ---- file systems ----

def run_files(context, images, image, argument, read_only=False, crash=False):
    """files.c with the image mounted at /data; what it said."""
    config = images.file('f.cfg', data=(
        'name = "f"\nkernel = "%s"\nmemory = 64\ndisk = [ "%s,raw,xvda,%s" ]\non_poweroff = "preserve"\n'
        'cmdline = "mount=/data:xvda:ext2 -- %s"\n'
        % (program(context, 'files'), image, 'r' if read_only else 'w', argument)).encode())
    with LocalHost(context, '--memory', '256M', config) as host:
        if crash:
            host.wait_until(lambda: 'done' in host.run('logs', 'f').out, 'the program is through')
            kill(*children(host.agent()))
        else:
            host.wait_until(lambda: host.has_ended('f'), 'the program ends')
        said = host.run('logs', 'f').out if not crash else ''
        if not crash:
            host.run('host', 'stop')
    return said


def make_ext(images, kind, size=16 * MEGABYTE):
    tree = os.path.join(images.path, 'tree')
    os.makedirs(os.path.join(tree, 'deep/er'), exist_ok=True)
    for name, text in (('hello', 'from outside\n'), ('deep/er/file', 'deep\n')):
        with open(os.path.join(tree, name), 'w', encoding='ascii') as file:
            file.write(text)
    image = images.file(kind, size)
    subprocess.run(['mke2fs', '-q', '-t', kind, '-d', tree, image], check=True, env=dict(os.environ, PATH=PATH))
    return image


PATH = os.environ['PATH'] + ':/sbin:/usr/sbin'


def fsck(image, *options):
    return subprocess.run(['e2fsck', '-f', *(options or ['-n']), image], capture_output=True, text=True, check=False,
                          env=dict(os.environ, PATH=PATH))


def debugfs(image, command):
    return subprocess.run(['debugfs', '-R', command, image], capture_output=True, text=True, check=True,
                          env=dict(os.environ, PATH=PATH)).stdout


def files(context, kind):
    with Images() as images:
        image = make_ext(images, kind)
        said = run_files(context, images, image, 'work')
        check('done' in said and 'not ok' not in said, 'a call is wrong', said)
        checked = fsck(image)
        check(checked.returncode == 0, 'e2fsck finds errors', checked.stdout + said)
        check(debugfs(image, 'cat /dir/a') == 'second\n' and debugfs(image, 'cat /b') == 'first\n',
              'another system reads something else')
        mapped = debugfs(image, 'cat /mapped')
        check(len(mapped) == 3 * MEGABYTE and mapped[100:104] == 'sync' and mapped[200:204] == 'exit' and
              all(mapped[i * MEGABYTE + 4094:i * MEGABYTE + 4098] == 'page' for i in range(3)),
              'what was written through a mapping is not on the disk')
        said = run_files(context, images, image, 'read', read_only=True)
        check('done' in said and 'not ok' not in said, 'a call on a read-only volume is wrong', said)


def unclean(context):
    """After a crash the volume is refused until e2fsck has put it right; what was written before fsync is there."""
    with Images() as images:
        image = make_ext(images, 'ext2')
        run_files(context, images, image, 'wait', crash=True)
        said = run_files(context, images, image, 'work')
        check('it was not unmounted' in said and 'run e2fsck' in said and 'ok' not in said.split('ext2:')[0],
              'an unclean volume is mounted', said)
        checked = fsck(image, '-y')
        check(checked.returncode in (0, 1), 'e2fsck cannot repair it', checked.stdout)
        said = run_files(context, images, image, 'read', read_only=True)
        check('ok what was there' in said, 'the repaired volume cannot be read', said)


def acknowledged(text):
    """The last record that the program says is on the disk."""
    numbers = re.findall(r'^acknowledged (\d+)$', text, re.MULTILINE)
    return int(numbers[-1]) if numbers else -1


def survives(context, kind, whole_host):
    """What was acknowledged after fsync is there after a crash of the domain alone, or of the host, and the journal makes
    the rest good: the volume is mounted as it is."""
    with Images() as images:
        image = make_ext(images, 'ext4')
        if kind == 'qcow2':
            subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', image, image + '.qcow2'], check=True)
            image += '.qcow2'
        config = images.file('r.cfg', data=(
            'name = "r"\nkernel = "%s"\nmemory = 32\ndisk = [ "%s,%s,xvda,w" ]\ncmdline = "mount=/data:xvda -- records"\n'
            % (program(context, 'files'), image, kind)).encode())
        with LocalHost(context, '--memory', '192M', config) as host:
            host.wait_until(lambda: acknowledged(host.run('logs', 'r').out) > 40, 'records are written')
            last = acknowledged(host.ok('logs', 'r'))
            qemu, = children(host.agent())
            with open('/proc/%d/cmdline' % qemu, encoding='utf-8') as file:
                check('cache=writeback' in file.read(), 'a flush does not reach the file')
            if whole_host:
                kill(qemu)
                host.wait_until(lambda: not os.path.exists('/proc/%d' % qemu), 'QEMU is dead')
            else:
                host.ok('destroy', 'r')
                host.run('host', 'stop')
        finished = coracle(context, 'run', *limit(), '--memory', '32M', '--disk', image, '--mount', '/data',
                           program(context, 'files'), '--', 'verify', str(last))
        check('its journal is replayed' in finished.text() and 'done' in finished.out and 'not ok' not in finished.out,
              'what was acknowledged is not there', finished.text())
        if kind == 'qcow2':
            images.raw(image)
            image += '.raw'
        checked = fsck(image)
        check(checked.returncode == 0, 'e2fsck finds errors', checked.stdout)


def foreign_journal(context):
    """A journal that another system left, with checksums of its own, is replayed; on a read-only disk it is refused."""
    with Images() as images:
        image = make_ext(images, 'ext4')
        block = debugfs(image, 'blocks /hello').split()[0]
        size = int(re.search(r'Block size: +(\d+)', debugfs(image, 'stats -h')).group(1))
        content = images.file('content', size, b'from outside\n')
        # The file's only block is in the journal, and spoiled in its place.
        commands = 'jo -c -v 3\njw -b %s %s\njc\nzap_block -p 7 %s\nquit\n' % (block, content, block)
        subprocess.run(['debugfs', '-w', image], input=commands, text=True, capture_output=True, check=True,
                       env=dict(os.environ, PATH=PATH))
        check(debugfs(image, 'cat /hello')[0] == '\x07', 'the journal was replayed by the test itself')
        for access, steps, status, says in ((':ro', 'read', 1, 'must be replayed, but the disk is read-only'),
                                            ('', 'work', 0, 'its journal is replayed')):
            finished = coracle(context, 'run', '--timeout', '60', '--disk', image + access, '--mount', '/data',
                               program(context, 'files'), '--', steps, timeout=90)
            check(finished.status == status and says in finished.text() and 'not ok' not in finished.out,
                  'the journal is not dealt with', finished.text())
        checked = fsck(image)
        check(checked.returncode == 0, 'e2fsck finds errors', checked.stdout)


def cost(context):
    """Operations on files do not go to the disk one by one."""
    most = {'read 4 KiB in order': 80, 'write 4 KiB': 80, 'fsync of 4 MiB': 80, 'overwrite 4 KiB': 160, 'read 4 KiB again': 0,
            'create and write': 60, 'stat': 0, 'append and fsync': 200, 'unlink': 40, 'sync': 20}
    with Images() as images:
        os.makedirs(os.path.join(images.path, 'tree'))
        with open(os.path.join(images.path, 'tree/there'), 'wb') as file:
            file.write(b'z' * 4 * MEGABYTE)
        finished = coracle(context, 'run', '--timeout', '100', '--disk', make_ext(images, 'ext4', 32 * MEGABYTE), '--mount',
                           '/data', program(context, 'cost'), timeout=110)
        check(finished.status == 0, 'an operation fails', finished.text())
        counts = {name: int(count) for name, count in re.findall(r'^ok (.*): \d+ operations, (\d+) requests', finished.out,
                                                                 re.MULTILINE)}
        check(set(counts) == set(most), 'other operations', finished.text())
        for name, count in counts.items():
            check(count <= most[name], '%s: %d requests, expected at most %d' % (name, count, most[name]), finished.text())


# ---- other controllers, disks with errors ----

class Devices(LocalHost):
    """A host with more devices than the tool gives it."""

    def __init__(self, context, images, devices, *options):
        super().__init__(context, *options)
        self.folder = os.path.join(images.path, 'bin')
        os.mkdir(self.folder)
        wrapper = os.path.join(self.folder, 'qemu-system-x86_64')
        with open(wrapper, 'w', encoding='ascii') as file:
            file.write('#!/bin/sh\nexec %s "$@" %s\n' % (shutil.which('qemu-system-x86_64'), ' '.join(devices)))
        os.chmod(wrapper, 0o755)

    def run(self, *arguments, stdin='', timeout=60, env=None):
        env = dict(env or {}, PATH=self.folder + ':' + os.environ['PATH'])
        return super().run(*arguments, stdin=stdin, timeout=timeout, env=env)


def controllers(context):
    """The whole way, from a guest through blkfront and blkback, for the driver of each kind of disk."""
    kinds = (('hda', 'ide-hd,bus=ide.0'), ('sda', 'ide-hd,bus=sata.0'), ('nvda', 'nvme,serial=1'), ('vda', 'virtio-blk-pci'))
    with Images() as images:
        devices, disks, steps = ['-device ich9-ahci,id=sata'], [], []
        for i, (name, device) in enumerate(kinds):
            image = images.file(name, 4 * MEGABYTE)
            devices.append('-drive if=none,id=x%d,format=raw,file=%s -device %s,drive=x%d' % (i, image, device, i))
            vdev = 'xvd' + 'abcd'[i]
            disks.append('"phy:%s,%s,w"' % (name, vdev))
            steps += ['fill:%s:%d:1500' % (vdev, 100 * i), 'check:%s:%d:1500' % (vdev, 100 * i), 'flush:' + vdev]
        config = images.file('d.cfg', data=('name = "d"\nkernel = "%s"\nmemory = 32\ndisk = [ %s ]\nextra = "%s wait"\n' % (
            program(context), ', '.join(disks), ' '.join(steps))).encode())
        with Devices(context, images, devices, '--memory', '192M', config) as host:
            host.wait_until(lambda: 'waiting' in host.run('logs', 'd').out, 'the program is through')
            said = host.ok('logs', 'd')
            check('not ok' not in said and said.count('ok flush') == 4, 'a disk does not do what it should', said)
            kill(*children(host.agent()))
        for i, (name, _) in enumerate(kinds):
            with open(os.path.join(images.path, name), 'rb') as file:
                expect_pattern(file.read(), 100 * i, 1500)


def bad_disk(context):
    """A block that can be neither read nor written is EIO for who wants it, and for nobody else."""
    with Images() as images:
        tree = os.path.join(images.path, 'tree')
        os.makedirs(tree)
        with open(os.path.join(tree, 'there'), 'wb') as file:
            file.write(b'y' * 8192)
        image = make_ext(images, 'ext4')
        block = int(debugfs(image, 'blocks /there').split()[0])
        size = int(re.search(r'Block size: +(\d+)', debugfs(image, 'stats -h')).group(1))
        rule = 'inject-error.%d.event=none,inject-error.%d.iotype=%s,inject-error.%d.sector=%d,inject-error.%d.errno=%d'
        rules = [rule % (i, i, kind, i, block * size // 512, i, error)
                 for i, (kind, error) in enumerate((('read', 5), ('write', 28)))]
        devices = ['-blockdev driver=file,filename=%s,node-name=file' % image,
                   '-blockdev driver=blkdebug,image=file,node-name=disk,' + ','.join(rules),
                   '-device virtio-blk-pci,request-merging=off,werror=report,rerror=report,drive=disk']
        config = images.file('b.cfg', data=(
            'name = "b"\nkernel = "%s"\nmemory = 32\ndisk = [ "phy:vda,xvda,w" ]\non_poweroff = "preserve"\n'
            'cmdline = "mount=/data:xvda -- bad"\n' % program(context, 'files')).encode())
        with Devices(context, images, devices, '--memory', '192M', config) as host:
            host.wait_until(lambda: 'done' in host.run('logs', 'b').out, 'the program is through')
            said = host.ok('logs', 'b')
            check('not ok' not in said and 'it can only be read from now on' in said, 'an error is not what it should be', said)
            host.run('host', 'stop')


def mounts(context):
    """--mount of `run`, and what it says when there is nothing to mount."""
    with Images() as images:
        good, other, empty = make_ext(images, 'ext4'), make_ext(images, 'ext2'), images.file('empty', MEGABYTE)

        def mount(*options, status=0, says=(), image=None, steps=('read',)):
            finished = coracle(context, 'run', *limit(), *options, image or program(context, 'files'), '--', *steps)
            check(finished.status == status, 'exit status %d instead of %d' % (finished.status, status), finished.text())
            for part in says:
                check(part in finished.text(), 'nothing like "%s" was said' % part, finished.text())
        mount('--disk', good + ':ro', '--mount', '/data', says=['ok what was there', 'ok read-only'])
        mount('--disk', empty, '--disk', other + ':ro', '--mount', '/data:xvdb', says=['ok what was there'])
        mount('--disk', empty, '--mount', '/data', status=1, says=['xvda is not mounted', 'no file system ext2, ext3 or ext4'])
        mount('--disk', good, '--mount', '/data:xvdq', status=1, says=['xvdq is not mounted', 'no such disk'])
        mount('--disk', good, '--mount', '/data', '--disk', other, '--mount', '/data', status=1,
              says=['xvdb is not mounted: /data'])
        mount('--disk', good, '--mount', '/data', status=1, image=program(context, 'disk'), says=['-lext2'], steps=['get:xvdq:0:1'])
        mount('--mount', '/data', status=2, says=['expected a disk (--disk FILE) before it'])
        mount('--disk', good, '--mount', 'data', status=2, says=['expected PATH or PATH:DISK'])
        checked = fsck(good)
        check(checked.returncode == 0, 'e2fsck finds errors', checked.stdout)
        with open(good, 'r+b') as file:
            file.seek(1024 + 0x20)
            file.write(b'\0' * 8)
        mount('--disk', good, '--mount', '/data', status=1, says=['xvda is not mounted'])


# ---- a frontend that lies ----

def hostile(context):
    """It harms nobody but itself: another domain uses its own disk meanwhile, and the same disk serves the next."""
    with Images() as images:
        first, second = images.file('1', MEGABYTE), images.file('2', 2 * MEGABYTE)

        def config(name, kernel, disk, steps):
            return images.file(name + '.cfg', data=(
                'name = "%s"\nkernel = "%s"\nmemory = 32\ndisk = [ "%s" ]\nextra = "%s"\non_crash = "destroy"\n'
                % (name, program(context, kernel), disk, steps)).encode())
        work = 'fill:xvda:0:4000 check:xvda:0:4000 flush:xvda ' * 3
        with LocalHost(context, '--memory', '256M', config('liar', 'hostile', first + ',raw,xvda,w', ''),
                       config('neighbour', 'disk', second + ',raw,xvda,w', work)) as host:
            host.wait_until(lambda: host.run('logs', 'liar').status == 0, 'the liar is made')
            host.wait_until(lambda: 'dying' in host.run('logs', 'liar').out or 'liar' not in host.domains(),
                            'the liar is through')
            said = host.ok('logs', 'liar')
            check('all said' in said and 'not ok' not in said, 'the backend took a lie, or fell for it', said)
            host.wait_until(lambda: 'done' in host.run('logs', 'neighbour').out, 'the neighbour is through')
            said = host.ok('logs', 'neighbour')
            check('not ok' not in said and said.count('ok check') == 3, 'the neighbour was harmed', said)
            host.wait_until(lambda: 'liar' not in host.domains(), 'the liar is gone')
            host.ok('create', config('next', 'disk', 'phy:vda,xvda,w', 'fill:xvda:8:1000 check:xvda:8:1000 flush:xvda wait'))
            host.wait_until(lambda: 'waiting' in host.run('logs', 'next').out, 'the next one is through')
            check('not ok' not in host.ok('logs', 'next'), 'the next one was harmed', host.ok('logs', 'next'))
            host.fails('create', config('third', 'disk', 'phy:vda,xvdb,w', ''), says=['in use by domain', 'xvda'])
        with open(second, 'rb') as file:
            expect_pattern(file.read(), 0, 4000)


# ---- bad images ----

def bad_images(context):
    with Images() as images:
        def refused(disk, *says):
            finished = coracle(context, 'run', '--disk', disk, program(context), '--', 'size:xvda')
            check(finished.status == 1, 'exit status %d for %s' % (finished.status, disk), finished.text())
            for part in says:
                check(part in finished.err, 'nothing like "%s" was said' % part, finished.text())
        good = images.file('good', MEGABYTE)
        refused(os.path.join(images.path, 'missing'), 'missing', 'No such file')
        refused(images.path, 'Is a directory')
        refused(images.file('empty'), 'found 0 bytes')
        refused(images.file('odd', 1000), 'found 1000 bytes; is it truncated?')
        qcow2 = images.qcow2('cut', 64 * MEGABYTE)
        os.truncate(qcow2, 4096)
        refused(qcow2, 'is truncated')
        refused(good + ',qcow2,xvda,w', 'expected a qcow2 image')
        backed = images.qcow2('backed', MEGABYTE, '-b', good, '-F', 'raw')
        refused(backed, 'refers to another file')
        refused(good + ',raw,sdzz,w', 'expected a virtual disk')
        refused(good + ',vhd,xvda,w', 'expected the format')
        refused('phy:vda,xvda,w', 'expected an image file')
        fd = os.open(good, os.O_RDWR)
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, 100, 2, 0))
        refused(good, 'in use by another machine')
        refused(good + ':ro', 'in use by another machine')
        os.close(fd)
        finished = coracle(context, 'run', '--disk', good, '--disk', good, program(context))
        check(finished.status == 1 and 'given twice' in finished.err, 'one image is two disks', finished.text())
        finished = coracle(context, 'run', '--direct', '--disk', good, program(context))
        check(finished.status == 2, 'a disk with --direct', finished.text())
        run(context, ['format=qcow2,vdev=xvda,target=' + backed], 'size:xvda', says=['xvda has 1048576'])


def host_without_disk(context):
    with LocalHost(context) as host:
        config = host.file('d.cfg', 'name = "d"\nkernel = "%s"\nmemory = 32\ndisk = [ "phy:vda,xvda,w" ]\n' %
                           program(context))
        host.fails('create', config, says=['expected a disk of this host (it has none)', 'vda'])
        check(host.domains() == {}, 'a domain is left')


def collect(context):
    del context
    return [Test('system/disk/' + name, function) for name, function in (
        ('raw', raw_image), ('qcow2', qcow2_and_threads), ('ring', ring_of_pages), ('two', two_disks), ('readonly', read_only),
        ('plain', plain_program), ('discard', discard), ('flush', flush_survives), ('ext2', lambda c: files(c, 'ext2')), ('ext4', lambda c: files(c, 'ext4')),
        ('unclean', unclean), ('survives-domain', lambda c: survives(c, 'raw', False)), ('survives-raw', lambda c: survives(c, 'raw', True)),
        ('survives-qcow2', lambda c: survives(c, 'qcow2', True)), ('journal', foreign_journal), ('cost', cost), ('controllers', controllers), ('bad_disk', bad_disk), ('mount', mounts),
        ('hostile', hostile), ('bad_images', bad_images), ('no_disk', host_without_disk))]
