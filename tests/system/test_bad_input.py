# SPDX-License-Identifier: MIT
"""Bad input: to the tool, which must say what is wrong with the right exit status, and to the hypervisor, which gets
the images that the tool would have refused."""
import os
import re
import struct

from runner.core import Failure, Test, write_whole
from runner.machine import boot, hypervisor_file, run_process
from runner.tool import coracle, product

IMAGE = 'tests/system/machine.elf'
PT_LOAD = 1


def patched(data, offset, value):
    return data[:offset] + value + data[offset + len(value):]


def load_headers(data):
    """Offsets of the PT_LOAD program headers of a 64-bit ELF."""
    start, size, count = struct.unpack_from('<Q', data, 32)[0], *struct.unpack_from('<HH', data, 54)
    offsets = [start + i * size for i in range(count)]
    return [o for o in offsets if struct.unpack_from('<I', data, o)[0] == PT_LOAD]


def overlapping(data):
    first, second = load_headers(data)[:2]
    return patched(data, second + 16, data[first + 16:first + 32])  # p_vaddr and p_paddr


def without_notes(data):
    return data.replace(b'Xen\0', b'Nix\0')


def huge(data):
    return patched(data, load_headers(data)[-1] + 40, struct.pack('<Q', 1 << 40))  # p_memsz


# What the image's bytes become, and what a message about it must contain.
BROKEN = {
    'truncated': (lambda data: data[:len(data) // 2], r'truncat|beyond|end'),
    'no_elf': (lambda data: b'#!/bin/sh\necho no\n' * 100, r'ELF'),
    'empty': (lambda data: b'', r'ELF|empty'),
    'other_machine': (lambda data: patched(data, 18, b'\x28\0'), r'machine'),
    'class_32': (lambda data: patched(data, 4, b'\x01'), r'64|class'),
    'no_notes': (without_notes, r'note|PV|Xen'),
    'overlapping': (overlapping, r'overlap|segment'),
    'larger_than_memory': (huge, r'memory|large|big|room|fit|segment'),
}

# Arguments of the tool, its exit status, and a pattern of its message. IMAGE is a good image.
COMMANDS = {
    'no_verb': ([], 2, r'verb'),
    'unknown_verb': (['fly'], 2, r'unknown verb .fly.*expected'),
    'unknown_option': (['run', '--fly', 'IMAGE'], 2, r'--fly'),
    'no_image': (['run'], 2, r'image'),
    'missing_image': (['run', '/nowhere/app.elf'], 1, r'/nowhere/app.elf.*No such file'),
    'image_is_a_folder': (['run', '/tmp'], 1, r'/tmp'),
    'no_memory': (['run', '--memory', '0', 'IMAGE'], 2, r'memory'),
    'odd_memory': (['run', '--memory', 'much', 'IMAGE'], 2, r'memory'),
    'too_little_memory': (['run', '--memory', '1M', 'IMAGE'], 1, r'too little.*at least'),
    'no_processors': (['run', '--cpus', '0', 'IMAGE'], 2, r'cpus'),
    'unknown_hypervisor': (['run', '--hypervisor', 'kvm', 'IMAGE'], 2, r'expected xen or coracle'),
    'missing_root': (['run', '--root', '/nowhere', 'IMAGE'], 1, r'/nowhere.*No such file'),
    'root_is_a_file': (['run', '--root', '/etc/passwd', 'IMAGE'], 1, r'expected a directory'),
    'unwritable_medium': (['pack', '-o', '/nowhere/boot.iso', 'IMAGE'], 1, r'/nowhere/boot.iso'),
    'unwritable_image': (['build', '-o', '/nowhere/app.elf', 'samples/hello/hello.c'], 1, r'/nowhere/app.elf'),
    'no_sources': (['build'], 2, r'source'),
    'missing_source': (['build', 'nowhere.c'], 1, r'nowhere.c'),
}


def tool_test(name, arguments, status, pattern):
    def function(context):
        image = product(context, IMAGE)
        done = coracle(context, *[image if a == 'IMAGE' else a for a in arguments])
        if done.status != status:
            raise Failure('exit status %d instead of %d' % (done.status, status), done.text())
        if not re.search(pattern, done.err):
            raise Failure('no message like "%s"' % pattern, done.text())
        return done.text()

    return Test('system/bad_input/tool/' + name, function)


def broken_file(context, name):
    with open(product(context, IMAGE), 'rb') as file:
        data = BROKEN[name][0](file.read())
    path = os.path.join(context.build, 'tests/system/broken-%s.elf' % name)
    write_whole(path, data)
    return path


def tool_image_test(name):
    def function(context):
        path = broken_file(context, name)
        done = coracle(context, 'run', path)
        if done.status != 1 or not re.search('(?i)coracle: .*(%s)' % BROKEN[name][1], done.err):
            raise Failure('expected status 1 and a message like "%s"' % BROKEN[name][1], done.text())
        return done.text()

    return Test('system/bad_input/tool_image/' + name, function)


def hypervisor_test(name, pattern, image=None, **keys):
    """The hypervisor says what is wrong, on a line of its own, and never faults."""
    def function(context):
        path = image(context) if image else product(context, IMAGE)
        end = r'(?i)\(coracle\).*(%s)' % pattern
        output = boot(context, 'coracle', path, until=end, timeout=40, **keys)
        if not re.search(end, output.text):
            raise Failure('no line of the hypervisor like "%s"' % pattern, output.text)
        if re.search(r'(?i)\(coracle\).*\b(page fault|assert|BUG\b|general protection)', output.text):
            raise Failure('the hypervisor itself is at fault', output.text)
        return output.text

    return Test('system/bad_input/hypervisor/' + name, function)


def without_module():
    """The hypervisor alone, without the image that it should start."""
    def function(context):
        output = run_process(['qemu-system-x86_64', '-accel', 'tcg', '-m', '128', '-display', 'none', '-serial', 'stdio',
                              '-monitor', 'none', '-nic', 'none', '-no-reboot', '-kernel',
                              hypervisor_file(context, 'coracle'), '-append', 'com1=115200,8n1 console=com1'],
                             timeout=30, until=r'\(coracle\).*(module|initial domain)')
        if not re.search(r'\(coracle\).*(module|initial domain)', output.text):
            raise Failure('no line of the hypervisor about the missing module', output.text)
        return output.text

    return Test('system/bad_input/hypervisor/no_module', function)


def without_qemu():
    def function(context):
        done = coracle(context, 'run', product(context, IMAGE), env={'PATH': '/nowhere'})
        if done.status != 1 or 'qemu-system-x86' not in done.err:
            raise Failure('expected status 1 and the name of the package', done.text())
        return done.text()

    return Test('system/bad_input/tool/no_qemu', function)


def collect(_context):
    tests = [tool_test(name, *row) for name, row in COMMANDS.items()] + [without_qemu()]
    tests += [tool_image_test(name) for name in BROKEN]
    tests += [hypervisor_test(name, pattern, image=lambda context, n=name: broken_file(context, n))
              for name, (_, pattern) in BROKEN.items()]
    tests.append(hypervisor_test('too_little_memory', 'memory|dom0_mem', memory='1M'))
    tests.append(hypervisor_test('no_memory', 'memory|dom0_mem', memory='0'))
    tests.append(hypervisor_test('malformed_memory', 'dom0_mem.*(expected|found)', memory='much'))
    tests.append(hypervisor_test('malformed_option', 'loglvl.*(expected|found)', options='loglvl=9'))
    tests.append(hypervisor_test('more_memory_than_there_is', 'memory|dom0_mem', memory='3G'))
    tests.append(hypervisor_test('unknown_option', 'fly', options='fly=high'))
    tests.append(without_module())
    tests.append(hypervisor_test('module_is_no_archive', 'exit status|shutdown|crash', modules=['/etc/passwd']))
    return tests
