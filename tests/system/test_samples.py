# SPDX-License-Identifier: MIT
"""The sample programs, on Coracle and on stock Xen."""
import os

from runner.core import Failure, Test
from runner.tool import judge, product, run_image

LUA = 'samples/lua/lua.elf'


def ended(finished, status):
    """As judge(), for programs that print no checks."""
    return judge(finished, status, out='.*')


def expect(finished, status, out):
    ended(finished, status)
    if finished.out != out:
        raise Failure('stdout should be exactly:\n' + out, finished.text())
    return finished.text()


def hello(context, hypervisor):
    arguments = ['one', 'two  words', '--', '']
    finished = run_image(context, product(context, 'samples/hello/hello.elf'), arguments, hypervisor)
    return expect(finished, 0, 'Hello from a Coracle domain.\n' +
                  ''.join('argv[%d] = %s\n' % row for row in enumerate(arguments, 1)))


def lua_script(context, hypervisor):
    root = os.path.join(context.root, 'tests/system/lua_root')
    finished = run_image(context, product(context, LUA), ['/work.lua', 'one', 'two words'], hypervisor,
                         options=['--root', root, '--env', 'GREETING=good day'], timeout=90)
    return judge(finished, 7, '^ok sort and patterns')


def lua_one_liner(context, hypervisor):
    finished = run_image(context, product(context, LUA), ['-e', 'print(6 * 7, #arg)'], hypervisor)
    return expect(finished, 0, '42\t2\n')


def lua_reads_stdin(context, hypervisor):
    finished = run_image(context, product(context, LUA), ['-'], hypervisor,
                         stdin='local sum = 0\nfor i = 1, 100 do sum = sum + i end\nprint(sum)\nos.exit(3)\n')
    return expect(finished, 3, '5050\n')


def lua_interactive(context, hypervisor):
    finished = run_image(context, product(context, LUA), ['-i'], hypervisor, stdin='x = 20\nprint(x + 1)\nx * 2\n')
    for wanted in ('Lua 5.4', '> ', '21\n', '40\n'):
        if wanted not in finished.out:
            raise Failure('nothing like "%s" on the console' % wanted, finished.text())
    return ended(finished, 0)


def lua_error(context, hypervisor):
    finished = run_image(context, product(context, LUA), ['-e', 'error("on purpose")'], hypervisor)
    if 'on purpose' not in finished.text():
        raise Failure('the message is missing', finished.text())
    return ended(finished, 1)


def httpd(context, hypervisor):
    """The server and a client of its own in one image, over the loopback."""
    root = os.path.join(context.root, 'tests/system/httpd/site')
    text = ''
    for arguments in ([], ['timeouts']):
        finished = run_image(context, product(context, 'samples/httpd/test.elf'), arguments, hypervisor, timeout=120,
                             options=['--root', root, '--memory', '128M'])
        text += judge(finished, 0, '^done: all$')
    return text


def collect(_context):
    def bound(function, hypervisor):
        return lambda context: function(context, hypervisor)

    return [Test('system/samples/%s/%s' % (function.__name__, hypervisor), bound(function, hypervisor))
            for function in (hello, lua_script, lua_one_liner, lua_reads_stdin, lua_interactive, lua_error, httpd)
            for hypervisor in ('coracle', 'xen')]
