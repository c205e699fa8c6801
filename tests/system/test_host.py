# SPDX-License-Identifier: MIT
"""A host as its users meet it, through the tool: starts and ends, domains by all verbs, consoles and logs, and what must
be refused. Each test has a host, or several, of its own."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time

from runner.core import PATIENCE, Failure, Test
from runner.host import LocalHost, Place, children, kill, lives, program
from runner.tool import product

def check(condition, what, output=''):
    if not condition:
        raise Failure(what, str(output))


def says(host, name, text):
    """Waits until the domain's log has the text."""
    host.wait_until(lambda: text in host.run('logs', name).out, '%s says %r' % (name, text))


def contents(path):
    """What the file holds; nothing if it is not there yet."""
    try:
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        return b''


# ---- the host itself ----

def start_and_stop(context):
    with Place(context) as place:
        check(place.run('host', 'status').status == 1, 'a host that was never started runs')
        check(place.run('host', 'stop').status == 1, 'a host that does not run can be stopped')
        started = place.run('host', 'start', '--memory', '160M', '--cpus', '2')
        check(started.status == 0, 'the host did not start', started.text())
        folder = os.path.join(place.path, 'coracle/default')
        check(os.stat(folder).st_mode & 0o777 == 0o700, 'others may enter ' + folder)
        for name in ('token', 'api.sock', 'host.json', 'console.log'):
            check(os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, 'others may read ' + name)
        again = place.run('host', 'start')
        check(again.status == 1 and "'default' runs already" in again.err, 'it started twice', again.text())
        other = place.run('host', 'start', '--name', 'other', '--memory', '160M')
        check(other.status == 0, 'a second host did not start', other.text())
        listed = place.run('host', 'list')
        check(re.search(r'^default +\d+ +2 +160$', listed.out, re.M) and re.search(r'^other +\d+ +1 ', listed.out, re.M),
              'host list is wrong', listed.text())
        info = place.run('info', '--host', 'other')
        check(info.status == 0 and 'processors' in info.out, 'no info of the other host', info.text())
        stopped = place.run('host', 'stop')
        check(stopped.status == 0, 'the host did not stop', stopped.text())
        check(place.run('host', 'status').status == 1, 'it runs after it was stopped')
        check(not os.path.exists(os.path.join(folder, 'token')), 'the token is left')
        gone = place.run('list')
        check(gone.status == 1 and "'default' is not running" in gone.err, 'a list without a host', gone.text())
        check(place.run('host', 'stop', '--force', '--name', 'other').status == 0, 'no stop by force')
        check('other' not in place.run('host', 'list').out, 'the other is still listed')


def reboots(context):
    """The machine begins anew: the domains that the host was started with are back, others are not; nor are their files."""
    with Place(context) as place:
        cfg = place.file('kept.cfg', 'name="kept"\nkernel="%s"\nmemory=8\n' % program(context))
        data = place.file('data.img', b'x' * 4096)
        more = place.file('more.cfg', 'name="more"\nkernel="%s"\nmemory=8\ndisk=["%s,raw,xvda,w"]\n' % (program(context), data))
        for arguments in (('host', 'start', '--memory', '192M', cfg), ('create', more), ('host', 'reboot'), ('create', more),
                          ('host', 'reboot', '--timeout', '0'), ('destroy', 'kept'), ('host', 'reboot')):
            done = place.run(*arguments)
            check(done.status == 0, 'coracle ' + ' '.join(arguments), done.text())
            listed = place.run('list')
            check(('more ' in listed.out) == (arguments[0] == 'create'), 'a domain that was created: ' + arguments[0], listed.text())
            check(('kept ' in listed.out) == (arguments[0] != 'destroy'), 'a domain of the start: ' + arguments[0], listed.text())
        check(place.run('host', 'stop').status == 0, 'the host does not stop')
        nobody = place.run('host', 'reboot')
        check(nobody.status == 1 and 'is not running' in nobody.err, 'a host that does not run', nobody.text())


def two_starts_at_once(context):
    with Place(context) as place:
        results = []
        threads = [threading.Thread(target=lambda: results.append(place.run('host', 'start', '--memory', '160M')))
                   for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(sorted(r.status for r in results) == [0, 1], 'not exactly one start succeeded',
              '\n'.join(r.text() for r in results))
        check(place.run('list').status == 0, 'the host that started does not answer')


def crashes_leave_nothing(context):
    with LocalHost(context) as host:
        agent = host.agent()
        qemu, = children(agent)
        kill(qemu)
        host.wait_until(lambda: not lives(agent), 'the agent ends with QEMU')
        host.fails('list', says=['has ended: QEMU was ended by signal 9', "'default' is not running"])
        check(host.run('host', 'status').status == 1, 'it runs without QEMU')
        check('QEMU was ended by signal 9' in host.console(), 'agent.log does not say why', host.console())
        host.ok('host', 'start', *host.options)
        agent = host.agent()
        qemu, = children(agent)
        kill(agent)
        host.wait_until(lambda: not lives(qemu), 'QEMU ends with the agent')
        check(os.path.exists(host.inside('token')), 'the test expected a left token')
        check('default' not in host.run('host', 'list').out, 'a host without agent is listed')
        check(not os.path.exists(host.inside('token')), 'the token is left')
        host.ok('host', 'start', *host.options)
        host.ok('list')


def bad_machines(context):
    with Place(context) as place:
        def fails(status, part, *arguments, env=None):
            finished = place.run(*arguments, env=env)
            check(finished.status == status and part in finished.err, 'expected status %d and "%s"' % (status, part),
                  finished.text())
        fails(1, 'is too small', 'host', 'start', '--memory', '40M')
        fails(2, '--memory much', 'host', 'start', '--memory', 'much')
        fails(2, '--cpus 0', 'host', 'start', '--cpus', '0')
        fails(2, 'expected the name of a host', 'host', 'start', '--name', '../x')
        fails(2, 'expected start, stop, reboot, status or list', 'host', 'fly')
        fails(1, 'did not start', 'host', 'start', '--cpu', 'nonsense')
        fails(1, 'unable to find CPU model', 'host', 'start', '--cpu', 'nonsense')
        fails(1, 'No such file', 'host', 'start', '/nonexistent.elf')
        fails(1, 'nobody else may enter', 'host', 'start', env={'XDG_RUNTIME_DIR': shared(place)})
        check(place.run('host', 'list').out.count('\n') == 1, 'a host is left')
        os.makedirs(os.path.join(place.path, 'coracle/default/api.sock/taken'))
        fails(1, 'cannot listen', 'host', 'start')


def start_that_is_given_up(context):
    """Whoever starts a host and is killed before it answers leaves none."""
    with Place(context) as place:
        # No control domain fits in so little memory, and with noreboot the machine halts and stays: it never answers.
        starter = subprocess.Popen([product(context, 'coracle'), 'host', 'start', '--append', 'dom0_mem=64K noreboot'],
                                   env=place.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        log = os.path.join(place.path, 'coracle/default/console.log')
        try:
            place.wait_until(lambda: b'halted (option noreboot)' in contents(log), 'the machine halts')
            check(place.run('host', 'status').status == 0, 'no host is being started')
        finally:
            starter.kill()
            starter.communicate()
        place.wait_until(lambda: place.run('host', 'status').status == 1, 'the host ends with its starter')
        check(place.run('host', 'start', '--memory', '160M').status == 0, 'no other can be started')


ANSWERS = (
    (b'', 'did not answer'),
    (b'what?\r\n\r\n', 'did not answer'),
    (b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a', 'did not answer'),
    (b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes', 'no JSON: yes'),
    (b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n', 'does not know this token'),
    (b'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n', 'HTTP status 503 and no reason'),
    (b'HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"error":"the !"}', 'coracle: the !'),
)


def hosts_that_talk_nonsense(context):
    with Place(context) as place:
        server = socket.socket(socket.AF_UNIX)
        path = os.path.join(place.path, 'sock')
        server.bind(path)
        server.listen(16)
        token = place.file('key', 'x' * 64)
        for answer, part in ANSWERS:
            for verb in (['list'], ['console', 'a'], ['logs', 'a'], ['pause', 'a']):
                tool = subprocess.Popen([product(context, 'coracle'), *verb, '--host', 'unix:' + path, '--token-file', token],
                                        env=place.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
                while tool.poll() is None:
                    server.settimeout(0.2)
                    try:
                        client = server.accept()[0]
                    except TimeoutError:
                        continue
                    asked = piece = client.recv(65536)
                    while piece and b'\r\n\r\n' not in asked:
                        piece = client.recv(65536)
                        asked += piece
                    client.sendall(answer)
                    client.close()
                err = tool.stderr.read().decode()
                tool.stdout.close()
                tool.stderr.close()
                fine = verb[0] in ('logs', 'pause') and b'200 OK' in answer and b'yes' in answer
                check(fine or (tool.returncode == 1 and err.startswith('coracle: ')),
                      '%s: status %s after %r' % (verb[0], tool.returncode, answer), err)
                check(verb[0] != 'list' or part in err, 'stderr has nothing like "%s"' % part, err)
        server.close()


def shared(place):
    """A runtime directory that others can enter."""
    path = os.path.join(place.path, 'shared')
    os.makedirs(os.path.join(path, 'coracle'), exist_ok=True)
    os.chmod(os.path.join(path, 'coracle'), 0o755)
    return path


def addresses_and_tokens(context):
    with LocalHost(context) as host:
        path = 'unix:' + host.inside('api.sock')
        host.ok('list', '--host', path)  # the token is beside it
        host.ok('list', '--host', path, '--token-file', host.inside('token'))
        moved = host.path + '/s'
        os.symlink(host.inside('api.sock'), moved)
        host.fails('list', '--host', 'unix:' + moved, says=['no token', 'CORACLE_TOKEN'])
        given = host.run('list', '--host', 'unix:' + moved, env={'CORACLE_TOKEN': host.token()})
        check(given.status == 0, 'CORACLE_TOKEN is not used', given.text())
        wrong = host.file('wrong', 'f' * 64)
        host.fails('list', '--token-file', wrong, says=['token'])
        host.fails('list', '--token-file', '/nonexistent', says=['/nonexistent'])
        host.fails('list', '--host', 'tcp:a:x', '--token-file', wrong, says=["'tcp:a:x' is no address on a network"])
        host.fails('list', '--host', 'unix:/nonexistent', '--token-file', wrong, says=['/nonexistent'])
        host.fails('list', '--host', 'serial:/dev/null', says=['/dev/null', 'serial line'])
        host.fails('list', '--host', 'nobody', says=["'nobody' is not running"])
        check(host.request('GET', '/v1/host', token='x')[0] == 401, 'a wrong token is good')


# ---- domains ----

def life_of_a_domain(context):
    image = program(context)
    with LocalHost(context) as host:
        check(host.domains() == {}, 'a new host has domains')
        check(host.ok('create', image, '--name', 'a', '--memory', '8M', '--', 'one', 'two words') == 'a\n',
              'create does not print the name')
        says(host, 'a', '[one]\n[two words]\nready')
        domain = host.domains()['a']
        check(domain['memory_kib'] == 8192 and domain['vcpus'] == 1 and domain['state'] == 'running', 'wrong list', domain)
        check(re.search(r'^a +\d+ +8 +1 +running +\d', host.ok('list'), re.M), 'wrong table', host.ok('list'))
        check('"two words"' in host.json('info', 'a')['cmdline'] or "'two words'" in host.json('info', 'a')['cmdline'],
              'wrong command line')
        check(re.search(r'^memory +8192 KiB', host.ok('info', 'a'), re.M), 'wrong info', host.ok('info', 'a'))
        number = str(domain['domid'])
        host.ok('pause', number)
        check(host.domains()['a']['state'] == 'paused', 'not paused')
        host.ok('unpause', 'a')
        check(host.domains()['a']['state'] == 'running', 'not running again')
        host.ok('rename', 'a', 'b')
        check(list(host.domains()) == ['b'], 'not renamed', host.domains())
        host.ok('sched', 'b', '--weight', '512', '--cap', '50')
        check(host.ok('sched', 'b') == 'weight 512, cap 50\n', 'not changed', host.ok('sched', 'b'))
        host.ok('vcpu-pin', 'b', 'all', '0')
        host.ok('vcpu-pin', 'b', '0', 'all')
        host.ok('create', image, '--name', 'c', '-p')
        check(host.domains()['c']['state'] == 'paused', 'create -p runs')
        host.ok('destroy', 'b', 'c')
        check(host.domains() == {}, 'domains are left')
        check('ready' in host.ok('logs', 'b'), 'the log of a domain that is gone is gone')


def asked_of_domains(context):
    """What the domain itself has to do."""
    image = program(context)
    with LocalHost(context) as host:
        host.ok('create', image, '--name', 'a', '-m', '16M')
        says(host, 'a', 'ready')
        host.ok('mem-set', 'a', '12M')
        host.wait_until(lambda: host.domains()['a']['memory_kib'] == 12 * 1024, 'the domain shrinks')
        host.ok('mem-set', 'a', '16M')
        host.wait_until(lambda: host.domains()['a']['memory_kib'] == 16 * 1024, 'the domain grows')
        host.fails('mem-set', 'a', '17M', says=['16384'])
        number = host.domains()['a']['domid']
        host.ok('reboot', 'a')
        host.wait_until(lambda: host.domains().get('a', {}).get('domid', number) != number, 'the domain reboots')
        check(host.json('info', 'a')['restarts'] == 1, 'not counted', host.ok('info', 'a'))
        host.wait_until(lambda: host.ok('logs', 'a').count('ready') == 2, 'its program runs again')
        host.ok('shutdown', '--wait', 'a')
        check(host.domains() == {}, 'it is still there', host.domains())


def many_verbs_on_none(context):
    with LocalHost(context) as host:
        for verb in (['pause'], ['unpause'], ['shutdown'], ['reboot'], ['destroy'], ['info'], ['logs'], ['console'],
                     ['rename', 'NAME', 'x'], ['sched', 'NAME'], ['sched', 'NAME', '--cap', '1'], ['mem-set', 'NAME', '8M'],
                     ['vcpu-pin', 'NAME', 'all', '0']):
            words = [word.replace('NAME', 'none') for word in verb]
            host.fails(*(words if 'NAME' in verb else words + ['none']), says=["'none'"])
        for bad, part in ((['pause'], 'expected the name'), (['rename', 'a'], 'new name'), (['list', 'x'], "unexpected 'x'"),
                          (['sched', 'a', '--weight', '0'], '--weight 0'), (['mem-set', 'a', 'big'], 'big'),
                          (['vcpu-pin', 'a', 'x', '0'], "'x'"), (['images', 'fly'], 'fly'), (['top', '-d', '0'], '--delay 0'),
                          (['create'], 'expected the image'), (['info', 'a', 'b'], "'b'")):
            host.fails(*bad, status=2, says=[part])


def refusals(context):
    image = program(context)
    with LocalHost(context) as host:
        host.ok('create', image, '--name', 'a', '-m', '8M')
        host.fails('create', image, '--name', 'a', says=['"a" already'])
        host.fails('create', image, '--name', 'no/slash', says=['name'])
        host.fails('create', image, '--name', '', says=['name'])
        host.fails('create', image, '--name', 'big', '-m', '64G', says=['memory'])
        host.fails('create', image, '--name', 'small', '-m', '100K', says=['too little'])
        host.fails('rename', 'a', 'no/slash', says=['name'])
        host.fails('vcpu-pin', 'a', '0', '17', says=['17'])
        host.fails('vcpu-pin', 'a', '9', '0', says=['9'])
        host.fails('create', host.file('broken.elf', b'\x7fELF' + bytes(60)), says=['broken.elf'])
        host.fails('create', '/nonexistent', says=['/nonexistent', 'No such file'])
        # An image that only the host can find to be broken.
        check(host.request('PUT', '/v1/images/broken', b'\x7fELF' + bytes(60),
                           {'Content-Type': 'application/octet-stream'})[0] == 201, 'no image stored')
        status, answer, _ = host.request('POST', '/v1/domains', {'name': 'x', 'kernel': 'broken', 'memory_kib': 8192})
        check(status == 400 and 'cannot be booted' in answer['error'], 'a broken image boots', (status, answer))
        check(list(host.domains()) == ['a'], 'something was made', host.domains())


def configurations(context):
    image = program(context)
    with LocalHost(context) as host:
        cfg = host.file('web.cfg', 'name = "web"\nkernel = "%s"\nmemory = 9\nvcpus = 2\nusb = 1\nextra = "-- x y"\n'
                                   'on_poweroff = "preserve"\non_crash = "coredump-destroy"\n' % image)
        created = host.run('create', cfg)
        check(created.status == 0 and created.out == 'web\n', 'not created', created.text())
        check("web.cfg:5: 'usb' is not known here" in created.err, 'no warning', created.text())
        check("web.cfg:8: on_crash='coredump-destroy'" in created.err, 'no warning', created.text())
        says(host, 'web', '[x]\n[y]\nready')
        domain = host.domains()['web']
        check(domain['memory_kib'] == 9 * 1024, 'wrong domain', domain)
        host.ok('vcpu-pin', 'web', '1', '0')  # it has a second one
        host.ok('create', cfg, '--name', 'other', '-m', '10M', '--vcpus', '1')
        check(host.domains()['other']['memory_kib'] == 10 * 1024, 'options do not win', host.domains())
        host.ok('create', host.file('least.cfg', 'name = "least"\nkernel = "%s"\n' % image))
        check(host.domains()['least']['memory_kib'] == 64 * 1024, 'not 64 MiB by default', host.domains())
        host.fails('create', cfg, '--', 'x', says=['extra='])
        host.fails('create', host.file('bad.cfg', 'name = "x"\nmemory = ]\n'), says=['bad.cfg:2:', 'syntax error'])
        host.fails('create', host.file('hvm.cfg', 'name="x"\nkernel="k"\ntype="hvm"\n'), says=['hvm.cfg:3:', 'expected pv'])
        host.fails('create', host.file('none.cfg', 'name="x"\n'), says=['none.cfg: expected kernel'])
        host.fails('create', host.file('gone.cfg', 'name="x"\nkernel="/nonexistent"\n'), says=['/nonexistent'])


def images(context):
    image = program(context)
    with LocalHost(context) as host:
        check(host.json('images')['images'] == [], 'a new host has images')
        host.ok('create', image, '--name', 'a', '-m', '8M')
        host.ok('create', image, '--name', 'b', '-m', '8M')
        kept, = host.json('images')['images']
        check(kept['users'] == 2, 'not one image for two domains', kept)
        check(kept['size'] < os.path.getsize(image) / 2, 'symbols travel', kept)
        check(kept['name'] in host.ok('images', 'list'), 'not in the table')
        host.fails('images', 'remove', kept['name'], says=[kept['name']])
        host.fails('images', 'remove', 'none', says=['none'])
        host.ok('destroy', 'a', 'b')
        host.ok('images', 'remove', kept['name'])
        check(host.json('images')['images'] == [], 'the image is left')


def autostart(context):
    image = program(context)
    with Place(context) as place:
        cfg = place.file('a.cfg', 'name="first"\nkernel="%s"\nmemory=8\n' % image)
        with LocalHost(context, '--memory', '192M', cfg, image) as host:
            host.wait_until(lambda: len(host.domains()) == 2, 'both domains are there')
            check(set(host.domains()) == {'first', 'host-program'}, 'wrong domains', host.domains())
            says(host, 'first', 'ready')
        twice = place.run('host', 'start', cfg, cfg)
        check(twice.status == 1 and "'first'" in twice.err, 'two of one name start', twice.text())


def top(context):
    image = program(context)
    with LocalHost(context, '--memory', '192M', '--cpus', '2') as host:
        host.ok('create', image, '--name', 'hog', '-m', '8M', '--', 'spin')
        host.ok('create', image, '--name', 'idle', '-m', '8M')
        host.wait_until(lambda: host.domains()['hog']['cpu_ns'] > 500000000, 'the hog has had half a second')
        shown = host.ok('top', '--once')
        check(re.search(r'^processors 2, used \d', shown), 'no heading', shown)
        rows = [line.split() for line in shown.split('\n')[2:] if line]
        check([row[0] for row in rows] == ['hog', 'idle'], 'the hog is not first', shown)
        check(float(rows[0][3]) > float(rows[1][3]), 'the hog uses no more than the idle one', shown)
        check(shown == shown.replace('\033', ''), 'control characters without a terminal')
        both = host.json('top')
        check('cpu_percent' in both['host'] and 'cpu_percent' in both['domains'][0], 'no percent in JSON', both)


# ---- consoles and logs ----

def console(context):
    image = program(context)
    with LocalHost(context) as host:
        attached = host.run('create', image, '--name', 'a', '-m', '8M', '-c', stdin='hello\nexit 0\n')
        check(attached.status == 0 and re.search('ready.*hello.*<hello>', attached.out, re.S), 'create -c', attached.text())
        host.ok('create', image, '--name', 'b', '-m', '8M')
        says(host, 'b', 'ready')
        watcher = subprocess.Popen([product(context, 'coracle'), 'console', 'b'], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, env=host.env)
        read_part(watcher.stdout.fileno(), b'ready')  # what was said before comes first
        typed = host.run('console', 'b', stdin='to both\nexit 0\n')
        out, _ = watcher.communicate(timeout=PATIENCE)
        check('<to both>' in typed.out and b'<to both>' in out, 'not both consoles have it', typed.text())
        check(typed.status == 0 and watcher.returncode == 0, 'the end of the domain is no good end')


def read_part(descriptor, part):
    """Reads until the part has come."""
    text, deadline = b'', time.monotonic() + PATIENCE
    while part not in text:
        if not select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
            raise Failure('%r has not come' % part, text)
        piece = os.read(descriptor, 4096)
        if not piece:
            raise Failure('the end came before %r' % part, text)
        text += piece
    return text


class Desk:
    """The tool on a terminal; `keyboard` is the other end."""

    def __init__(self, host, *arguments):
        self.keyboard, self.line = pty.openpty()
        fcntl.ioctl(self.line, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.line)
        self.tool = subprocess.Popen([product(host.context, 'coracle'), *arguments], stdin=self.line, stdout=self.line,
                                     stderr=subprocess.PIPE, env=host.env, start_new_session=True,
                                     preexec_fn=lambda: fcntl.ioctl(self.line, termios.TIOCSCTTY, 0))

    def shows(self, part):
        read_part(self.keyboard, part)

    def ends(self, key):
        """The key ends it well, and the terminal is as it was. What it has said on stderr."""
        os.write(self.keyboard, key)
        check(self.tool.wait(PATIENCE) == 0, '%r is no good end' % key)
        check(termios.tcgetattr(self.line)[:4] == self.before[:4], 'the terminal is not as it was')
        said = self.tool.stderr.read()
        self.tool.stderr.close()
        os.close(self.keyboard)
        os.close(self.line)
        return said


def console_on_a_terminal(context):
    with LocalHost(context) as host:
        host.ok('create', program(context), '--name', 'a', '-m', '8M')
        desk = Desk(host, 'console', 'a')
        desk.shows(b'ready')
        os.write(desk.keyboard, b'ping\r')
        desk.shows(b'<ping>')
        check(b'Ctrl-]' in desk.ends(b'\x1d'), 'nothing said how to leave')
        check(host.domains()['a']['state'] == 'running', 'the domain is gone')


def top_on_a_terminal(context):
    with LocalHost(context) as host:
        host.ok('create', program(context), '--name', 'a', '-m', '8M')
        desk = Desk(host, 'top', '-d', '1')
        for _ in range(3):
            desk.shows(b'\033[H\033[Jprocessors 1, used')
            desk.shows(b'\na ')
        desk.ends(b'q')


def crash_record(context):
    image = program(context)
    with LocalHost(context) as host:
        host.ok('create', image, '--name', 'a', '-m', '8M')
        follower = subprocess.Popen([product(context, 'coracle'), 'logs', '-f', 'a'], stdout=subprocess.PIPE, env=host.env)
        read_part(follower.stdout.fileno(), b'ready')
        host.run('console', 'a', stdin='fall\n')
        out = follower.communicate(timeout=PATIENCE)[0].decode()
        check(follower.returncode == 0, 'logs -f failed', out)
        logged = host.ok('logs', 'a')
        for text, what in ((out, 'logs -f'), (logged, 'logs')):
            for part in (r'^ready$|^fall', r'rip 0*[0-9a-f]+', r'#\d+ 0x[0-9a-f]+ +fall at .*\.c:\d+', r'main at .*\.c:\d+'):
                check(re.search(part, text, re.M), '%s has nothing like %s' % (what, part), text)
        host.fails('info', 'a', says=["'a'"])
        named = host.ok('logs', 'a', '--image', image)
        check('main at' in named, 'no names with --image', named)


class FallingTool:
    """The tool beside a control domain that ends, in the way the domain is named for, when a domain is paused."""

    def __init__(self, context, folder):
        self.build = folder
        os.makedirs(os.path.join(folder, 'control'))
        # Copies: the tool looks for the rest beside its own file.
        shutil.copy(product(context, 'coracle'), folder)
        shutil.copy(product(context, 'tests/system/control_falls.elf'), os.path.join(folder, 'control/control.elf'))
        os.symlink(os.path.abspath(os.path.join(context.build, 'hypervisor')), os.path.join(folder, 'hypervisor'))


# What the control domain does, the reason that all have to say, and what end.log has to have.
FALLS = (
    ('null', 'its control domain crashed: page fault writing address 0x10: null pointer',
     (r'rip 0x[0-9a-f]+', r'#0 0x[0-9a-f]+ +fall at falls\.c:\d+', r'__wrap_domain_pause at falls\.c:\d+')),
    ('stack', 'its control domain crashed: ', (r'\(coracle\)   rip [0-9a-f]+', r'#0 0x[0-9a-f]+ +fall_without_stack at falls\.c:\d+')),
    ('panic', 'its control domain crashed: nothing is left of it', (r'#0 0x[0-9a-f]+ +__wrap_domain_pause at falls\.c:\d+',)),
    ('exit', 'its control domain ended with status 3', (r'\(coracle\) d0: exit status 3',)),
)


def control_domain_falls(context):
    """Whoever talks to the host then, and whoever comes later, hears why it is no more, and where to read on."""
    image = program(context)
    with tempfile.TemporaryDirectory(prefix='coracle-') as folder:
        with LocalHost(FallingTool(context, folder)) as host:
            for number, (name, reason, parts) in enumerate(FALLS):
                if number != 0:
                    host.ok('host', 'start', *host.options)
                check(not os.path.exists(host.inside('end.log')), 'a host that has just started has ended')
                host.ok('create', image, '--name', name, '-m', '8M')
                watcher = subprocess.Popen([os.path.join(folder, 'coracle'), 'logs', '-f', name], env=host.env,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                read_part(watcher.stdout.fileno(), b'ready')
                host.fails('pause', name, says=[reason, 'end.log'])
                err = watcher.communicate(timeout=PATIENCE)[1].decode()
                check(watcher.returncode == 1 and reason in err, 'logs -f does not say why it ends', err)
                host.wait_until(lambda: host.run('host', 'status').status == 1, 'the host is gone')
                host.fails('list', says=[reason, 'end.log', "'default' is not running"])
                status = host.run('host', 'status', '--json')
                check(reason in json.loads(status.out)['ended'], 'host status does not say why', status.text())
                check(reason in host.console(), 'agent.log does not say why', host.console())
                with open(host.inside('end.log'), encoding='utf-8') as file:
                    text = file.read()
                check(text.startswith(reason), 'end.log begins with something else', text)
                for part in parts:
                    check(re.search(part, text), 'end.log has nothing like %s' % part, text)


def collect(_context):
    return [Test('system/host/' + function.__name__.replace('_', '-'), function) for function in (
        start_and_stop, reboots, two_starts_at_once, start_that_is_given_up, hosts_that_talk_nonsense, crashes_leave_nothing,
        bad_machines, addresses_and_tokens, life_of_a_domain, asked_of_domains, many_verbs_on_none, refusals,
        configurations, images, autostart, top, top_on_a_terminal, console, console_on_a_terminal, crash_record,
        control_domain_falls)]
