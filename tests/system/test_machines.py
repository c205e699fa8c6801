# SPDX-License-Identifier: MIT
"""The same image on all the processors that must work, and through GRUB on BIOS and UEFI machines."""
import os
import re

from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, run_process
from runner.packed import FIRMWARE
from runner.tool import coracle, judge, product, run_image

MODELS = ('Opteron_G1', 'Conroe,-vmx', 'qemu64,-svm', 'Nehalem,-vmx', 'max')
IMAGE = 'tests/system/machine.elf'
# Threads, signals and timers, interrupted at any moment.
PREEMPTED = ('posix_threads', 'posix_signals', 'core_timers')


def way(hypervisor):
    """These ask the hypervisor, so the image is its initial domain."""
    return ['--direct'] if hypervisor == 'coracle' else []


def on_processor(model, cpus, hypervisor):
    def function(context):
        finished = run_image(context, product(context, IMAGE), ['one', 'two words'], hypervisor,
                             options=way(hypervisor) + ['--cpu', model, '--cpus', str(cpus)], timeout=90)
        return judge(finished)

    return Test('system/processors/%s/%s/%dcpus' % (hypervisor, model, cpus), function)


def preempted(model, cpus, guest):
    def function(context):
        return judge(run_image(context, product(context, 'tests/system/%s.elf' % guest), hypervisor='coracle',
                               options=['--direct', '--cpu', model, '--cpus', str(cpus), '--memory', '64M'],
                               timeout=120))

    return Test('system/processors/coracle/%s/%dcpus/%s' % (model, cpus, guest), function)


def through_grub(firmware):
    def function(context):
        medium = os.path.join(context.build, 'tests/system/%s.iso' % firmware)
        packed = coracle(context, 'pack', '-o', medium, product(context, IMAGE), '--', 'one', 'two words')
        if packed.status != 0:
            raise Failure('coracle pack failed', packed.text())
        output = run_process(['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'qemu64', '-m', '512', '-display', 'none',
                              '-serial', 'stdio', '-monitor', 'none', '-nic', 'none', '-no-reboot', '-cdrom', medium]
                             + FIRMWARE[firmware], timeout=150)
        if HYPERVISOR_FAULT.search(output.text):
            raise Failure('the hypervisor itself is at fault', output.text)
        if output.ended != 'exit':
            raise Failure('the machine did not power off', output.text)
        for pattern in (r'^ok arguments', r'^done: all$', r'\(coracle\) d0: exit status 0'):
            if not re.search(pattern, output.text, re.MULTILINE):
                raise Failure('nothing like "%s" on the serial line' % pattern, output.text)
        if re.search(r'^not ok', output.text, re.MULTILINE):
            raise Failure('a check of the program failed', output.text)
        return output.text

    return Test('system/grub/' + firmware, function)


def collect(_context):
    tests = [on_processor(model, cpus, 'coracle') for model in MODELS for cpus in (1, 4)]
    tests += [preempted(model, cpus, guest) for model in MODELS for cpus in (1, 4) for guest in PREEMPTED]
    tests += [on_processor(model, 1, 'xen') for model in MODELS]
    return tests + [through_grub(firmware) for firmware in FIRMWARE]
