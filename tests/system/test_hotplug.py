# SPDX-License-Identifier: MIT
"""Devices that come to a running domain and go, by the tool's verbs. system/hotplug/guest.c does on its console what it is
told, and says what came of it."""
import json
import os
import re
import socket
import subprocess
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


def host_disks(host):
    status, body, _ = host.request('GET', '/v1/host/disks')
    if status != 200:
        raise Failure('the disks of the host: status %d' % status, str(body))
    return {disk['name']: disk for disk in body['disks']}


def files(context):
    """Image files become disks of a host that runs, for as long as a domain has them."""
    with LocalHost(context, '--memory', '192M') as host:
        data, more = disk_file(host, 'data.img', 'd'), disk_file(host, 'more.img', 'm', 2 * MIB)
        first = configuration(host, context, 'first', "disk=['%s,raw,xvda,w']" % data)
        host.ok('create', first)
        talk = Talk(host, 'first')
        talk.expect('open xvda', '<open: 0>')
        talk.expect('read', '<read: 4096>')
        talk.wait('<data: d{16}>')
        talk.expect('write', '<write: 4096>')
        talk.wait('<sync: 0>')
        with open(data, 'rb') as file:
            if file.read(8192) != b'w' * 4096 + b'd' * 4096:
                raise Failure('the file does not hold what was written')
        # What cannot be is said, and leaves nothing in the machine.
        there = host_disks(host)
        second = configuration(host, context, 'second', "disk=['%s,raw,xvda,w', '%s,raw,xvdb,w']" % (more, data))
        host.fails('create', second, says=['data.img', 'a domain of this host uses it'])
        locked = disk_file(host, 'locked.img', 'l')
        with subprocess.Popen(['qemu-io', '-f', 'raw', locked], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            holder.stdin.write(b'length\n')
            holder.stdin.flush()
            holder.stdout.readline()
            host.fails('block-attach', 'first', locked + ',raw,xvdb,w', says=['in use by another machine'])
            holder.stdin.close()
        for line, says in (('%s/none.img,raw,xvdb,w' % host.path, 'No such file'),
                           (host.file('short.img', 'x' * 700) + ',raw,xvdb,w', 'truncated'),
                           (host.file('text.img', 'x' * 1024) + ',qcow2,xvdb,w', 'no header of one'),
                           (host.path + ',raw,xvdb,w', 'Is a directory'),
                           (data + ',raw,xvdb,fly', 'fly'), (data + ',raw,nodisk,w', 'nodisk'), (data, 'no virtual disk'),
                           (more + ',raw,xvda,w', 'two disks xvda')):
            host.fails('block-attach', 'first', line, says=[says])
        host.wait_until(lambda: host_disks(host) == there, 'what failed has left the machine')
        # Another, read-only and then not, in the same domain; the file is free as soon as the domain has let go.
        host.ok('block-attach', 'first', more + ',raw,xvdb,r')
        talk.expect('open xvdb', '<open: Read-only file system>')
        host.ok('block-detach', 'first', 'xvdb')
        host.wait_until(lambda: host_disks(host) == there, 'the disk has left the machine')
        host.ok('block-attach', 'first', 'format=raw', 'vdev=xvdb', 'access=rw', 'target=' + more)
        talk.expect('open xvdb', '<open: 0>')
        # A reboot keeps them; the end gives them back.
        host.ok('reboot', 'first')
        host.wait_until(lambda: host.domains()['first']['restarts'] == 1, 'it reboots')
        if sorted(disk['vdev'] for disk in host.json('block-list', 'first')['disks']) != ['xvda', 'xvdb']:
            raise Failure('after a reboot its disks are other ones')
        host.ok('destroy', 'first')
        host.wait_until(lambda: not host_disks(host), 'the files have left the machine')
        host.ok('create', second)
        host.ok('shutdown', '--wait', 'second')
        host.wait_until(lambda: not host_disks(host), 'the files have left the machine again')
    return ''


def vanishes(context):
    """A disk vanishes while a domain reads it: the domain gets an error, and nobody else notices."""
    with LocalHost(context, '--memory', '192M') as host:
        data = disk_file(host, 'data.img', 'd')
        own = disk_file(host, 'own.img', 'o')
        for name, letter in (('first', 'a'), ('other', 'b')):
            host.ok('create', configuration(host, context, name,
                                            *(["disk=['%s,raw,xvda,w']" % own] if name == 'other' else [])))
        agent = socket.socket(socket.AF_UNIX)
        agent.connect(host.inside('agent.sock'))
        agent.sendall(json.dumps({'path': data, 'format': 'raw', 'read_only': False}).encode() + b'\n')
        name = json.loads(agent.recv(1000))['name']
        host.wait_until(lambda: name in host_disks(host), 'the control domain has the disk')
        host.ok('block-attach', 'first', 'phy:%s,xvdb,w' % name)
        first, other = Talk(host, 'first'), Talk(host, 'other')
        first.expect('open xvdb', '<open: 0>')
        first.expect('read', '<read: 4096>')
        other.expect('open xvda', '<open: 0>')
        agent.close()  # and with it the disk
        host.wait_until(lambda: name not in host_disks(host), 'the disk is gone')
        first.expect('read', '<read: EIO>')
        first.expect('write', '<write: EIO>')
        other.expect('read', '<read: 4096>')
        host.ok('block-detach', 'first', 'xvdb')
        host.ok('block-attach', 'first', data + ',raw,xvdb,w')
        first.expect('close', '<close: 0>')
        first.expect('open xvdb', '<open: 0>')
        first.expect('read', '<read: 4096>')
        other.expect('read', '<read: 4096>')
    return ''


def collect(_context):
    return [Test('system/hotplug/' + function.__name__.replace('_', '-'), function)
            for function in (disks, interfaces, files, vanishes)]
