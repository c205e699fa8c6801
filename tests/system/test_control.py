# SPDX-License-Identifier: MIT
"""The control domain's life cycle of domains, by scenarios that run in its place (tests/system/control)."""
import os
import re
import tarfile

from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, boot
from runner.tool import product

IMAGE = 'tests/system/control_scenarios.elf'

# Scenarios of one boot, and the machine that they need.
BOOTS = {
    'life': dict(scenarios=['hello', 'refused', 'obey', 'long_line', 'restart', 'storm', 'preserve', 'destroy', 'crash'],
                 ram=256, memory='64M'),
    'life/4cpus': dict(scenarios=['obey', 'long_line', 'restart', 'crash'], ram=256, memory='64M', cpus=4),
    'consoles': dict(scenarios=['flood', 'readers'], ram=256, memory='64M'),
    'store': dict(scenarios=['ends', 'deaf', 'balloon', 'storeuser'], ram=256, memory='64M'),
    'rounds': dict(scenarios=['rounds'], ram=256, memory='64M', timeout=300),
    'crowd': dict(scenarios=['crowd'], ram=2048, memory='128M', timeout=300),
}


def archive(context):
    """The boot archive: every guest of the scenarios, and the hello sample, as an image."""
    folder = os.path.join(context.build, 'tests/system/control_guests')
    path = os.path.join(context.build, 'tests/system/control.tar')
    files = {name[:-4]: os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith('.elf')}
    files['hello'] = product(context, 'samples/hello/hello.elf')
    with tarfile.open(path, 'w', format=tarfile.USTAR_FORMAT) as tar:
        for name, file in files.items():
            tar.add(file, 'boot/images/' + name)
    return path


def scenarios(name, keys):
    def function(context):
        output = boot(context, 'coracle', product(context, IMAGE), ' '.join(keys['scenarios']),
                      modules=[archive(context)], ram=keys['ram'], memory=keys['memory'],
                      cpus=keys.get('cpus', 1), timeout=keys.get('timeout', 100))
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
