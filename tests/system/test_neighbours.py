# SPDX-License-Identifier: MIT
"""Bad neighbours as the API sees them: while domains of each kind attack (tests/system/control/attackers), the control
domain answers, a domain beside them can be made, listed and destroyed, and its console is served; afterwards all memory
is back."""
import json

from runner.core import PATIENCE, Failure, Test
from runner.link import Link, LinkError
from runner.machine import HYPERVISOR_FAULT
from system.test_api import TOKEN, Host, attach, expect

GUESTS = ('attacker', 'storebomb', 'answer', 'victim')

# Name: the attackers' configuration, and what their log has from when they have begun (floods go on saying it: the log is
# bounded).
ATTACKS = {
    'vcpus': (dict(kernel='attacker', cmdline='vcpus', maxvcpus=128, vcpus=128), b'128 vCPUs run'),
    'events': (dict(kernel='attacker', cmdline='events', vcpus=4), b'attack begins'),
    'ports': (dict(kernel='attacker', cmdline='ports', vcpus=4), b'all ports are taken'),
    'grants': (dict(kernel='attacker', cmdline='grants', vcpus=4), b'attack begins'),
    'tables': (dict(kernel='attacker', cmdline='tables', vcpus=4), b'attack begins'),
    'store': (dict(kernel='storebomb'), b'the store gives no more'),
    'console': (dict(kernel='answer', cmdline='-- flood'), b'flood '),
}


def request(link, method, path, body=None, want=200):
    status, _, answer = link.request(method, path, TOKEN, body if body is None else json.dumps(body).encode())
    expect(status == want, '%s %s' % (method, path), (status, answer))
    return answer


def free_kib(link):
    return json.loads(request(link, 'GET', '/v1/host'))['free_kib']


def create(link, name, **config):
    request(link, 'POST', '/v1/domains', {'name': name, 'memory_kib': 8192, **config}, 201)


def asked(channel, question):
    channel.send(question + b'\n')
    said = channel.read_until(lambda data: b'heard ' + question in data, PATIENCE)
    expect(b'heard ' + question in said, 'the victim answers', said)


def round_of(link, config, begins):
    create(link, 'victim', kernel='victim', memory_kib=4096)
    for name in ('bad1', 'bad2'):
        create(link, name, **config)
    for name in ('bad1', 'bad2'):
        follow = link.open()
        follow.send((f'GET /v1/domains/{name}/log?follow=1 HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n').encode())
        said = follow.read_until(lambda data: begins in data, PATIENCE)
        expect(begins in said, name + ' attacks', said[-500:])
        follow.reset()
    console = attach(link, 'victim')
    for i in range(10):
        asked(console, b'question %d' % i)
        request(link, 'GET', '/v1/host')
    console.reset()
    create(link, 'more', kernel='victim', memory_kib=4096)
    names = {domain['name'] for domain in json.loads(request(link, 'GET', '/v1/domains'))['domains']}
    expect(names == {'victim', 'bad1', 'bad2', 'more'}, 'all are listed: nobody has died', names)
    for name in ('more', 'bad1', 'bad2', 'victim'):
        request(link, 'DELETE', '/v1/domains/' + name, want=204)


def attack(kind):
    def run(context):
        images = {name: 'tests/system/control_guests/%s.elf' % name for name in GUESTS}
        with Host(context, 'neighbours/' + kind, 'virtio', images) as host:
            try:
                link = Link(host.line, PATIENCE)
                round_of(link, *ATTACKS[kind])
                before = free_kib(link)  # tables have the size that they keep
                round_of(link, *ATTACKS[kind])
                after = free_kib(link)
                expect(after == before, 'all memory is back', (before, after))
            except (LinkError, ValueError) as error:
                raise Failure(str(error), host.log()) from error
            if HYPERVISOR_FAULT.search(host.log()):
                raise Failure('the hypervisor itself is at fault', host.log())
            return host.log()

    return Test('system/neighbours/' + kind, run)


def collect(_context):
    return [attack(kind) for kind in ATTACKS]
