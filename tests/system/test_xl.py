# SPDX-License-Identifier: MIT
"""Images of ours under stock Xen and xl, with disks and interfaces whose backends are those of Debian's Linux."""
import io
import os
import tarfile
import tempfile

from runner import linux
from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, run_process
from runner.tool import coracle, product

MODULES = ['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk',
           'xen-evtchn', 'xen-gntdev', 'xen-privcmd', 'xenfs', 'xen-netback', 'xen-blkback']
SITE = {'index.html': b'<p>from Coracle</p>\n', 'large': bytes(range(251)) * 4000}
MEGABYTE = 1 << 20

STEPS = ('size:xvda size:xvdb fill:xvda:100:5000 check:xvda:100:5000 threads:xvda flush:xvda discard:xvda:8192:4096 limits:xvdb '
         'gone:xvda until:xvdc check:xvdc:3000:2000')
CONFIGS = {
    'web': """
kernel = "/images/httpd.elf"
ramdisk = "/images/site.tar"
memory = 32
vif = [ "ip=10.9.1.1/24,script=vif" ]
""",
    'echo': """
kernel = "/images/echo.elf"
memory = 32
vif = [ "ip=10.9.2.1/24,script=vif" ]
cmdline = "netqueues=2 --"
""",
    'disk': """
kernel = "/images/disk.elf"
memory = 32
disk = [ "/dev/vda,raw,xvda,w", "/dev/vdb,raw,xvdb,r" ]
cmdline = "diskring=4 -- %s"
""" % STEPS,
}
DISK_SAYS = ['xvda has 8388608 bytes, sectors of 512, writable', 'xvdb has 1048576 bytes, sectors of 512, read-only',
             'ok fill', 'ok check xvda', 'ok threads', 'ok flush', 'ok discard', 'write: Read-only file system', 'ok gone xvda',
             'ok until xvdc', 'ok check xvdc']


def site():
    """The web server's root, as the archive that an image unpacks."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name, content in SITE.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def disk_program(context):
    """The image of disk/disk.c."""
    image = os.path.join(context.build, 'tests/system/xl_disk.elf')
    source = os.path.join(os.path.dirname(__file__), 'disk/disk.c')
    built = coracle(context, 'build', '-o', image, source, '-O2', '-g', '-pthread', '-isystem',
                    os.path.join(context.build, 'libos/abi'))
    if built.status != 0:
        raise Failure('a program of the tests cannot be built', built.text())
    return image


def archive(context):
    tools = product(context, 'xentools')
    files = [('sbin/' + name, linux.PROGRAM, linux.read(os.path.join(tools, 'bin', name)))
             for name in os.listdir(os.path.join(tools, 'bin'))]
    for name in os.listdir(os.path.join(tools, 'lib')):
        folder = 'lib64/' if name.startswith('ld-linux') else 'lib/'
        files.append((folder + name, linux.PROGRAM, linux.read(os.path.join(tools, 'lib', name))))
    for name, image in (('httpd', product(context, 'samples/httpd/httpd.elf')),
                        ('echo', product(context, 'samples/echo/echo.elf')), ('disk', disk_program(context))):
        files.append(('images/%s.elf' % name, linux.FILE, linux.read(image)))
    files.append(('images/site.tar', linux.FILE, site()))
    files += [('site/' + name, linux.FILE, content) for name, content in SITE.items()]
    files += [('configs/%s.cfg' % name, linux.FILE, ('name = "%s"\n%s' % (name, text)).encode())
              for name, text in CONFIGS.items()]
    init = linux.read(os.path.join(os.path.dirname(__file__), 'linux/control.sh'))
    return linux.initramfs(context, 'control-initramfs', init, MODULES, files)


def xl(context):
    with tempfile.TemporaryDirectory() as folder:
        first, second = os.path.join(folder, 'a'), os.path.join(folder, 'b')
        for path, content in (first, b'\xff' * (8 * MEGABYTE)), (second, bytes(MEGABYTE)):
            with open(path, 'wb') as file:
                file.write(content)
        output = run_process(['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'qemu64', '-m', '640', '-smp', '1',
                              '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot', '-nic', 'none',
                              '-kernel', product(context, 'xen/xen-4.17'),
                              '-append', 'com1=115200,8n1 console=com1 dom0_mem=384M dom0_max_vcpus=2',
                              '-initrd', '%s console=hvc0 quiet,%s' % (product(context, 'linux/vmlinux'), archive(context)),
                              '-drive', 'file=%s,format=raw,if=virtio,discard=unmap' % first,
                              '-drive', 'file=%s,format=raw,if=virtio' % second], timeout=280)
        if HYPERVISOR_FAULT.search(output.text):
            raise Failure('the hypervisor itself is at fault', output.text)
        if output.ended != 'exit' or 'init: end of steps' not in output.text:
            raise Failure('the machine did not come to its end', output.text)
        if 'not ok' in output.text:
            raise Failure('a step failed', output.text)
        for part in DISK_SAYS:
            if part not in output.text:
                raise Failure('nothing like "%s" was said' % part, output.text)
        data = linux.read(first)
        if any(data[MEGABYTE * 4:MEGABYTE * 6]) or data[MEGABYTE * 6:] != b'\xff' * (2 * MEGABYTE):
            raise Failure('the disk does not hold what was left of it', output.text)
        return output.text


def collect(_context):
    return [Test('system/xl', xl)]
