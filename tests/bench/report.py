# SPDX-License-Identifier: MIT
"""What is measured, the goals, and the three forms of the report."""
import contextlib
import html
import io
import json
import textwrap

# Name in the guest's output, and for people.
OPERATIONS = [
    ('null-hypercall', 'null hypercall'),
    ('multicall-entry', 'a call inside a multicall of 16'),
    ('update-va', 'update_va_mapping'),
    ('update-va-invlpg', 'update_va_mapping with INVLPG'),
    ('mmu-update', 'mmu_update, one entry'),
    ('mmu-update-batch', 'mmu_update, each of 64'),
    ('writable-page-table', 'store to a page table, emulated'),
    ('fault-to-handler', 'page fault, to the handler'),
    ('fault-iret', 'page fault, there and back by hypercall'),
    ('fault-direct-iretq', 'page fault, there and back by iretq'),
    ('int3', 'int3, there and back'),
    ('event-to-upcall', 'event to itself, to the upcall'),
    ('event-round-trip', 'event to itself, there and back'),
    ('yield', 'yield, alone'),
    ('grant-map', 'grant map'),
    ('grant-unmap', 'grant unmap'),
    ('grant-copy-4k', 'grant copy of 4 KiB'),
    ('pin-l4', 'pin L4 with L3, L2, L1, 16 pages'),
    ('unpin-l4', 'unpin it'),
    ('two-base-switches', 'two base-pointer switches'),
    ('decrease-reservation', 'decrease_reservation, a page'),
    ('populate-physmap', 'populate_physmap, a page'),
    ('stack-switch', 'stack_switch'),
    ('set-segment-base', 'set_segment_base'),
    ('cr4-read', 'read of cr4, emulated'),
    ('rdmsr-efer', 'rdmsr EFER, emulated'),
    ('system-call', "user's system call, there and back"),
]
# Work (without waiting) since the hypervisor's first instruction; the last three are spans.
MOMENTS = [
    ('build_begins', 'hypervisor ready'),
    ('domain_built', 'domain built'),
    ('guest_entry', "guest's first instruction"),
    ('main', 'main()'),
    ('exit', 'exit()'),
    ('building', 'building the domain alone, 16 MiB'),
    ('waiting', 'waiting for clocks, not in the above'),
    ('firmware', 'firmware and loader before, not in the above'),
]
# From a request to the control domain (on Xen: `xl create`) to the domain's main(), as the N-th domain of 4 MiB; the end of
# a domain; memory beside the domain's own.
DOMAINS = [
    ('create_to_main_1', 'create to main(), the 1st domain'),
    ('create_to_main_50', 'the 50th'),
    ('create_to_main_100', 'the 100th'),
    ('create_to_main_200', 'the 200th'),
    ('destroy_200', 'destroy, one of 200'),
    ('overhead_host', "hypervisor's KiB for a domain of 4 MiB"),
    ('overhead_control', "control domain's KiB for it"),
]
# The split drivers: the same guests, netback and blkback on both hypervisors, with nothing behind the backends.
SPLIT = [
    ('net_echo_out', "a datagram of 64 bytes, send() to the bridge"),
    ('net_echo_in', 'back, from the bridge to recv()'),
    ('udp_small_out', 'many of 64 bytes from a guest, each'),
    ('udp_small_out_control', '  of it in the control domain'),
    ('udp_small_in', 'many of 64 bytes to a guest, each'),
    ('udp_small_in_control', '  of it in the control domain'),
    ('udp_large_out', 'many of 1472 bytes from a guest, each'),
    ('udp_large_in', 'many of 1472 bytes to a guest, each'),
    ('udp_byte_out', 'a byte more in a datagram from a guest'),
    ('udp_byte_in', 'a byte more in a datagram to a guest'),
    ('tcp_byte', 'a byte of TCP, guest to guest'),
    ('tcp_byte_guest', '  of it in the sender'),
    ('tcp_byte_server', '  of it in the receiver'),
    ('http_request', 'an HTTP request on an open connection'),
    ('connection', 'a connection with an HTTP request'),
    ('connections', 'such connections in a second of 10^9 instr.'),
    ('create_to_syn', 'create of a web server to its first SYN+ACK'),
    ('idle_second', 'a second of a web server that nobody asks'),
    ('blk_out', "a 4-KiB read alone, call to the disk's driver"),
    ('blk_in', 'back, from the driver to the return'),
    ('blk_read_4k', 'a 4-KiB read alone'),
    ('blk_write_4k', 'a 4-KiB write alone'),
    ('blk_write_4k_control', '  of it in the control domain'),
    ('blk_read_bulk', '4 KiB of reads of 128 KiB'),
    ('blk_write_bulk', '4 KiB of writes of 128 KiB'),
]
# Stock Xen 4.17 with xl and xenstored in Debian's Linux on the same ruler. It takes a disk image of its own to measure, so
# these were measured once.
XL = {'create_to_main_1': 33000000, 'create_to_main_50': 74000000, 'create_to_main_100': 121600000,
      'create_to_main_200': 233600000, 'destroy_200': 20400000, 'overhead_host': 84, 'overhead_control': 94}
# Absolute goals: (moment or operation, at most).
LIMITS = [('create_to_main_1', 1000000), ('create_to_main_200', 1000000), ('null-hypercall', 100), ('build_begins', 2000000), ('building', 300000), ('waiting', 30000000)]
LINE_GOAL, AVERAGE_GOAL = 1 / 2, 1 / 3
NOTES = [
    'Counted: instructions, in guest and hypervisor together, median of 64 rounds without the cost of measuring.',
    'Each repetition of a REP string instruction counts as one. Caches, TLBs and memory are not counted.',
    "Timeline: the hello sample in a domain of 16 MiB; waiting on Xen is what its loops of more than 1,000,000 rounds "
    'took.',
    'Domains: from the call in the control domain (the API before it is not counted), store nodes and console included; '
    "xl's figures were measured once, with the same ruler.",
    "Split drivers: our control domain is the initial domain of both hypervisors; all domains and the hypervisor are "
    'counted together.',
]


class Figures:
    """All results, by name: value(hypervisor, name) is a number or None."""

    def __init__(self, results, hypervisors, description):
        self.results, self.hypervisors, self.description = results, hypervisors, description
        self.both = 'xen' in hypervisors

    def value(self, hypervisor, name):
        if name in dict(DOMAINS):
            return self.results.get(('coracle', 'domains'), {}).get(name) if hypervisor == 'coracle' else XL[name]
        if name in dict(SPLIT):
            return self.results.get((hypervisor, 'split'), {}).get(name)
        if name in dict(MOMENTS):
            return self.results.get((hypervisor, 'timeline'), {}).get(name)
        operation = self.results.get((hypervisor, 'operations'), {}).get(name)
        return operation['median'] if operation else None

    def ratio(self, name):
        ours, theirs = self.value('coracle', name), self.value('xen', name)
        return ours / theirs if ours is not None and theirs else None

    def ratios(self):
        """(label, ratio) of the operations that both have."""
        pairs = [(label, self.ratio(name)) for name, label in OPERATIONS]
        return [(label, ratio) for label, ratio in pairs if ratio is not None]

    def missing(self):
        return ['%s: %s' % (hypervisor, label) for hypervisor in self.hypervisors
                for name, label in OPERATIONS + MOMENTS + DOMAINS + SPLIT if self.value(hypervisor, name) is None]

    def goals(self):
        """[(met, sentence)]; a goal whose figure is missing is not met."""
        labels = dict(OPERATIONS + MOMENTS + DOMAINS + SPLIT)
        rows = []
        for name, limit in LIMITS:
            value = self.value('coracle', name)
            rows.append((value is not None and value <= limit,
                         '%s at most %s: %s' % (labels[name], number(limit), number(value))))
        if self.both:
            ratios = self.ratios()
            over = ['%s %.2f' % row for row in ratios if row[1] > LINE_GOAL]
            rows.append((bool(ratios) and not over, 'no operation above half of Xen: %s' %
                         ('%d above: %s' % (len(over), ', '.join(over)) if over else 'none')))
            average = sum(ratio for _, ratio in ratios) / len(ratios) if ratios else None
            rows.append((average is not None and average <= AVERAGE_GOAL,
                         'a third of Xen on average: %s' % ('-' if average is None else '%.2f' % average)))
        return rows


def number(value):
    if value is None:
        return '-'
    return format(value, ',.2f') if value < 100 and value != int(value) else format(round(value), ',')


def print_rows(figures, rows):
    for name, label in rows:
        ratio = figures.ratio(name)
        print('%-46s %12s' % (label, number(figures.value('coracle', name))) +
              (' %14s %7s' % (number(figures.value('xen', name)), '-' if ratio is None else '%.2f' % ratio)
               if figures.both else ''))


def print_table(figures):
    d = figures.description
    print('QEMU %s, TCG, %s, one processor, %d MiB; %s\n' % (d['qemu'], d['cpu'], d['ram_mib'], d['ruler']))
    heading = ' %14s %7s' % ('Xen 4.17', 'ratio') if figures.both else ''
    print('%-46s %12s%s' % ('operation', 'Coracle', heading))
    print_rows(figures, OPERATIONS)
    print('\n%-46s %12s%s' % ('timeline: work since the first instruction', 'Coracle', heading))
    print_rows(figures, MOMENTS)
    print('\n%-46s %12s%s' % ('domains, in a host of 2 GiB', 'Coracle', heading.replace('4.17', '  xl')))
    print_rows(figures, DOMAINS)
    print('\n%-46s %12s%s' % ('split drivers, with nothing behind the backends', 'Coracle', heading))
    print_rows(figures, SPLIT)
    print()
    for note in NOTES:
        print(note)


def print_goals(figures):
    print('\ngoals')
    for met, sentence in figures.goals():
        print('  %-6s %s' % ('met' if met else 'MISSED', sentence))


def write_readme(figures, path):
    """Puts the table between the two marks of a Markdown file, indented and wrapped as its text is."""
    table = io.StringIO()
    with contextlib.redirect_stdout(table):
        print_table(figures)
    lines = [textwrap.fill(line, 112) if ';' in line or line.endswith('.') else line
             for line in table.getvalue().splitlines()]
    with open(path, encoding='utf-8') as file:
        before, rest = file.read().split('<!-- bench: begin', 1)
    mark, rest = rest.split('\n', 1)
    after = rest.split('<!-- bench: end -->', 1)[1]
    block = textwrap.indent('\n'.join(lines), '    ')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('%s<!-- bench: begin%s\n\n%s\n\n<!-- bench: end -->%s' % (before, mark, block, after))


def write_json(figures, problems, path):
    tree = dict(figures.description, notes=NOTES, problems=problems,
                goals=[{'met': met, 'goal': sentence} for met, sentence in figures.goals()],
                operations={name: {h: figures.results.get((h, 'operations'), {}).get(name)
                                   for h in figures.hypervisors} for name, _ in OPERATIONS},
                timeline={name: {h: figures.value(h, name) for h in figures.hypervisors} for name, _ in MOMENTS},
                domains={name: {h: figures.value(h, name) for h in figures.hypervisors} for name, _ in DOMAINS},
                split={h: figures.results.get((h, 'split')) for h in figures.hypervisors})
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(tree, file, indent=2)
        file.write('\n')


def bar(y, width, colour):
    return '<rect x="300" y="%d" width="%.1f" height="6" fill="%s"/>' % (y, width, colour)


def write_svg(figures, path):
    """Two bars an operation: Coracle's part of the longer one's instructions; lines at a half and a third of Xen's."""
    scale, row, top = 420, 22, 60
    height = top + row * len(OPERATIONS) + 40
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" width="900" height="%d" font-family="sans-serif" font-size="12">'
             % height, '<rect width="100%" height="100%" fill="white"/>',
             '<text x="20" y="24" font-size="16">Instructions for an operation: Coracle%s</text>'
             % (' (blue), Xen 4.17 (grey)' if figures.both else ''),
             '<text x="20" y="42" fill="#555">%s</text>' % html.escape(
                 'QEMU %s, %s; %s' % (figures.description['qemu'], figures.description['cpu'],
                                      figures.description['ruler']))]
    for index, (name, label) in enumerate(OPERATIONS):
        y = top + index * row
        ours, theirs = (figures.value(h, name) for h in ('coracle', 'xen'))
        longest = max(ours or 0, theirs or 0) or 1
        lines.append('<text x="290" y="%d" text-anchor="end">%s</text>' % (y + 11, html.escape(label)))
        lines.append(bar(y + 1, scale * (ours or 0) / longest, '#2a6fb0'))
        if figures.both:
            lines.append(bar(y + 8, scale * (theirs or 0) / longest, '#aaaaaa'))
        lines.append('<text x="730" y="%d">%s</text>' % (y + 11, ' / '.join(
            number(v) for v in ([ours, theirs] if figures.both else [ours]))))
    bottom = top + row * len(OPERATIONS)
    for part, text in ((2, '1/2'), (3, '1/3')) if figures.both else ():
        x = 300 + scale / part
        lines.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#c04040" stroke-dasharray="3,3"/>'
                     % (x, top - 4, x, bottom))
        lines.append('<text x="%.1f" y="%d" fill="#c04040" text-anchor="middle">%s</text>' % (x, bottom + 14, text))
    lines.append('<text x="20" y="%d" fill="#555">%s</text></svg>' % (height - 8, html.escape(NOTES[1])))
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines) + '\n')
