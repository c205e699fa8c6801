# SPDX-License-Identifier: MIT
"""The control domain's life cycle of domains, by scenarios that run in its place (tests/system/control)."""
import hashlib
import io
import json
import os
import re
import tarfile

from runner import linux
from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, boot
from runner.tool import product

IMAGE = 'tests/system/control_scenarios.elf'

ATTACKS = ['attack_' + kind for kind in ('vcpus', 'events', 'ports', 'grants', 'maps', 'vm86', 'tables', 'store', 'console')]
# With these the machine's clock counts instructions: every run is the same.
COUNTED = ('-icount', 'shift=0,sleep=off', '-rtc', 'clock=vm')

# Scenarios of one boot, and the machine that they need.
BOOTS = {
    'life': dict(scenarios=['hello', 'refused', 'obey', 'long_line', 'restart', 'storm', 'preserve',
                            'destroy', 'crash', 'autostart'],
                 ram=256, memory='64M'),
    'life/4cpus': dict(scenarios=['obey', 'long_line', 'restart', 'crash'], ram=256, memory='64M', cpus=4,
                       timeout=280),
    'life/Opteron_G1': dict(scenarios=['hello', 'obey', 'crash'], ram=256, memory='64M', cpu='Opteron_G1'),
    'life/Conroe': dict(scenarios=['hello', 'obey', 'crash'], ram=256, memory='64M', cpu='Conroe,-vmx'),
    'life/max': dict(scenarios=['hello', 'obey', 'crash'], ram=256, memory='64M', cpu='max'),
    'consoles': dict(scenarios=['flood', 'readers', 'storms'], ram=256, memory='64M'),
    'storms/2cpus': dict(scenarios=['flood', 'storms'], ram=256, memory='64M', cpus=2, timeout=280),
    'store': dict(scenarios=['ends', 'deaf', 'balloon', 'grow', 'storeuser'], ram=256, memory='64M'),
    'given': dict(scenarios=['given'], ram=256, memory='64M',
                  qemu=['-device', 'edu', '-chardev', 'null,id=debug',
                        '-device', 'isa-debugcon,chardev=debug,iobase=0xe9']),
    'rounds': dict(scenarios=['rounds'], ram=256, memory='64M', timeout=300),
    'full': dict(scenarios=['full'], ram=256, memory='64M', timeout=280),
    'grub': dict(scenarios=['grub'], ram=256, memory='64M', images={'grub': 'pvgrub/grub-x86_64-xen.bin'}),
    'linux': dict(scenarios=['linux'], ram=768, memory='192M', timeout=280,
                  images={'linux': 'linux/vmlinux', 'initramfs': 'linux/domain-initramfs',
                          'echo': 'samples/echo/echo.elf'}),
    'large': dict(scenarios=['large'], ram=768, memory='64M', qemu=COUNTED),
    'cost': dict(scenarios=['cost'], ram=2048, memory='128M', timeout=300,
                 qemu=COUNTED),
    'net': dict(scenarios=['net', 'net_hotplug', 'net_refused', 'net_evil'], ram=256, memory='64M', timeout=280,
                images={'echo': 'samples/echo/echo.elf'}),
    # The figures of the split drivers: here it counts that no processor waits meanwhile, and that an idle guest sleeps.
    'split': dict(scenarios=['bench_net', 'bench_syn', 'bench_idle', 'bench_blk'], ram=512, memory='128M', counted=True,
                  images={'load': 'tests/bench/load.elf', 'httpd': 'samples/httpd/httpd.elf'}),
    'evil_blkback': dict(scenarios=['evil_blkback'], ram=256, memory='64M'),
    'attacks': dict(scenarios=ATTACKS, ram=512, memory='64M', timeout=280, counted=True),
    'attacks/2cpus': dict(scenarios=[name for name in ATTACKS if name != 'attack_maps'], ram=512, memory='64M', cpus=2,
                          timeout=280),
    # Code that overwrites itself takes emulators too long for counted instructions.
    'attacks/2cpus/maps': dict(scenarios=['attack_maps', 'attack_code'], ram=512, memory='64M', cpus=2, timeout=280),
    'fuzz': dict(scenarios=['fuzz'], options='calls=200000 seed=1', ram=256, memory='64M', timeout=280,
                 counted=True, images={'fuzzer': 'tests/fuzz/hypercalls.elf'}),
    'crowd': dict(scenarios=['crowd'], ram=2048, memory='128M', timeout=300),
}


# Configurations that start by themselves, in this order; the second one and the fourth are wrong.
AUTOSTART = {
    '10.json': {'name': 'first', 'kernel': 'answer', 'memory_kib': 4096, 'cmdline': '-- "as it was told"'},
    '20.json': {'name': 'second', 'kernel': 'no such image', 'memory_kib': 4096},
    '30.json': {'name': 'third', 'kernel': 'answer', 'memory_kib': 4096},
    '40.json': {'name': 'third', 'kernel': 'answer', 'memory_kib': 4096},
}

MEGABYTE = 1 << 20


class Linux:
    """What the scenario `linux` needs beside it: disks, and what must be on them afterwards."""

    def __init__(self, context):
        self.folder = os.path.join(context.build, 'linux')
        init = linux.read(os.path.join(os.path.dirname(__file__), 'linux/guest.sh'))
        linux.initramfs(context, 'domain-initramfs', init, ['xen-blkfront', 'xen-netfront'])
        self.busybox = linux.read(product(context, 'linux/busybox'))
        self.content = b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(MEGABYTE // 32))
        self.content += hashlib.sha256(self.content).hexdigest().encode()
        self.content += b'\xff' * (16 * MEGABYTE - len(self.content))
        self.first, self.second = self.disk('vda', self.content), self.disk('vdb', b'read-only' + bytes(MEGABYTE - 9))

    def disk(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, 'wb') as file:
            file.write(content)
        return path

    def qemu(self):
        return ['-drive', 'file=%s,format=raw,if=virtio,discard=unmap' % self.first,
                '-drive', 'file=%s,format=raw,if=virtio' % self.second,
                '-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net']

    def check(self, output):
        data = linux.read(self.first)
        if data[12 * MEGABYTE:12 * MEGABYTE + len(self.busybox)] != self.busybox:
            raise Failure('the disk does not hold what Linux wrote', output)
        if any(data[2 * MEGABYTE:3 * MEGABYTE]):
            raise Failure('what Linux discarded is still there', output)
        if data[:2 * MEGABYTE] != self.content[:2 * MEGABYTE] or data[15 * MEGABYTE:] != self.content[15 * MEGABYTE:]:
            raise Failure('what Linux did not write has changed', output)
        if linux.read(self.second) != b'read-only' + bytes(MEGABYTE - 9):
            raise Failure('a disk that Linux may only read has changed', output)


def archive(context, name, images):
    """The boot archive: every guest of the scenarios, the hello sample, and more images; configurations."""
    folder = os.path.join(context.build, 'tests/system/control_guests')
    path = os.path.join(context.build, 'tests/system/control-%s.tar' % name.replace('/', '-'))
    files = {name[:-4]: os.path.join(folder, name) for name in os.listdir(folder) if name.endswith('.elf')}
    files['hello'] = product(context, 'samples/hello/hello.elf')
    files.update((name, product(context, file)) for name, file in images.items())
    if 'httpd' in images:
        files['site'] = path + '-site'
        with tarfile.open(files['site'], 'w', format=tarfile.USTAR_FORMAT) as tar:
            tar.add('samples/httpd/site', '.')
    with tarfile.open(path, 'w', format=tarfile.USTAR_FORMAT) as tar:
        for name, file in files.items():
            tar.add(file, 'boot/images/' + name)
        for name, config in AUTOSTART.items():
            text = json.dumps(config).encode()
            entry = tarfile.TarInfo('boot/autostart/' + name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return path


def scenarios(name, keys):
    def function(context):
        beside = Linux(context) if name == 'linux' else None
        words = keys['scenarios'] + keys.get('options', '').split() + ['counted=1'] * keys.get('counted', False)
        output = boot(context, 'coracle', product(context, IMAGE), ' '.join(words),
                      modules=[archive(context, name, keys.get('images', {}))],
                      ram=keys['ram'], memory=keys['memory'],
                      cpus=keys.get('cpus', 1), cpu=keys.get('cpu', 'qemu64'),
                      timeout=keys.get('timeout', 200),
                      qemu=beside.qemu() if beside else keys.get('qemu', COUNTED if keys.get('counted') else ()))
        if HYPERVISOR_FAULT.search(output.text):
            raise Failure('the hypervisor itself is at fault', output.text)
        if output.ended != 'exit':
            raise Failure('the machine did not power off', output.text)
        failed = re.search(r'^not ok (.*)$', output.text, re.MULTILINE)
        if failed:
            raise Failure(failed.group(1), output.text)
        for scenario in keys['scenarios']:
            if not re.search(r'^ok %s$' % scenario, output.text, re.MULTILINE):
                raise Failure('nothing was heard of the scenario %s' % scenario, output.text)
        if beside:
            beside.check(output.text)
        return output.text

    return Test('system/control/' + name, function)


def collect(_context):
    return [scenarios(name, keys) for name, keys in BOOTS.items()]
