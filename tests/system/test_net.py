# SPDX-License-Identifier: MIT
"""Networks of guests as their users have them: `coracle run -p`, a web server that is reached from this machine, its load,
and what is said when that cannot be."""
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

from runner.core import PATIENCE, Failure, Test
from runner.host import LocalHost, free_port
from runner.load import hold, load
from runner.machine import HYPERVISOR_FAULT
from runner.tool import coracle, product

HTTPD = 'samples/httpd/httpd.elf'
ECHO = 'samples/echo/echo.elf'
SITE = 'tests/system/httpd/site'
LOAD_PATIENCE = 2 * PATIENCE


class Server:
    """`coracle run` in the background until `ready` is on its stdout; ended with Ctrl-C."""

    def __init__(self, context, options, image, args, ready):
        self.out = tempfile.TemporaryFile()
        self.process = subprocess.Popen([product(context, 'coracle'), 'run', *options, product(context, image), '--', *args],
                                        stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + PATIENCE
        while ready not in self.text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise Failure('the server does not say "%s"' % ready, self.text())
            time.sleep(0.05)

    def text(self):
        self.out.seek(0)
        return self.out.read().decode('utf-8', 'replace')

    def end(self):
        """The exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.end()
        if kind is None and HYPERVISOR_FAULT.search(self.text()):
            raise Failure('the hypervisor itself is at fault', self.text())
        if kind is None and status != 130:
            raise Failure('status %s instead of 130 after Ctrl-C' % status, self.text())


def fetch(port, path):
    """The page, once the guest has its address."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen('http://127.0.0.1:%d%s' % (port, path), timeout=PATIENCE) as answer:
                return answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise


def page(card):
    """The page of the web server, with this card in the machine."""
    def function(context):
        port = free_port()
        options = ['-p', '%d:80' % port, '--nic', card, '--root', os.path.join(context.root, SITE), '--timeline']
        with Server(context, options, HTTPD, [], 'httpd: serving') as server:
            with open(os.path.join(context.root, SITE, 'index.html'), 'rb') as file:
                expected = file.read()
            if fetch(port, '/') != expected:
                raise Failure('the page is not the file', server.text())
            for wanted in ('boot timeline', 'domain created', 'main'):
                if wanted not in server.text():
                    raise Failure('the output has no "%s"' % wanted, server.text())
            return server.text()
    return function


def echo(context, card='virtio-net-pci'):
    """TCP and UDP through the bridge, frames of all sizes."""
    port, udp = free_port(), free_port(socket.SOCK_DGRAM)
    options = ['-p', '%d:7' % port, '-p', '127.0.0.1:%d:7/udp' % udp, '--nic', card]
    data = bytes(i * 7 & 255 for i in range(1 << 20))
    with Server(context, options, ECHO, [], 'echo: TCP') as server:
        with socket.create_connection(('127.0.0.1', port), PATIENCE) as one:
            one.settimeout(PATIENCE)
            back, sent = bytearray(), 0
            while len(back) < len(data):
                sent += one.send(data[sent:sent + 32768]) if sent < len(data) else 0
                chunk = one.recv(65536)
                if not chunk:
                    raise Failure('the connection ended after %d bytes' % len(back), server.text())
                back += chunk
            if bytes(back) != data:
                raise Failure('other bytes came back', server.text())
        with socket.socket(type=socket.SOCK_DGRAM) as one:
            one.settimeout(30)
            for size in (1, 100, 1472):
                for _ in range(10):  # a datagram may be lost
                    one.sendto(data[:size], ('127.0.0.1', udp))
                    try:
                        answer = one.recv(65536)
                        break
                    except socket.timeout:
                        answer = None
                if answer != data[:size]:
                    raise Failure('%d bytes by UDP did not come back' % size, server.text())
        return server.text()


def reach(port, wanted):
    """What the echo sample sends back, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection(('127.0.0.1', port), PATIENCE) as one:
                one.sendall(wanted)
                return one.recv(len(wanted))
        except OSError:
            if time.monotonic() > deadline:
                raise


def configuration(context):
    """Interfaces of a configuration on a host of its own; a second guest with the same address, and bad lines."""
    port = free_port()
    text = 'name = "%s"\nkernel = "' + product(context, ECHO) + '"\nmemory = 32\nvif = [ %s ]\n'
    with LocalHost(context, '--memory', '192M', '-p', '%d:7' % port) as host:
        good = host.file('good.cfg', text % ('good', "'mac=00:16:3e:00:00:01,bridge=br0,rate=10Mb/s', 'bridge=lan,ip=10.1.1.1/24'"))
        created = host.run('create', good)
        if created.status != 0 or reach(port, b'hello') != b'hello':
            raise Failure('the guest is not in reach', created.text())
        for line, wanted in (("'mac=00:16:3e:00:00:01,bridge=br0'", 'vif 0 of the domain "good"'),
                             ("'mac=00:16:3e:00:00'", 'expected a unicast address such as 00:16:3e:00:00:01'),
                             ("'bridge=lan', 'rate=much'", 'vif 1: rate: expected a rate such as 10Mb/s')):
            refused = host.run('create', host.file('bad.cfg', text % ('bad', line)))
            if refused.status != 1 or wanted not in refused.err:
                raise Failure('%s should be refused with "%s"' % (line, wanted), refused.text())
        return created.text()


def loaded(context):
    """10,000 connections, again, and then 1,000 that are open at the same time: each gets the same answer. QEMU listens with
    a backlog of one, so two are being made at a time: with more, this machine would drop some and try again a second later."""
    port = free_port()
    options = ['-p', '%d:80' % port, '--root', os.path.join(context.root, SITE)]
    log = []
    # No connection may be given up as idle while others are made: on a busy machine that takes minutes.
    with Server(context, options, HTTPD, ['-t', str(LOAD_PATIENCE)], 'httpd: serving') as server:
        fetch(port, '/')
        for total in (10000, 10000):
            results = load(port, '/', total, 2, time.monotonic() + LOAD_PATIENCE)
            log.append('%d connections: %s' % (total, dict(results)))
            if len(results) != 1 or not next(iter(results)).startswith(b'HTTP/1.1 200 OK'):
                raise Failure('not all connections got the page', '\n'.join(log) + server.text())
        answers = hold(port, '/', 1000, 2, time.monotonic() + LOAD_PATIENCE)
        log.append('1000 at once: %s' % dict(answers))
        if len(answers) != 1 or sum(answers.values()) != 2000 or not next(iter(answers)).startswith(b'HTTP/1.1 200 OK'):
            raise Failure('not all of 1,000 connections got the page twice', '\n'.join(log) + server.text())
        return '\n'.join(log)


def port_in_use(context):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        finished = coracle(context, 'run', '-p', '%d:80' % port, product(context, HTTPD), timeout=30)
    if finished.status != 1 or 'port %d of 127.0.0.1 (TCP) is in use' % port not in finished.err or \
            'booting' in finished.err:
        raise Failure('a port in use should be an error before anything boots', finished.text())
    return finished.text()


def usage(context):
    log = ''
    for options in (['-p', '80'], ['-p', '0:80'], ['-p', '8080:65536'], ['-p', '8080:80/icmp'], ['-p', 'host:8080:80'],
                    ['-p', '8080:80', '--direct'], ['-p', '8080:80', '--gdb']):
        finished = coracle(context, 'run', *options, product(context, HTTPD), timeout=30)
        log += finished.text()
        if finished.status != 2 or not ('expected' in finished.err or '--via-host only' in finished.err):
            raise Failure('%s should be bad usage' % ' '.join(options), finished.text())
    return log


def collect(_context):
    cards = {'virtio': 'virtio-net-pci', 'e1000': 'e1000', 'rtl8139': 'rtl8139'}
    tests = {'page/' + name: page(card) for name, card in cards.items()}
    for name in ('e1000', 'rtl8139'):
        tests['echo/' + name] = lambda context, card=name: echo(context, card)
    tests.update({'echo/virtio': echo, 'configuration': configuration, 'load': loaded, 'port_in_use': port_in_use, 'usage': usage})
    return [Test('system/net/' + name, function) for name, function in tests.items()]
