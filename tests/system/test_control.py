# SPDX-License-Identifier: MIT
"""The control domain's life cycle of domains, by scenarios that run in its place (tests/system/control)."""
import io
import json
import os
import re
import tarfile

from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, boot
from runner.tool import product

IMAGE = 'tests/system/control_scenarios.elf'

ATTACKS = ['attack_' + kind for kind in ('vcpus', 'events', 'ports', 'grants', 'maps', 'tables', 'store', 'console')]
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
                  images={'linux': 'linux/vmlinux', 'initramfs': 'linux/domain-initramfs'}),
    'large': dict(scenarios=['large'], ram=768, memory='64M', qemu=COUNTED),
    'cost': dict(scenarios=['cost'], ram=2048, memory='128M', timeout=300,
                 qemu=COUNTED),
    'net': dict(scenarios=['net', 'net_hotplug', 'net_refused', 'net_evil'], ram=256, memory='64M', timeout=280,
                images={'echo': 'samples/echo/echo.elf'}),
    # The figures of the split drivers: here it counts that no processor waits meanwhile, and that an idle guest sleeps.
    'split': dict(scenarios=['bench_net', 'bench_syn', 'bench_idle', 'bench_blk'], ram=512, memory='128M', counted=True,
                  images={'load': 'tests/bench/load.elf', 'httpd': 'samples/httpd/httpd.elf'}),
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

# The first process of Linux as an ordinary domain.
INIT = b"""#!/busybox sh
/busybox mkdir -p /proc /dev /sys
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
/busybox mount -t sysfs sys /sys
cpus=`/busybox grep -c ^processor /proc/cpuinfo`
echo "init: runs on `/busybox uname -s` with $cpus processors in `/busybox cat /sys/hypervisor/type`"
while read line; do
    case "$line" in
    poweroff) /busybox poweroff -f;;
    *) echo "init: heard $line";;
    esac
done
"""


def initramfs(context):
    """An archive with busybox and INIT, in the newc format of cpio."""
    def member(name, mode, content=b''):
        fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        entry = b'070701' + b''.join(b'%08x' % field for field in fields) + name.encode() + b'\0'
        entry += b'\0' * (-len(entry) % 4)
        return entry + content + b'\0' * (-len(content) % 4)

    folder = os.path.join(context.build, 'linux')
    with open(product(context, 'linux/busybox'), 'rb') as file:
        busybox = file.read()
    with open(os.path.join(folder, 'domain-initramfs'), 'wb') as file:
        file.write(member('init', 0o100755, INIT) + member('busybox', 0o100755, busybox))
        file.write(member('TRAILER!!!', 0))


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
        if name == 'linux':
            initramfs(context)
        words = keys['scenarios'] + keys.get('options', '').split() + ['counted=1'] * keys.get('counted', False)
        output = boot(context, 'coracle', product(context, IMAGE), ' '.join(words),
                      modules=[archive(context, name, keys.get('images', {}))],
                      ram=keys['ram'], memory=keys['memory'],
                      cpus=keys.get('cpus', 1), cpu=keys.get('cpu', 'qemu64'),
                      timeout=keys.get('timeout', 200),
                      qemu=keys.get('qemu', COUNTED if keys.get('counted') else ()))
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
        return output.text

    return Test('system/control/' + name, function)


def collect(_context):
    return [scenarios(name, keys) for name, keys in BOOTS.items()]
