# SPDX-License-Identifier: MIT
"""Virtual machines whose clock counts instructions, and what is read out of them."""
import os
import re
import subprocess
import tarfile

# Serial console, no network, virtual time of one nanosecond an instruction, and an RTC that follows it.
MACHINE = ['-accel', 'tcg', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-nic', 'none', '-no-reboot',
           '-icount', 'shift=0,sleep=off', '-rtc', 'base=2026-01-01,clock=vm']
RAM = 512  # MiB
OPTIONS = 'com1=115200,8n1 console=com1'

# A loop that runs more often than this before the guest's first instruction waits for a clock; at 512 MiB a loop
# over all frames runs 131,072 times. String instructions are work.
WAITING = 1000000

# Xen's messages next to the two ends of its domain builder.
XEN_BUILD_BEGIN = r'^\(XEN\) \[([0-9a-f]{16})\]  Xen  kernel:'
XEN_BUILD_END = r'^\(XEN\) \[([0-9a-f]{16})\] Scrubbing Free RAM'


class Failure(Exception):
    """A run that gave no figures: a sentence."""


class Place:
    """Where things are, and the processor model."""

    def __init__(self, build, cpu, xen_kernel):
        self.build, self.cpu = build, cpu
        self.out = os.path.join(build, 'bench')
        self.guest = os.path.join(build, 'tests/bench/bench.elf')
        self.plugin = os.path.join(build, 'tests/bench/count.so')
        self.scenarios = os.path.join(build, 'tests/system/control_scenarios.elf')
        self.program = os.path.join(build, 'samples/hello/hello.elf')
        self.kernels = {'coracle': os.path.join(build, 'hypervisor/coracle.elf'),
                        'xen': xen_kernel or os.path.join(build, 'xen/xen-4.17')}

    def description(self):
        version = subprocess.run(['qemu-system-x86_64', '--version'], capture_output=True, text=True, check=False)
        match = re.search(r'version (\S+.*)', version.stdout)
        return {'qemu': match.group(1) if match else 'unknown', 'cpu': self.cpu, 'ram_mib': RAM,
                'ruler': 'instructions: ' + ' '.join(MACHINE[-4:])}


def run(place, hypervisor, image, args, memory, extra=(), options='', timeout=300, ram=RAM, module=None):
    """One boot to its end: the text of the serial line."""
    for path in (place.kernels[hypervisor], image):
        if not os.path.exists(path):
            raise Failure('%s is missing; `make bench` builds or fetches it' % path)
    append = '%s dom0_mem=%s %s' % (OPTIONS, memory, options)
    command = ['qemu-system-x86_64', '-cpu', place.cpu, '-m', str(ram)] + MACHINE + list(extra) + [
        '-kernel', place.kernels[hypervisor], '-append', append.strip(),
        '-initrd', ('%s %s' % (image, args)).strip().replace(',', ',,') + (',' + module if module else '')]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise Failure('no end within %d s: %s' % (timeout, ' '.join(command))) from None
    except OSError as error:
        raise Failure('QEMU: %s' % error) from None
    text = done.stdout.decode('utf-8', 'replace').replace('\r', '')
    if done.returncode != 0:
        raise Failure('QEMU: %s' % done.stderr.decode('utf-8', 'replace').strip())
    return text


def operations(place, hypervisor):
    """{name: {min, median, max, rounds}} of every line that the guest printed, and its complaints."""
    text = run(place, hypervisor, place.guest, '', '64M')
    results = {'problems': re.findall(r'^not ok (.*)$', text, re.MULTILINE)}
    for name, *numbers in re.findall(r'^bench (\S+) (\d+) (\d+) (\d+) (\d+)$', text, re.MULTILINE):
        results[name] = dict(zip(('min', 'median', 'max', 'rounds'), map(int, numbers)))
    if not re.search(r'^done: ', text, re.MULTILINE):
        results['problems'].append('the guest did not come to its end: %s' % text[-300:])
    return results


def domains(place):
    """{name: instructions or KiB} of what the control domain's scenarios print."""
    archive = os.path.join(place.out, 'domains.tar')
    with tarfile.open(archive, 'w', format=tarfile.USTAR_FORMAT) as tar:
        tar.add(os.path.join(place.build, 'tests/system/control_guests/answer.elf'), 'boot/images/answer')
    text = run(place, 'coracle', place.scenarios, 'cost crowd', '128M', ram=2048, module=archive)
    results = {name: int(value) for name, value in re.findall(r'^bench (\w+) (\d+)$', text, re.MULTILINE)}
    results['problems'] = re.findall(r'^not ok (.*)$', text, re.MULTILINE)
    return results


def split_archive(place, images):
    """The boot archive for the scenarios of split/: {name: file} and a site for the web server."""
    archive, site = (os.path.join(place.out, name) for name in ('split.tar', 'site.tar'))
    with tarfile.open(site, 'w', format=tarfile.USTAR_FORMAT) as tar:
        tar.add('samples/httpd/site', '.')
    with tarfile.open(archive, 'w', format=tarfile.USTAR_FORMAT) as tar:
        for name, path in dict(images, site=site).items():
            tar.add(path, 'boot/images/' + name)
    return archive


def split(place, hypervisor):
    """{name: instructions} of the split drivers: what the scenarios of split/ print, and sums of it."""
    archive = split_archive(place, {'load': os.path.join(place.build, 'tests/bench/load.elf'),
                                    'httpd': os.path.join(place.build, 'samples/httpd/httpd.elf')})
    words = 'exit=reboot -- bench_net bench_syn bench_idle bench_blk'
    text = run(place, hypervisor, place.scenarios, words, '128M', module=archive)
    results = {name: float(value) for name, value in re.findall(r'^bench (\w+) ([\d.]+)$', text, re.MULTILINE)}
    for name in [name[:-len('_idle')] for name in results if name.endswith('_idle')]:
        results[name] = sum(results[name + part] for part in ('_guest', '_server', '_control'))
    for way in ('out', 'in'):
        small, large = (results.get('udp_%s_%s' % (size, way)) for size in ('small', 'large'))
        if small and large:
            results['udp_byte_' + way] = (large - small) / (1472 - 64)
    if results.get('connection'):
        results['connections'] = 1e9 / results['connection']
    results['problems'] = re.findall(r'^not ok (.*)$', text, re.MULTILINE)
    results['problems'] += ['%s: the processor waited' % name[:-5] for name, value in results.items()
                            if name.endswith('_idle') and value > results[name[:-5]] / 100]
    return results


def symbols(path):
    """{name: address} of an ELF file."""
    listing = subprocess.run(['nm', path], capture_output=True, text=True, check=True).stdout
    return {words[2]: int(words[0], 16) for words in map(str.split, listing.split('\n')) if len(words) == 3}


def entry_point(path):
    """A 32- or 64-bit ELF file's first instruction."""
    with open(path, 'rb') as file:
        head = file.read(32)
    return int.from_bytes(head[24:28] if head[4] == 1 else head[24:32], 'little')


def read_counts(path):
    """Output of the plugin (profile/count.c): [(mark, {address: (count, kind)})] and the number of rounds."""
    snapshots, rounds = [], 0
    with open(path, encoding='ascii') as file:
        for line in file:
            words = line.split()
            if words[0] == 'mark':
                snapshots.append((words[1], {}))
            elif words[0] == 'rounds':
                rounds = int(words[1])
            else:
                snapshots[-1][1][int(words[0], 16)] = (int(words[1]), words[2])
    return snapshots, rounds


def counted_boot(place, hypervisor, image, args, marks, memory, options=''):
    """Boots with the counting plugin: {mark: total}, instructions spent waiting before the last mark, the text."""
    out = os.path.join(place.out, 'counts-%s' % hypervisor)
    plugin = ','.join([place.plugin, 'out=' + out] + ['at=%x' % address for address in marks.values()])
    text = run(place, hypervisor, image, args, memory, ['-plugin', plugin], options)
    snapshots = dict(read_counts(out)[0])
    missing = [name for name, address in marks.items() if '%x' % address not in snapshots]
    if missing:
        raise Failure('%s was never executed' % ', '.join(missing))
    totals = {name: sum(count for count, _ in snapshots['%x' % address].values()) for name, address in marks.items()}
    start, end = (snapshots['%x' % marks[name]] for name in ('first_instruction', 'guest_entry'))
    executed = [(count - start.get(address, (0, ''))[0], kind) for address, (count, kind) in end.items()]
    return totals, sum(count for count, kind in executed if kind != 's' and count > WAITING), text


def coracle_moments(text, totals):
    """Its own timeline: ready and built, and the ticks waited (after the last one, nothing waits)."""
    lines = re.findall(r'timeline: (\w+) tsc=(\d+) waited=(\d+)', text)
    stamps = {name: int(tsc) for name, tsc, _ in lines}
    try:
        waited = max(int(w) for name, _, w in lines if name == 'domain_built')
        return {'build_begins': stamps['hypervisor_ready'], 'domain_built': stamps['domain_built']}, waited
    except (KeyError, ValueError):
        raise Failure('no timeline in its messages: %s' % text[-300:]) from None


def xen_moments(text, totals):
    """The time stamps that `console_timestamps=raw` puts before messages; the TSC began at zero."""
    found = [re.search(pattern, text, re.MULTILINE) for pattern in (XEN_BUILD_BEGIN, XEN_BUILD_END)]
    if None in found:
        raise Failure('its messages about the build of domain 0 are missing: %s' % text[-300:])
    begin, end = (int(match.group(1), 16) - totals['first_instruction'] for match in found)
    return {'build_begins': begin, 'domain_built': end}


def timeline(place, hypervisor):
    """Boots the hello sample: moments since the hypervisor's first instruction, {name: instructions}, waiting apart."""
    names = symbols(place.program)
    marks = {'first_instruction': entry_point(place.kernels[hypervisor]), 'guest_entry': names['_start'],
             'main': names['main'], 'exit': names['exit']}
    options = 'console_timestamps=raw' if hypervisor == 'xen' else ''
    totals, waited, text = counted_boot(place, hypervisor, place.program, 'exit=reboot -- ', marks, '16M', options)
    if hypervisor == 'xen':
        moments = xen_moments(text, totals)
    else:
        moments, waited = coracle_moments(text, totals)
    first = totals.pop('first_instruction')
    moments.update((name, total - first) for name, total in totals.items())
    result = {name: moment - waited for name, moment in moments.items()}
    result['building'] = moments['domain_built'] - moments['build_begins']
    result['waiting'] = waited
    result['firmware'] = first
    return result
