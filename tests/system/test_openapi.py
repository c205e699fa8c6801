# SPDX-License-Identifier: MIT
"""The API against its description (toolstack/control/openapi.json): every operation is asked, every answer has a status
and a body that the description gives, and what it does not give is 404 or 405."""
import json
import os
import re

from runner.core import Failure, Test
from runner.host import LocalHost, TcpHost, program
from runner.tool import run

METHODS = ('GET', 'PUT', 'POST', 'DELETE', 'PATCH')
BINARY = {'Content-Type': 'application/octet-stream'}


class Description:
    def __init__(self, context):
        with open(os.path.join(context.root, 'toolstack/control/openapi.json'), encoding='utf-8') as file:
            self.whole = json.load(file)
        self.operations = {}  # operationId -> (method, path, operation)
        for path, item in self.whole['paths'].items():
            for method, operation in item.items():
                if method != 'parameters':
                    self.operations[operation['operationId']] = (method.upper(), path, operation)

    def resolve(self, node):
        while '$ref' in node:
            target = self.whole
            for part in node['$ref'].lstrip('#/').split('/'):
                target = target[part]
            node = target
        return node

    def errors(self, schema, value, where='answer'):
        """What of value does not fit the schema. Members that the schema does not name are wrong in an answer, too."""
        schema = self.resolve(schema)
        kinds = {'object': dict, 'array': list, 'string': str, 'integer': int, 'boolean': bool}
        kind = kinds[schema['type']]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return ['%s: expected %s, found %r' % (where, schema['type'], value)]
        found = []
        if 'enum' in schema and value not in schema['enum']:
            found.append('%s: expected one of %s, found %r' % (where, schema['enum'], value))
        if kind is int and value < schema.get('minimum', value):
            found.append('%s: %d is below %d' % (where, value, schema['minimum']))
        if kind is int and value > schema.get('maximum', value):
            found.append('%s: %d is above %d' % (where, value, schema['maximum']))
        if kind is dict:
            found += ['%s: %s is missing' % (where, name) for name in schema.get('required', ()) if name not in value]
            for name, member in value.items():
                if name in schema.get('properties', {}):
                    found += self.errors(schema['properties'][name], member, where + '.' + name)
                else:
                    found.append('%s: %s is not described' % (where, name))
        for number, item in enumerate(value if kind is list else ()):
            found += self.errors(schema['items'], item, '%s[%d]' % (where, number))
        return found

    def check(self, identifier, answer):
        """Failure unless the answer is one that the operation may give. Its body."""
        _, _, operation = self.operations[identifier]
        status, body, kind = answer
        described = operation['responses'].get(str(status))
        if described is None:
            if status < 400:
                raise Failure('%s: status %d is not described' % (identifier, status), body)
            described = operation['responses']['default']
        content = self.resolve(described).get('content', {})
        if not content:
            if body and status < 400:
                raise Failure('%s: status %d comes with a body' % (identifier, status), body)
        elif kind not in content:
            raise Failure('%s: expected %s, found "%s"' % (identifier, list(content), kind), body)
        elif kind == 'application/json':
            wrong = self.errors(content[kind]['schema'], body, identifier)
            if wrong:
                raise Failure('\n'.join(wrong), json.dumps(body, indent=1))
        return body


class Asker:
    """Asks operations by name and notes which were asked."""

    def __init__(self, context, host):
        self.description, self.host, self.asked = Description(context), host, set()

    def ask(self, identifier, expected, name=None, body=None, headers=None, query=''):
        method, path, _ = self.description.operations[identifier]
        names = iter(name if isinstance(name, tuple) else (name or '',) * 2)
        answer = self.host.request(method, re.sub(r'\{\w+\}', lambda _: next(names), path) + query, body, headers)
        result = self.description.check(identifier, answer)
        if answer[0] != expected:
            raise Failure('%s: expected status %d, found %d' % (identifier, expected, answer[0]), str(result))
        self.asked.add(identifier)
        return result


def attach(host, name, upgrade=True):
    """The status line of a request for a console, and the connection."""
    connection = host.socket()
    connection.sendall(('GET /v1/domains/%s/console HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n' % (
        name, host.token(), 'Connection: Upgrade\r\nUpgrade: coracle-console\r\n' if upgrade else '')).encode())
    head = b''
    while b'\r\n\r\n' not in head:
        piece = connection.recv(4096)
        if not piece:
            raise Failure('no answer to the request for a console', head)
        head += piece
    return int(head.split()[1]), connection


def every_operation(context, kind=LocalHost):
    with kind(context) as host:
        small = os.path.join(host.path, 'small.elf')
        stripped = run(['strip', '-o', small, program(context)])
        if stripped.status != 0:
            raise Failure('strip failed', stripped.text())
        with open(small, 'rb') as file:
            image = file.read()
        asker = Asker(context, host)
        ask = asker.ask
        ask('getHost', 200)
        ask('getHostLog', 200)
        if ask('listHostDisks', 200)['disks']:
            raise Failure('a host without disks has some')
        ask('getHostDisk', 404, 'scsi0', query='?unused=1')
        ask('getHostDisk', 400, 'scsi0', query='?fly=1')
        ask('listImages', 200)
        ask('putImage', 201, 'hello', image, BINARY)
        ask('putImage', 409, 'hello', image, BINARY)
        ask('getImage', 404, 'none')
        if ask('getImage', 200, 'hello')['size'] != len(image):
            raise Failure('the image has another size')
        ask('listDomains', 200)
        config = {'name': 'a', 'kernel': 'hello', 'memory_kib': 16384, 'paused': True, 'cmdline': 'x -- y',
                  'on_poweroff': 'preserve', 'on_crash': 'destroy', 'vcpus': 1, 'cpu_weight': 300, 'cap': 0}
        ask('createDomain', 201, body=config)
        ask('createDomain', 409, body=config)
        for wrong in ({}, {'name': 'b'}, dict(config, name='b', more=1), dict(config, name='b', memory_kib='1'),
                      dict(config, name='b', memory_kib=0), dict(config, name='b', on_crash='fly'), [1]):
            ask('createDomain', 400, body=wrong)
        ask('createDomain', 404, body=dict(config, name='b', kernel='none'))
        if [d['name'] for d in ask('listDomains', 200)['domains']] != ['a']:
            raise Failure('not the one domain is listed')
        ask('getDomain', 200, 'a')
        ask('deleteImage', 409, 'hello')
        for change in ({'cpu_weight': 512}, {'cap': 50}, {'pin': {'cpus': '0'}}, {'pin': {'vcpu': 0, 'cpus': 'all'}}, {}):
            ask('changeDomain', 200, 'a', change)
        for change in ({'cpu_weight': 0}, {'fly': 1}, {'pin': {}}, {'memory_kib': 'x'}):
            ask('changeDomain', 400, 'a', change)
        status, connection = attach(host, 'a', upgrade=False)
        connection.close()
        if status != 426:
            raise Failure('a console without Upgrade: status %d' % status)
        status, console = attach(host, 'a')
        if status != 101:
            raise Failure('no console: status %d' % status)
        asker.asked.add('attachConsole')
        ask('unpauseDomain', 204, 'a')
        console.sendall(b'exit 3\r')
        end = ask('waitDomain', 200, 'a')
        console.close()
        if end['reason'] != 'poweroff' or end.get('exit_status', 3) != 3:
            raise Failure('it ended otherwise', str(end))
        ask('getLog', 200, 'a')
        ask('getLog', 200, 'a', query='?follow=0')
        ask('getCrash', 404, 'a')
        ask('changeDomain', 200, 'a', {'name': 'b'})
        ask('destroyDomain', 204, 'b')
        ask('createDomain', 201, body=dict(config, name='c'))
        ask('unpauseDomain', 204, 'c')
        ask('pauseDomain', 204, 'c')
        ask('shutdownDomain', 202, 'c')
        ask('rebootDomain', 202, 'c')
        if ask('attachVif', 201, 'c', {'vif': 'bridge=lan'})['devid'] != 0 or not ask('listVifs', 200, 'c')['vifs']:
            raise Failure('the interface is not the first')
        for wrong in ({}, {'vif': 1}, {'vif': 'fly=1'}, {'vif': '', 'more': 1}, []):
            ask('attachVif', 400, 'c', wrong)
        ask('attachVif', 409, 'c', {'vif': 'bridge=lan,devid=0'})
        ask('detachVif', 404, ('c', '7'))
        ask('detachVif', 400, ('c', '0'), query='?force=2')
        ask('detachVif', 204, ('c', '0'), query='?force=1')
        for wrong in ({}, {'disk': 1}, {'disk': 'phy:x'}):
            ask('attachDisk', 400, 'c', wrong)
        ask('attachDisk', 404, 'c', {'disk': 'phy:none,xvda,w'})
        ask('listDisks', 200, 'c')
        ask('detachDisk', 404, ('c', 'xvda'))
        ask('destroyDomain', 204, 'c')
        for identifier, (_, path, operation) in asker.description.operations.items():
            if '{name}' in path and identifier not in ('changeDomain', 'attachConsole'):
                ask(identifier, 404, 'nobody', {} if 'requestBody' in operation else None)
        ask('deleteImage', 204, 'hello')
        ask('shutdownHost', 400, body={'mode': 'fly'})
        ask('shutdownHost', 202, body={'mode': 'poweroff', 'timeout_ms': 0})
        missing = set(asker.description.operations) - asker.asked
        if missing:
            raise Failure('operations that were never asked: ' + ', '.join(sorted(missing)))


def nothing_else(context):
    with LocalHost(context) as host:
        description = Description(context)
        for path, item in description.whole['paths'].items():
            path = re.sub(r'\{\w+\}', 'x', path)
            for method in METHODS + ('OPTIONS',):
                answer = host.request(method, path, {} if method in ('PUT', 'POST', 'PATCH') else None,
                                      token='no such token')
                if answer[0] != 401:
                    raise Failure('%s %s without the token: status %d' % (method, path, answer[0]), str(answer[1]))
                if method.lower() not in item:
                    answer = host.request(method, path, {} if method in ('PUT', 'POST', 'PATCH') else None)
                    if answer[0] != 405:
                        raise Failure('%s %s: status %d instead of 405' % (method, path, answer[0]), str(answer[1]))
        for path in ('/', '/v1', '/v1/', '/v2/host', '/v1/hosts', '/v1/host/', '/v1/host/fly', '/v1/domains/a/fly',
                     '/v1/domains/a/b/c', '/v1/images/a/b', '//v1/host', '/v1/domains//pause'):
            answer = host.request('GET', path)
            if answer[0] != 404:
                raise Failure('GET %s: status %d instead of 404' % (path, answer[0]), str(answer[1]))


def raw(host, data, wait=True):
    """Sends bytes to the API as they are; what comes until the end."""
    connection = host.socket()
    answer = b''
    try:
        connection.sendall(data)
        piece = connection.recv(4096) if wait else b''
        while piece:
            answer += piece
            piece = connection.recv(4096)
    except (ConnectionResetError, BrokenPipeError):
        pass
    except TimeoutError:
        answer += b' (and then nothing, not even the end)'
    finally:
        connection.close()
    return answer


def bad_clients(context, kind=LocalHost):
    """Whatever clients do, others are answered."""
    with kind(context) as host:
        token = 'Connection: close\r\nAuthorization: Bearer %s\r\n' % host.token()
        for data, status in ((b'\0' * 100, 400), (b'GET\r\n\r\n', 400), (b'GET /v1/host HTTP/1.1\r\nbad header\r\n\r\n', 400),
                             (b'GET /v1/host HTTP/1.1\r\n\r\n', 401), (b'GET /' + b'x' * 20000, 431),
                             (b'GET /v1/host HTTP/1.1\r\n' + b'a: ' + b'b' * 20000 + b'\r\n\r\n', 431),
                             (('POST /v1/domains HTTP/1.1\r\n%sContent-Length: 999999999\r\n\r\n' % token).encode(), 413),
                             (('POST /v1/domains HTTP/1.1\r\n%sContent-Length: 3\r\n\r\n{{{' % token).encode(), 400),
                             (('PUT /v1/images/x HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' % token).encode(), 400)):
            answer = raw(host, data)
            if not answer.startswith(b'HTTP/1.1 %d ' % status):
                raise Failure('%r...: expected status %d' % (data[:60], status), repr(answer[:200]))
        # Clients that say half of something, and stay, and clients that are gone before they are answered.
        slow = []
        for number in range(10 if kind is TcpHost else 100):  # QEMU takes one at a time of the former
            connection = host.socket()
            connection.sendall(b'GET /v1/host HTTP/1.1\r\nX: ' + b'y' * number)
            slow.append(connection)
            raw(host, ('GET /v1/domains HTTP/1.1\r\n%s\r\n' % token).encode(), wait=False)
        host.ok('list')
        for connection in slow:
            connection.close()
        host.ok('info')


def over_tcp(context):
    every_operation(context, TcpHost)


def bad_clients_over_tcp(context):
    bad_clients(context, TcpHost)


def collect(_context):
    return [Test('system/openapi/' + function.__name__.replace('_', '-'), function)
            for function in (every_operation, over_tcp, nothing_else, bad_clients, bad_clients_over_tcp)]
