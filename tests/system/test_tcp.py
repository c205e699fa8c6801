# SPDX-License-Identifier: MIT
"""The API over TCP: all verbs, and clients on the network that mean no good. The operations themselves are asked over TCP
by test_openapi.py, and a packed host is reached so in test_host_media.py."""
import re
import time

from runner.bare_host import TOKEN, Host, expect, still_answers
from runner.core import Failure, Test
from runner.host import TcpHost, program
from runner.link import Link
from runner.machine import HYPERVISOR_FAULT
from runner.wire import Wire

STRANGERS, CONNECTIONS = 24, 64  # toolstack/control/tcp.h


def answer_of(connection):
    """One whole answer, up to the end of its body; what came before the end of the connection if that is less."""
    answer = b''
    while True:
        head, gap, body = answer.partition(b'\r\n\r\n')
        length = re.search(rb'^Content-Length: (\d+)', head, re.MULTILINE | re.IGNORECASE)
        if gap and length and len(body) >= int(length.group(1)):
            return answer
        try:
            piece = connection.recv(4096)
        except ConnectionResetError:
            piece = b''
        if not piece:
            return answer
        answer += piece


def verbs(context):
    """The tool, over the network alone: a domain's whole life, its console and its log."""
    with TcpHost(context) as host:
        there = ['--host', host.address, '--token-file', host.inside('token')]
        host.ok('create', program(context), '--name', 'a', '--memory', '8M', *there, '--', 'x')
        for verb in (['pause', 'a'], ['unpause', 'a'], ['rename', 'a', 'b'], ['sched', 'b', '--weight', '300'],
                     ['vcpu-pin', 'b', 'all', '0'], ['info'], ['list'], ['images'], ['info', 'b']):
            host.ok(*verb, *there)
        shown = host.ok('console', 'b', *there, stdin='one\nexit 3\n')
        if '<one>' not in shown or '<one>' not in host.ok('logs', 'b', *there):
            raise Failure('its console or log does not come over the network', shown)
        host.wait_until(lambda: '\nb ' not in host.ok('list', *there), 'b is gone')
        host.ok('create', program(context), '--name', 'c', '--memory', '8M', *there)
        host.ok('destroy', 'c', *there)
        for token, says in (('f' * 64, 'does not know this token'), ('', 'no token for the host')):
            refused = host.run('list', '--host', host.address, env={'CORACLE_TOKEN': token})
            if refused.status != 1 or says not in refused.err:
                raise Failure('with the token "%s"' % token, refused.text())
        nobody = host.run('list', '--host', 'tcp:127.0.0.1:1', env={'CORACLE_TOKEN': 'f' * 64})
        if nobody.status != 1 or 'cannot connect to the host tcp:127.0.0.1:1' not in nobody.err:
            raise Failure('where nobody listens', nobody.text())
        cfg = host.file('disk.cfg', 'kernel="%s"\nname="d"\nmemory=8\ndisk=["%s,raw,xvda,w"]\n' % (
            program(context), host.file('data.img', 'x' * 512)))
        remote = host.run('create', cfg, *there)
        if remote.status != 1 or 'has no files of this machine' not in remote.err:
            raise Failure('a file for a host that is not local', remote.text())
        taken = host.run('host', 'start', '--name', 'second', '--listen', str(host.port))
        if taken.status != 1 or 'in use by another program' not in taken.err or '--listen' not in taken.err:
            raise Failure('a port in use', taken.text())


def strangers(context):
    """Clients without the token that stay make room for others, and harm none that have shown it."""
    with TcpHost(context) as host:
        there = ['--host', host.address, '--token-file', host.inside('token')]
        kept = host.connect()
        header = {'Authorization': 'Bearer ' + host.token()}
        kept.request('GET', '/v1/host', headers=header)
        kept.getresponse().read()
        silent, talking = [], []
        for number in range(3 * STRANGERS):
            connection = host.socket()
            time.sleep(0.02)  # QEMU's queue has room for one: without it most SYNs are sent again a second later
            if number % 2:
                connection.sendall(b'GET /v1/host HTTP/1.1\r\nX: ' + b'y' * number)
                talking.append(connection)
            else:
                silent.append(connection)
        host.ok('list', *there)
        kept.request('GET', '/v1/host', headers=header)  # the first of all connections is still there
        if kept.getresponse().status != 200:
            raise Failure('the connection of a client with the token is of no use any more')
        kept.close()
        for connection in silent[:10]:  # the oldest are gone
            if answer_of(connection):
                raise Failure('a client without the token gets an answer for nothing')
        wrong = host.socket()
        wrong.sendall(b'GET /v1/domains HTTP/1.1\r\nAuthorization: Bearer ' + b'0' * 64 + b'\r\n\r\n')
        answer = answer_of(wrong)
        if not answer.startswith(b'HTTP/1.1 401') or b'domain' in answer:
            raise Failure('a wrong token', repr(answer))
        host.ok('info', *there)
        for connection in silent + talking + [wrong]:
            connection.close()
        host.ok('info', *there)


def full_of_friends(context):
    """As many connections with the token as there may be: one more is refused, and the others go on."""
    with TcpHost(context) as host:
        request = ('GET /v1/host HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n' % host.token()).encode()
        friends = []
        for _ in range(CONNECTIONS):
            connection = host.socket()
            connection.sendall(request)
            if not answer_of(connection).startswith(b'HTTP/1.1 200'):
                raise Failure('connection %d is not answered' % len(friends))
            friends.append(connection)
        more = host.socket()
        try:
            more.sendall(request)
            if answer_of(more):
                raise Failure('one more is answered')
        except (ConnectionResetError, BrokenPipeError):
            pass
        friends[0].sendall(request)
        if not answer_of(friends[0]).startswith(b'HTTP/1.1 200'):
            raise Failure('the first is not answered any more')
        friends.pop().close()
        host.wait_until(lambda: host.run('list', '--host', host.address, '--token-file', host.inside('token')).status == 0,
                        'there is room again')
        host.ok('list')  # by the agent's socket
        for connection in friends:
            connection.close()


def half_open(context):
    """Connections that are begun and never finished: the oldest make room, so that a client that goes on gets through."""
    wire = Wire('10.0.0.2', '10.0.0.1')
    try:
        with Host(context, 'tcp/half_open', 'virtio', qemu=wire.qemu(), settings='api=7420 ip=10.0.0.1/24 --',
                  descriptors=[wire.far.fileno()]) as host:
            link = Link(host.line)
            still_answers(link)
            expect(wire.find(), 'the control domain is on the network', host.log())
            state, port = None, 40000
            while not state and port < 40020:
                wire.syns(7420, 300)
                port += 1
                state = wire.connect(port, 7420)
            expect(state, 'a connection among those that are never finished', host.log())
            wire.syns(7420, 300)
            answer = wire.ask(port, 7420, state, ('GET /v1/host HTTP/1.1\r\nConnection: close\r\n'
                                                  'Authorization: Bearer %s\r\n\r\n' % TOKEN).encode())
            expect(answer.startswith(b'HTTP/1.1 200'), 'it is answered', answer)
            still_answers(link)
            expect(not HYPERVISOR_FAULT.search(host.log()), 'the hypervisor is not at fault', host.log())
    finally:
        wire.close()


def collect(_context):
    return [Test('system/tcp/' + function.__name__.replace('_', '-'), function)
            for function in (verbs, strangers, full_of_friends, half_open)]
