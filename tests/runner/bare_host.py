# SPDX-License-Identifier: MIT
"""A control domain in QEMU without the tool: its line is a socket of the test's, on which the test plays the tool's end."""
import io
import os
import socket
import subprocess
import tarfile

from .core import PATIENCE, Failure
from .machine import hypervisor_file, quote
from .tool import product

TOKEN = '0123456789abcdef0123456789abcdef'


def boot_archive(path, images):
    with tarfile.open(path, 'w', format=tarfile.USTAR_FORMAT) as archive:
        def add(name, data):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o600
            archive.addfile(info, io.BytesIO(data))
        add('boot/token', TOKEN.encode() + b'\n')
        for name, file in images.items():
            with open(file, 'rb') as image:
                add('boot/images/' + name, image.read())


LINES = {'serial': ['-serial', 'chardev:line'],
         'virtio': ['-device', 'virtio-serial-pci', '-device', 'virtconsole,chardev=line']}


class Host:
    """A machine with a control domain, and its line."""

    def __init__(self, context, name, line, images=None, qemu=(), settings='', descriptors=()):
        work = os.path.join(context.build, 'tests/system/api')
        os.makedirs(work, exist_ok=True)
        archive = os.path.join(work, name.replace('/', '_') + '.tar')
        images = images or {'hello': 'samples/hello/hello.elf', 'echo': 'tests/system/api_guests/echo.elf'}
        boot_archive(archive, {image: product(context, file) for image, file in images.items()})
        self.line, far = socket.socketpair()
        self.log_path = archive[:-4] + '.log'
        modules = ','.join((quote(product(context, 'control/control.elf')) + ' ' + settings, quote(archive)))
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(
                ['qemu-system-x86_64', '-nodefaults', '-machine', 'pc', '-accel', 'tcg', '-cpu', 'qemu64', '-m', '256',
                 '-display', 'none', '-no-reboot', '-serial', 'stdio', '-chardev', 'socket,id=line,fd=%d' % far.fileno(),
                 *LINES[line], *qemu, '-kernel', hypervisor_file(context, 'coracle'),
                 '-append', 'com1=115200,8n1 console=com1 dom0_mem=32M loglvl=all', '-initrd', modules],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, pass_fds=[far.fileno(), *descriptors])
        far.close()

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as log:
            return log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.close()
        self.process.kill()
        self.process.wait()


def expect(condition, what, found):
    if not condition:
        raise Failure(what, repr(found)[:2000])


def still_answers(link, timeout=PATIENCE):
    status, _, body = link.request('GET', '/v1/host', TOKEN, timeout=timeout)
    expect(status == 200, 'the host answers others', (status, body))
