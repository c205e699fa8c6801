# SPDX-License-Identifier: MIT
"""Local hosts of the tool, for tests: each in a runtime directory of its own, ended with everything it started."""
import http.client
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import time

from .core import PATIENCE, SLOWNESS, Failure
from .machine import HYPERVISOR_FAULT
from .tool import coracle


# What the domains run: it repeats lines of its console, and falls or exits when told to.
PROGRAM = r'''
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static void fall(volatile int *where)
{
    *where = 1;
}

int main(int argc, char **argv)
{
    char line[200];

    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 1; i < argc; i++)
        printf("[%s]\n", argv[i]);
    printf("ready\n");
    if (argc > 1 && strcmp(argv[1], "spin") == 0)
        for (;;)
            ;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strcmp(line, "fall") == 0)
            fall((int *)16);
        else if (strncmp(line, "exit ", 5) == 0)
            return atoi(line + 5);
        else
            printf("<%s>\n", line);
    }
    return 0;
}
'''


BUILT = {}
BUILDING = threading.Lock()


def program(context):
    """The image of PROGRAM, built once."""
    folder = os.path.join(context.build, 'tests/system')
    image = os.path.join(folder, 'host-program.elf')
    with BUILDING:
        if context.build not in BUILT:
            os.makedirs(folder, exist_ok=True)
            source = os.path.join(folder, 'host-program.c')
            with open(source, 'w', encoding='ascii') as file:
                file.write(PROGRAM)
            BUILT[context.build] = coracle(context, 'build', '-o', image, source, '-O1', '-g')
    if BUILT[context.build].status != 0:
        raise Failure('the program of the tests cannot be built', BUILT[context.build].text())
    return image


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path, timeout=PATIENCE):
        super().__init__('host', timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Place:
    """A runtime directory; hosts that are still there at its end are killed."""

    def __init__(self, context):
        self.context = context

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix='coracle-')
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.path)
        self.env.pop('CORACLE_TOKEN', None)
        return self

    def __exit__(self, *_):
        base = os.path.join(self.path, 'coracle')
        for name in os.listdir(base) if os.path.isdir(base) else ():
            self.run('host', 'stop', '--force', '--name', name)
        shutil.rmtree(self.path, ignore_errors=True)

    def run(self, *arguments, stdin='', timeout=60, env=None):
        """The tool; whatever it says."""
        return coracle(self.context, *arguments, stdin=stdin, timeout=timeout, env=dict(self.env, **(env or {})))

    def wait_until(self, condition, what, seconds=60):
        """Asks again and again, for what no verb waits for. Seconds of an idle machine, against hanging."""
        deadline = time.monotonic() + seconds * SLOWNESS
        while not condition():
            if time.monotonic() > deadline:
                raise Failure('never: ' + what)
            time.sleep(0.05)

    def file(self, name, data=''):
        path = os.path.join(self.path, name)
        with open(path, 'wb') as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return path


class LocalHost(Place):
    """A running host, named `default` so that no verb has to name it."""

    def __init__(self, context, *options):
        super().__init__(context)
        self.options = options or ('--memory', '192M')

    def __enter__(self):
        super().__enter__()
        started = self.run('host', 'start', *self.options)
        if started.status != 0:
            text = started.text() + self.console()
            super().__exit__()
            raise Failure('the host did not start', text)
        return self

    def __exit__(self, kind, error, trace):
        text = self.console()
        super().__exit__()
        if kind is not None and isinstance(error, Failure):
            error.output += '\n--- console of the host ---\n' + text
        elif kind is None and HYPERVISOR_FAULT.search(text):
            raise Failure('the hypervisor itself is at fault', text)

    def inside(self, name):
        return os.path.join(self.path, 'coracle', 'default', name)

    def console(self):
        text = ''
        for name in ('agent.log', 'console.log'):
            if os.path.exists(self.inside(name)):
                with open(self.inside(name), encoding='utf-8', errors='replace') as file:
                    text += file.read()
        return text

    def ok(self, *arguments, stdin='', timeout=60):
        """The tool must succeed; what it printed."""
        finished = self.run(*arguments, stdin=stdin, timeout=timeout)
        if finished.status != 0:
            raise Failure('coracle %s failed' % ' '.join(arguments), finished.text())
        return finished.out

    def fails(self, *arguments, status=1, says=(), stdin=''):
        """The tool must fail like that, and say all of it on stderr."""
        finished = self.run(*arguments, stdin=stdin)
        if finished.status != status:
            raise Failure('coracle %s: exit status %d instead of %d' % (' '.join(arguments), finished.status, status),
                          finished.text())
        for part in says:
            if part not in finished.err:
                raise Failure('stderr has nothing like "%s"' % part, finished.text())
        return finished.err

    def json(self, *arguments):
        return json.loads(self.ok(*arguments, '--json'))

    def domains(self):
        return {domain['name']: domain for domain in self.json('list')['domains']}

    def has_ended(self, name):
        """Whether a domain that is kept after its end has come to it; false too while it is not there yet."""
        return self.domains().get(name, {}).get('state') in ('shutdown', 'crashed')

    def token(self):
        with open(self.inside('token'), encoding='ascii') as file:
            return file.read().strip()

    def connect(self, timeout=PATIENCE):
        return UnixConnection(self.inside('api.sock'), timeout)

    def socket(self):
        """A connection to the API."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(self.inside('api.sock'))
        return connection

    def request(self, method, path, body=None, headers=None, token=None):
        """A request of the API: its status, its body as JSON where it is that, and its content type."""
        connection = self.connect()
        sent = {'Authorization': 'Bearer ' + (token or self.token())}
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            sent['Content-Type'] = 'application/json'
        try:
            connection.request(method, path, body, dict(sent, **(headers or {})))
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        kind = (answer.getheader('Content-Type') or '').split(';')[0]
        return answer.status, json.loads(data) if data and kind == 'application/json' else data, kind

    def agent(self):
        return json.loads(self.run('host', 'status', '--json').out)['pid']


# Below those that the kernel gives to connections, so that none of these takes one before the machine that it is for.
PORTS = iter(range(15000 + os.getpid() % 15000, 32768))
PORTS_LOCK = threading.Lock()


def free_port(kind=socket.SOCK_STREAM):
    """A port of this machine that is free, and that no other test is told."""
    while True:
        with PORTS_LOCK:
            port = next(PORTS)
        with socket.socket(type=kind) as one:
            try:
                one.bind(('127.0.0.1', port))
                return port
            except OSError:
                pass


class TcpHost(LocalHost):
    """The same, asked over TCP."""

    def __init__(self, context):
        self.port = free_port()
        self.address = 'tcp:127.0.0.1:%d' % self.port
        super().__init__(context, '--memory', '192M', '--listen', str(self.port))

    def connect(self, timeout=PATIENCE):
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)

    def socket(self):
        return socket.create_connection(('127.0.0.1', self.port), PATIENCE)


def children(pid):
    """The processes that pid has started and that live."""
    found = []
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open('/proc/%s/stat' % name, encoding='utf-8', errors='replace') as file:
                fields = file.read().rsplit(')', 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[1]) == pid and fields[0] != 'Z':
            found.append(int(name))
    return found


def lives(pid):
    try:
        os.kill(pid, 0)
        with open('/proc/%d/stat' % pid, encoding='utf-8', errors='replace') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def kill(pid):
    os.kill(pid, signal.SIGKILL)
