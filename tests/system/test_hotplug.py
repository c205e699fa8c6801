# SPDX-License-Identifier: MIT
"""Devices that come to a running domain and go, by the tool's verbs. system/hotplug/guest.c does on its console what it is
told, and says what came of it."""
import os
import re
import threading

from runner.core import Failure, Test
from runner.host import LocalHost, Place
from runner.tool import coracle

MIB = 1 << 20


BUILT = {}
BUILDING = threading.Lock()


def guest(context):
    """The image of hotplug/guest.c, built once."""
    source = os.path.join(context.root, 'tests/system/hotplug/guest.c')
    image = os.path.join(context.build, 'tests/system/hotplug-guest.elf')
    with BUILDING:
        if image not in BUILT:
            BUILT[image] = coracle(context, 'build', '-o', image, source, '-O1', '-g', '-Wl,-u,cor_block_open')
    if BUILT[image].status != 0:
        raise Failure('the guest cannot be built', BUILT[image].text())
    return image


class Talk:
    """A connection to a domain's console."""

    def __init__(self, host, name):
        self.host, self.name, self.text = host, name, ''
        host.wait_until(lambda: name in host.domains(), '%s is made' % name)
        self.socket = host.socket()
        self.socket.sendall(('GET /v1/domains/%s/console?replay=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n'
                             'Connection: Upgrade\r\nUpgrade: coracle-console\r\n\r\n' % (name, host.token())).encode())
        self.wait('ready ')

    def wait(self, pattern):
        """What matches, which is then no longer there."""
        while not (found := re.search(pattern, self.text)):
            piece = self.socket.recv(4096)
            if not piece:
                raise Failure('%s: its console ends before %r' % (self.name, pattern), self.text)
            self.text += piece.decode(errors='replace')
        self.text = self.text[found.end():]
        return found.group(0)

    def ask(self, line):
        self.socket.sendall(line.encode() + b'\r')
        return self.wait(r'<%s[^>]*>' % line.split()[0])

    def expect(self, line, answer):
        found = self.ask(line)
        if found != answer:
            raise Failure('%s: "%s": expected %s' % (self.name, line, answer), found + self.text)

    def until(self, line, answer):
        """Asks again and again, for what takes its time in the guest."""
        self.host.wait_until(lambda: self.ask(line) == answer, '%s: "%s" is %s' % (self.name, line, answer))


def disk_file(place, name, letter, size=MIB):
    return place.file(name, letter.encode() * size)


def configuration(place, context, name, *more):
    return place.file(name + '.cfg', '\n'.join(('name="%s"' % name, 'kernel="%s"' % guest(context), 'memory=16') + more))


def disks(context):
    """A disk is taken from a domain that has it open, given back, and taken by force from one that does not let go."""
    with Place(context) as place:
        data = disk_file(place, 'data.img', 'd')
        first = configuration(place, context, 'first', "disk=['%s,raw,xvda,w']" % data)
        with LocalHost(context, '--memory', '192M', first) as host:
            talk = Talk(host, 'first')
            talk.expect('open xvda', '<open: 0>')
            talk.expect('read', '<read: 4096>')
            if not re.search(r'xvda +1 +w +connected +vda\n', host.ok('block-list', 'first')):
                raise Failure('the disk is not listed', host.ok('block-list', 'first'))
            if not re.search(r'disk xvda +vda, w, connected', host.ok('info', 'first')):
                raise Failure('info does not show it', host.ok('info', 'first'))
            host.fails('block-attach', 'first', 'phy:vda,xvdb,w', says=['in use by domain', 'xvda'])
            host.ok('block-detach', 'first', 'xvda')
            if host.json('block-list', 'first')['disks']:
                raise Failure('it is there still')
            talk.expect('read', '<read: ENODEV>')
            talk.expect('close', '<close: 0>')
            talk.expect('open xvda', '<open: ENXIO>')
            host.fails('block-detach', 'first', 'xvda', says=["has no disk 'xvda'"])
            if host.ok('block-attach', 'first', 'phy:vda,xvdb,w').strip() != 'xvdb':
                raise Failure('block-attach does not say the name')
            talk.expect('open xvdb', '<open: 0>')
            talk.expect('write', '<write: 4096>')
            talk.wait('<sync: 0>')
            host.fails('block-attach', 'first', 'phy:vda,xvdb,w', says=['two disks xvdb'])
            host.fails('block-attach', 'first', 'phy:none,xvdc,w', says=['expected a disk of this host (vda', "'none'"])
            host.fails('block-attach', 'first', 'phy:vda', says=['there is no virtual disk'])
            # One that does not run does not let go.
            host.ok('pause', 'first')
            host.fails('block-detach', 'first', 'xvdb', says=['has not let go', 'force'])
            host.ok('block-detach', 'first', 'xvdb', '--force')
            host.ok('unpause', 'first')
            talk.expect('read', '<read: ENODEV>')
            host.ok('block-attach', 'first', 'phy:vda,xvdc,r')
            # The next run has what was added, and not what was taken away.
            host.ok('reboot', 'first')
            host.wait_until(lambda: host.domains().get('first', {}).get('restarts') == 1, 'it reboots')
            if [disk['vdev'] for disk in host.json('block-list', 'first')['disks']] != ['xvdc']:
                raise Failure('after a reboot its disks are other ones', host.ok('block-list', 'first'))
    return ''


def interfaces(context):
    with Place(context) as place:
        plain = configuration(place, context, 'plain', "vif=['']", 'on_reboot="restart"')
        with LocalHost(context, '--memory', '192M', plain, configuration(place, context, 'other')) as host:
            talk = Talk(host, 'plain')
            talk.until('interfaces', '<interfaces: eth0>')
            host.wait_until(lambda: 'connected' in host.ok('network-list', 'plain'), 'the interface is connected')
            added = host.ok('network-attach', 'plain', 'mac=00:16:3e:00:00:77', 'bridge=lan', 'ip=10.9.0.1/24').strip()
            if added != '1':
                raise Failure('the second interface has the number ' + added)
            talk.until('interfaces', '<interfaces: eth1 eth0>')  # the newest first
            if not re.search(r'^ +1 +00:16:3e:00:00:77 +lan +10.9.0.1/24 +connected', host.ok('network-list', 'plain'), re.M):
                raise Failure('the interface is not listed', host.ok('network-list', 'plain'))
            host.fails('network-attach', 'other', 'mac=00:16:3e:00:00:77', 'bridge=lan',
                       says=['expected an address of its own', 'vif 1 of the domain "plain"'])
            host.fails('network-attach', 'other', 'mac=7', says=['mac', '"7"'])
            host.fails('network-attach', 'other', 'fly=7', says=['fly'])
            host.fails('network-attach', 'nobody', says=["no domain 'nobody'"])
            host.ok('network-detach', 'plain', '0')
            talk.until('interfaces', '<interfaces: eth1>')
            host.fails('network-detach', 'plain', '0', says=["has no interface '0'"])
            host.ok('network-attach', 'other', 'bridge=lan')
            # After a reboot the second interface has its number and address still.
            host.ok('reboot', 'plain')
            host.wait_until(lambda: host.domains().get('plain', {}).get('restarts') == 1, 'it reboots')
            left = host.json('network-list', 'plain')['vifs']
            if [(vif['devid'], vif['mac']) for vif in left] != [(1, '00:16:3e:00:00:77')]:
                raise Failure('after a reboot its interfaces are other ones', str(left))
            host.ok('network-detach', 'plain', '00:16:3E:00:00:77', '--force')
            host.ok('pause', 'other')
            host.ok('network-detach', 'other', '0')  # it does not let go, and is not asked for ever
            if host.json('network-list', 'other')['vifs']:
                raise Failure('the interface of a domain that does not answer is there still')
    return ''


def collect(_context):
    return [Test('system/hotplug/' + function.__name__.replace('_', '-'), function) for function in (disks, interfaces)]
