# SPDX-License-Identifier: MIT
"""Packed hosts on a network of their own: booted by GRUB with each kind of card, their guests get addresses from the network
(QEMU's DHCP server) and are reached from outside; the network's cable is pulled and comes back."""
import json
import os
import re
import socket
import tarfile
import time
import urllib.request

from runner.core import PATIENCE, Failure, Test
from runner.host import Place, free_port
from runner.packed import PackedMachine
from runner.tool import product

# Asks its neighbour, by UDP, and counts the answers.
TALKER = r'''
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
    struct timeval patience = {1, 0};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    char back[16];

    inet_aton("10.0.2.50", &to.sin_addr);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    for (int answers = 0;;) {
        if (sendto(s, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5 && recv(s, back, 16, 0) == 5)
            printf("answers: %d\n", ++answers);
        usleep(100000);
    }
}
'''


class Machine(PackedMachine):
    """A packed machine with a card whose network leads ports of this machine to addresses of guests. It stands still until
    begin()."""

    def __init__(self, place, medium, firmware, card, ports):
        forwards = ''.join(',hostfwd=tcp:127.0.0.1:%d-%s:80' % (port, guest) for guest, port in ports.items())
        control = os.path.join(place.path, 'qmp')
        super().__init__(medium, firmware, os.path.join(place.path, 'com1'),
                         ['-S', '-qmp', 'unix:%s,server=on,wait=off' % control, '-netdev', 'user,id=net' + forwards,
                          '-device', card + ',netdev=net,id=card'])
        self.control = socket.socket(socket.AF_UNIX)
        self.control.settimeout(PATIENCE)
        self.control.connect(control)
        self.answers = self.control.makefile('r')
        self.answers.readline()
        self.qmp('qmp_capabilities')

    def qmp(self, command, **arguments):
        self.control.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode())
        while True:
            answer = json.loads(self.answers.readline())
            if 'error' in answer:
                raise Failure('QEMU refuses %s' % command, str(answer))
            if 'return' in answer:
                return

    def begin(self):
        self.qmp('cont')

    def link(self, up):
        self.qmp('set_link', name='card', up=up)

    def __exit__(self, kind, error, trace):
        self.control.close()
        super().__exit__(kind, error, trace)


def page(port, timeout=PATIENCE):
    """The page behind a port; None: nobody answers."""
    try:
        with urllib.request.urlopen('http://127.0.0.1:%d/' % port, timeout=timeout) as answer:
            return answer.read()
    except OSError:
        return None


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Failure('never: ' + what)
        time.sleep(0.1)


def web(context, place, name, vif="'bridge=br0'"):
    """A configuration of a web server whose page is its name."""
    site = os.path.join(place.path, name + '.tar')
    with tarfile.open(site, 'w') as archive:
        archive.add(place.file(name + '.html', name), 'index.html')
    return place.file(name + '.cfg', 'name="%s"\nkernel="%s"\nramdisk="%s"\nmemory=16\nvif=[%s]\n' % (
        name, product(context, 'samples/httpd/httpd.elf'), site, vif))


def pack(place, *files):
    medium, token = os.path.join(place.path, 'disk.img'), os.path.join(place.path, 'key')
    packed = place.run('pack', '-o', medium, '--token-file', token, '--autostart', *files)
    if packed.status != 0:
        raise Failure('pack failed', packed.text())
    return medium, token


def served(firmware, card, driver):
    """Two guests, two addresses, two pages."""
    def function(context):
        with Place(context) as place:
            medium, token = pack(place, web(context, place, 'one'), web(context, place, 'two'))
            ports = {'10.0.2.15': free_port(), '10.0.2.16': free_port()}
            with Machine(place, medium, firmware, card, ports) as machine:
                machine.begin()
                pages = {}
                for port in ports.values():
                    until(lambda: pages.update({port: page(port)}) or pages[port], 'a page at each address')
                if sorted(pages.values()) != [b'one', b'two']:
                    raise Failure('expected the pages of both guests, found %s' % list(pages.values()))
                info = place.run('info', '--host', 'serial:' + machine.line, '--token-file', token)
                if not re.search(r'^bridge +br0, interfaces 2, eth0 \(%s, 52:54:00:12:34:56\): up$' % driver, info.out, re.M):
                    raise Failure('info does not tell of the bridge', info.text())
                return machine.console()
    return function


def cable(card):
    """No cable at first, then one, then none, when neighbours still talk, then one again."""
    def function(context):
        with Place(context) as place:
            talker = os.path.join(place.path, 'talker.elf')
            built = place.run('build', '-o', talker, place.file('talker.c', TALKER))
            if built.status != 0:
                raise Failure('the talker cannot be built', built.text())
            guest = 'name="%s"\nkernel="%s"\nmemory=8\nvif=["ip=%s/24"]\n'
            echo = guest % ('echo', product(context, 'samples/echo/echo.elf'), '10.0.2.50')
            medium, token = pack(place, web(context, place, 'web'), place.file('echo.cfg', echo),
                                 place.file('talker.cfg', guest % ('talker', talker, '10.0.2.51')))
            port = free_port()
            with Machine(place, medium, 'bios', card, {'10.0.2.15': port}) as machine:
                there = ['--host', 'serial:' + machine.line, '--token-file', token]

                def answers():
                    text = place.run('logs', 'talker', *there).out
                    return int((re.findall(r'answers: (\d+)', text) or ['0'])[-1])

                def state():
                    hosts = json.loads(place.run('info', '--json', *there).out)
                    return hosts['bridges'][0]['state'] if hosts['bridges'] else None

                machine.link(False)
                machine.begin()
                until(lambda: state() == 'down', 'the host knows that there is no link')
                if page(port, 1) is not None:
                    raise Failure('a page without a cable')
                machine.link(True)
                until(lambda: page(port) == b'web', 'an address, and the page')
                machine.link(False)
                until(lambda: state() == 'down', 'the host knows that the link is gone')
                before = answers()
                until(lambda: answers() > before, 'neighbours talk without the network')
                if 'no link' not in place.run('info', *there).out or page(port, 1) is not None:
                    raise Failure('it is not as without a cable')
                machine.link(True)
                until(lambda: page(port) == b'web', 'the page again')
                if state() != 'up':
                    raise Failure('the link is not up: ' + str(state()))
                if machine.console().count('eth0: link down') < 2:
                    raise Failure('the console does not tell of the link')
                return machine.console()
    return function


def same_address(context):
    """Two guests with one MAC are refused when they are packed, also when it is written in two ways."""
    with Place(context) as place:
        one = web(context, place, 'one', "'mac=00:16:3e:00:00:0a'")
        two = web(context, place, 'two', "'mac=00:16:3E:00:00:0A,bridge=br0'")
        other = web(context, place, 'other', "'mac=00:16:3e:00:00:0a,bridge=lan'")
        medium = os.path.join(place.path, 'disk.img')
        refused = place.run('pack', '-o', medium, '--autostart', one, two)
        for part in (two, 'br0', '00:16:3e:00:00:0a', one):
            if refused.status != 1 or part not in refused.err:
                raise Failure('expected a refusal that says "%s"' % part, refused.text())
        allowed = place.run('pack', '-o', medium, '--autostart', one, other)
        if allowed.status != 0:
            raise Failure('another bridge is another network', allowed.text())
        malformed = place.run('pack', '-o', medium, '--autostart', web(context, place, 'bad', "'mac=nonsense'"))
        if malformed.status != 1 or 'nonsense' not in malformed.err:
            raise Failure('a malformed line is packed', malformed.text())
        return refused.text()


def collect(_context):
    tests = {'virtio': served('bios', 'virtio-net-pci', 'virtio-net'), 'e1000': served('bios', 'e1000', 'e1000'),
             'rtl8139': served('bios', 'rtl8139', 'rtl8139'), 'uefi': served('uefi', 'virtio-net-pci', 'virtio-net'),
             'cable/virtio': cable('virtio-net-pci'), 'cable/e1000': cable('e1000'), 'cable/rtl8139': cable('rtl8139'),
             'same_address': same_address}
    return [Test('system/host-net/' + name, function) for name, function in tests.items()]
