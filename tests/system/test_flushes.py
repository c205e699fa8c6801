# SPDX-License-Identifier: MIT
"""Which processors are interrupted for a TLB flush when a page of a domain's becomes a page table and a page again: those
that run this domain at that moment, and no other. The guest is that of test_shares.py (shares/tables.c)."""
import os
import re

from runner.core import Failure, Test
from runner.machine import HYPERVISOR_FAULT, boot

COUNTED = ('-icount', 'shift=0,sleep=off', '-rtc', 'clock=vm')
ROUNDS = 500
HOGS = '3,1,256,0,0,0,-'


def asked(context, what, vcpus):
    image = os.path.join(context.build, 'tests/system/shares.elf')
    output = boot(context, 'coracle', image, 'tables %d, %s' % (ROUNDS, what), cpus=4, options='dom0_max_vcpus=%d' % vcpus,
                  timeout=240, qemu=COUNTED)
    fault = HYPERVISOR_FAULT.search(output.text)
    if fault:
        raise Failure('the hypervisor itself is at fault: ' + fault.group(0), output.text)
    counts = re.findall(r'TLB flushes asked of other processors: (\d+)', output.text)
    if output.ended != 'exit' or re.search('^not ok', output.text, re.MULTILINE) or len(counts) != 2:
        raise Failure('the guest did not come to a good end', output.text)
    return int(counts[1]) - int(counts[0]), output.text


def nobody(what):
    def function(context):
        count, text = asked(context, what, 1)
        if count:
            raise Failure('%d flushes were asked of processors that do not run the domain' % count, text)
        return text
    return function


def sibling(context):
    """The counter counts: each time, the page had been writable where the other vCPU runs, and a table after that."""
    count, text = asked(context, 's ', 2)
    if count < ROUNDS:
        raise Failure('%d flushes were asked of a processor that runs the domain, in %d rounds' % (count, ROUNDS), text)
    return text


def collect(_context):
    return [Test('system/flushes/idle', nobody('')), Test('system/flushes/others', nobody(HOGS)),
            Test('system/flushes/sibling', sibling)]
