# SPDX-License-Identifier: MIT
"""The API at its line: what clients may send, and what they must not be able to break.

Each test boots a host whose second serial line is a socket, and plays the tool's end of the link on it.
"""
import json
import os
import subprocess
import time

from runner.bare_host import LINES, TOKEN, Host, expect, still_answers
from runner.core import PATIENCE, SLOWNESS, Failure, Test
from runner.link import Link, LinkError, parse_answer
from runner.machine import HYPERVISOR_FAULT

def api_test(name, function, line):
    def run(context):
        with Host(context, line + '/' + name, line) as host:
            try:
                function(host, Link(host.line))
            except (LinkError, ValueError) as error:
                raise Failure(str(error), host.log()) from error
            if HYPERVISOR_FAULT.search(host.log()):
                raise Failure('the hypervisor itself is at fault', host.log())
            return host.log()
    return Test('system/api/%s/%s' % (line, name), run)


def create(link, name, **config):
    body = json.dumps({'name': name, 'kernel': 'hello', 'memory_kib': 4096, **config}).encode()
    return link.request('POST', '/v1/domains', TOKEN, body)


# ---------------------------------------------------------------- cases

def without_token(_, link):
    for token in (None, '', TOKEN[:-1], TOKEN + '0', 'f' * 32):
        for path in ('/v1/host', '/v1/domains', '/nothing'):
            status, fields, body = link.request('GET', path, token)
            expect(status == 401 and fields.get('www-authenticate') == 'Bearer', 'refused', (token, path, status))
            expect(b'coracle' not in body.lower() and b'domain' not in body, 'and nothing else is said', body)
    still_answers(link)


def malformed(_, link):
    for raw in (b'\r\n\r\n', b'GARBAGE\r\n\r\n', b'GET\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n',
                b'GET /v1/host HTTP/1.1\r\nContent-Length: x\r\n\r\n', b'\x00' * 64, b'\x16\x03\x01' + b'\xff' * 60):
        channel = link.open()
        channel.send(raw)
        channel.end()
        answer = channel.read_all()
        expect(answer == b'' or parse_answer(answer)[0] in (400, 401), 'refused as malformed', (raw, answer))
    for body, text in ((b'', 'no JSON'), (b'{', 'no JSON'), (b'[]', 'JSON object'), (b'{"name":1,"kernel":"k"}', 'name'),
                       (b'{"name":"a"}', 'kernel'), (b'{"name":"a","kernel":"k","x":1}', 'x'), (b'{} {}', 'no JSON')):
        status, _, answer = link.request('POST', '/v1/domains', TOKEN, body)
        expect(status == 400 and text in json.loads(answer)['error'], 'says what is wrong', (body, status, answer))
    still_answers(link)


def oversized(_, link):
    status, _, body = link.request('POST', '/v1/domains', TOKEN, b' ' * 70000)
    expect(status == 413, 'a JSON body of 70,000 bytes is refused', (status, body))
    channel = link.open()
    head = f'PUT /v1/images/big HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 1000000000\r\n\r\n'
    channel.send(head.encode())
    status, _, body = parse_answer(channel.read_until(lambda data: b'}' in data))
    expect(status == 413 and b'1000000000' in body, 'an image larger than memory is refused at its head', (status, body))
    channel.reset()
    channel = link.open()
    channel.send(b'GET /v1/host HTTP/1.1\r\nX: ' + b'y' * 9000)
    status = parse_answer(channel.read_until(lambda data: b'}' in data))[0]
    expect(status == 431, 'a head without end is refused', status)
    still_answers(link)


def slow_and_many(_, link):
    slow = [link.open() for _ in range(300)]
    for channel in slow:
        channel.send(b'GET /v1/host HTT')
    still_answers(link)
    for channel in slow[:150]:
        channel.reset()
    for channel in slow[150:]:
        channel.send(f'P/1.1\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n'.encode())
    for channel in slow[150:]:
        status = parse_answer(channel.read_all())[0]
        expect(status == 200, 'a slow request is answered when it is complete', status)
    still_answers(link)


def noise_on_the_line(host, link):
    host.line.sendall(os.urandom(3000))
    host.line.sendall(bytes(2000))  # whatever length the noise announced, it is over now
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            link.hello()
            still_answers(link, 10 * SLOWNESS)
            return
        except LinkError:
            expect(time.monotonic() < deadline, 'the link comes back after noise', link.resets)


def a_reader_that_stalls(_, link):
    status, _, body = create(link, 'talker', kernel='echo', cmdline='-- flood')
    expect(status == 201, 'created', body)
    channel = link.open()
    channel.consume = False
    channel.send(f'GET /v1/domains/talker/log?follow=1 HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n'.encode())
    channel.read_until(lambda data: len(data) > 8000)
    for _ in range(20):
        still_answers(link)
    status = link.request('DELETE', '/v1/domains/talker', TOKEN)[0]
    expect(status == 204, 'destroyed', status)
    channel.reset()
    still_answers(link)


def attach(link, name, replay=0):
    channel = link.open()
    channel.send((f'GET /v1/domains/{name}/console?replay={replay} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n'
                  'Connection: Upgrade\r\nUpgrade: coracle-console\r\n\r\n').encode())
    head = channel.read_until(lambda data: b'\r\n\r\n' in data)
    expect(head.startswith(b'HTTP/1.1 101 '), 'the console is attached', head)
    channel.received = head.partition(b'\r\n\r\n')[2]
    return channel


def several_at_a_console(_, link):
    status, _, body = create(link, 'echo', kernel='echo', paused=True)
    expect(status == 201, 'created', body)
    one, two = attach(link, 'echo'), attach(link, 'echo')
    link.request('POST', '/v1/domains/echo/unpause', TOKEN)
    for channel in (one, two):
        channel.read_until(lambda data: b'ready' in data)
    one.send(b'from one\n')
    for channel in (one, two):
        seen = channel.read_until(lambda data: b'got: from one' in data)
        expect(b'got: from one' in seen, 'both see it', seen)
    one.reset()
    two.send(b'from two\n')
    two.read_until(lambda data: b'got: from two' in data)
    replayed = attach(link, 'echo', replay=1).read_until(lambda data: b'from two' in data)
    expect(b'ready' in replayed and b'got: from one' in replayed, 'the log is replayed', replayed)
    two.send(b'quit\n')
    rest = two.read_all()
    expect(b'bye' in rest and two.ended, 'the last words come, then the end', rest)


def life_of_a_domain(_, link):
    status, _, body = create(link, 'a', on_poweroff='preserve', paused=True)
    expect(status == 201 and json.loads(body)['state'] == 'paused', 'created, paused', body)
    status, _, body = create(link, 'a')
    expect(status == 409, 'a name is taken once', body)
    waiting = link.open()
    waiting.send(f'GET /v1/domains/a/wait HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n'.encode())
    status = link.request('POST', '/v1/domains/a/unpause', TOKEN)[0]
    expect(status == 204, 'unpaused', status)
    status, _, body = parse_answer(waiting.read_all())
    expect(json.loads(body) == {'reason': 'poweroff', 'exit_status': 0}, 'its end is told', body)
    log = link.request('GET', '/v1/domains/a/log', TOKEN)[2]
    expect(b'Hello' in log, 'its log is there', log)
    status = link.request('DELETE', '/v1/domains/a', TOKEN)[0]
    expect(status == 204, 'destroyed', status)
    status = link.request('GET', '/v1/domains/a', TOKEN)[0]
    expect(status == 404, 'gone', status)
    log = link.request('GET', '/v1/domains/a/log', TOKEN)[2]
    expect(b'Hello' in log, 'its log is still there', log)


def the_host_powers_off(host, link):
    create(link, 'echo', kernel='echo')
    status = link.request('POST', '/v1/host/shutdown', TOKEN, b'{"mode":"poweroff"}')[0]
    expect(status == 202, 'accepted', status)
    try:
        host.process.wait(PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise Failure('the machine is still on', host.log()) from error


def collect(_context):
    return [api_test(name, function, line) for name, function, lines in (
        ('without_token', without_token, ('virtio',)), ('malformed', malformed, ('virtio',)),
        ('oversized', oversized, LINES), ('slow_and_many', slow_and_many, ('virtio',)),
        ('noise', noise_on_the_line, LINES), ('stalled_reader', a_reader_that_stalls, LINES),
        ('console', several_at_a_console, LINES), ('life', life_of_a_domain, LINES),
        ('poweroff', the_host_powers_off, ('serial',))) for line in lines]
