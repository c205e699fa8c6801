# SPDX-License-Identifier: MIT
"""A packed host: it boots through GRUB by BIOS and UEFI, starts its domains, and is reached over the machine's second
serial line, as a real machine would be."""
import os
import re

from runner.core import Failure, Test
from runner.host import Place, free_port, program
from runner.machine import HYPERVISOR_FAULT
from runner.packed import FIRMWARE, PackedMachine


def packed(firmware):
    def function(context):
        with Place(context) as place:
            def ok(*arguments, stdin='', timeout=100):
                finished = place.run(*arguments, stdin=stdin, timeout=timeout)
                if finished.status != 0:
                    raise Failure('coracle %s failed' % ' '.join(arguments), finished.text())
                return finished.out

            cfg = place.file('a.cfg', 'name="first"\nkernel="%s"\nmemory=8\nextra="-- x"\n' % program(context))
            medium, token = os.path.join(place.path, 'disk.img'), os.path.join(place.path, 'key')
            told = place.run('pack', '-o', medium, '--token-file', token, '--listen', 'dhcp', '--autostart', cfg,
                             program(context))
            for part in ('--host serial:/dev/DEVICE', '--host tcp:ADDRESS:7420', 'the token is in ' + token):
                if told.status != 0 or part not in told.err:
                    raise Failure('pack does not say "%s"' % part, told.text())
            port = free_port()
            card = ['-monitor', 'none', '-nic', 'user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:%d-:7420' % port]
            if os.stat(token).st_mode & 0o077:
                raise Failure('others may read the token')
            with PackedMachine(medium, firmware, os.path.join(place.path, 'log'), card) as machine:
                there = ['--host', 'serial:' + machine.line, '--token-file', token]
                for name in ('first', 'host-program'):  # the API is there before they are
                    place.wait_until(lambda name=name: re.search(r'^%s +\d+ ' % name, ok('list', *there), re.M),
                                     'the domain %s is started' % name)
                listed = ok('list', *there)
                if '[x]\nready' not in ok('console', 'first', *there, stdin='exit 0\n').replace('\r', ''):
                    raise Failure('the console does not work over the line')
                if '[x]\nready' not in ok('logs', 'first', *there).replace('\r', ''):
                    raise Failure('the domain did not get its arguments')
                ok('destroy', 'host-program', *there)
                place.wait_until(lambda: 'the API is at tcp:10.0.2.15:7420' in machine.console(),
                                 'the control domain has an address by DHCP')
                over_tcp = ok('list', '--host', 'tcp:127.0.0.1:%d' % port, '--token-file', token)
                if re.search('^host-program ', over_tcp, re.M):
                    raise Failure('over the network it is another host', over_tcp)
                refused = place.run('list', '--host', 'serial:' + machine.line, env={'CORACLE_TOKEN': 'f' * 64})
                if refused.status != 1 or 'token' not in refused.err:
                    raise Failure('a wrong token is good', refused.text())
                ok('host', 'stop', '--host', 'tcp:127.0.0.1:%d' % port, '--token-file', token)
                place.wait_until(lambda: machine.process.poll() is not None, 'the machine is off')
                if HYPERVISOR_FAULT.search(machine.console()):
                    raise Failure('the hypervisor itself is at fault')
        return listed

    return Test('system/host-media/' + firmware, function)


def tokens(context):
    """A token is made, printed or kept, and used again from its file; a bad one is refused."""
    with Place(context) as place:
        medium, token = os.path.join(place.path, 'disk.img'), os.path.join(place.path, 'key')
        printed = place.run('pack', '-o', medium, '--autostart')
        if printed.status != 0 or not re.fullmatch('[0-9a-f]{64}\n', printed.out):
            raise Failure('no token is printed', printed.text())
        first = place.run('pack', '-o', medium, '--autostart', '--token-file', token)
        with open(token, encoding='ascii') as file:
            kept = file.read()
        second = place.run('pack', '-o', medium, '--autostart', '--token-file', token)
        with open(token, encoding='ascii') as file:
            same = file.read() == kept
        if (first.status, second.status, first.out, second.out, same) != (0, 0, '', '', True):
            raise Failure('the token is not kept', first.text() + second.text())
        place.file('key', 'short\n')
        bad = place.run('pack', '-o', medium, '--autostart', '--token-file', token)
        if bad.status != 1 or 'expected a token' not in bad.err:
            raise Failure('a bad token is taken', bad.text())
        for wrong, says in ((['--listen', '10.0.0.1'], 'ADDRESS/PREFIX'), (['--listen', '10.0.0.1/33'], 'ADDRESS/PREFIX'),
                            (['--listen', '10.0.0/8'], 'ADDRESS/PREFIX'), (['--gateway', '10.0.0.1'], 'belong to --listen'),
                            (['--listen', 'dhcp', '--port', '0'], '1 to 65535'),
                            (['--listen', 'dhcp', '--gateway', '10.0.0.1'], 'DHCP brings its own')):
            refused = place.run('pack', '-o', medium, '--autostart', *wrong)
            if refused.status != 2 or says not in refused.err:
                raise Failure('pack %s' % ' '.join(wrong), refused.text())
        cfg = place.file('disk.cfg', 'name="d"\nkernel="%s"\ndisk=["data.img,raw,xvda,w"]\n' % program(context))
        files = place.run('pack', '-o', medium, '--autostart', cfg)
        if files.status != 1 or 'data.img' not in files.err or 'has no files of this machine' not in files.err:
            raise Failure('an image file for a packed host', files.text())
        missing = place.run('pack', '-o', medium, '--autostart', '/nonexistent.cfg')
        if missing.status != 1 or '/nonexistent.cfg' not in missing.err:
            raise Failure('a missing configuration is taken', missing.text())
    return ''


def collect(_context):
    return [packed(firmware) for firmware in FIRMWARE] + [Test('system/host-media/tokens', tokens)]
