# SPDX-License-Identifier: MIT
"""coracle-cc as builds use it: what it answers, what it makes, and what it refuses."""
import os
import tempfile

from runner.core import Failure, Test
from runner.tool import judge, product, run, run_image

HELLO = '#include <stdio.h>\nint main(void)\n{\n    puts("ok compiled");\n    return 0;\n}\n'


class Desk:
    """A folder with source files, and the compiler in it."""

    def __init__(self, context, folder):
        self.context, self.folder = context, folder
        self.compiler = os.path.abspath(product(context, 'bin/coracle-cc'))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as file:
            file.write(text)

    def cc(self, *arguments, stdin='', status=0, out='', err='', env=None):
        """Runs the compiler; a Failure unless status and parts of the output are as told."""
        done = run([self.compiler] + list(arguments), stdin, env=env, cwd=self.folder)
        found = 'coracle-cc %s\n%s' % (' '.join(arguments), done.text())
        if (done.status == 0) != (status == 0):
            raise Failure('coracle-cc ended with %d' % done.status, found)
        for wanted, text in ((out, done.out), (err, done.err)):
            if wanted not in text:
                raise Failure('nothing like "%s"' % wanted, found)
        return done

    def exists(self, name):
        if not os.path.exists(os.path.join(self.folder, name)):
            raise Failure('%s was not made' % name)


def questions(desk):
    desk.cc('-dumpmachine', out='x86_64-coracle-elf\n')
    desk.cc('--version', out='Free Software Foundation')
    desk.cc('-print-file-name=libc.a', out='sysroot')
    desk.cc('-print-prog-name=ld', out='ld')
    desk.cc(status=1, err='no input files')


def single_steps(desk):
    desk.write('a.c', HELLO)
    for flags, made in ((('-c', 'a.c'), 'a.o'), (('-S', 'a.c'), 'a.s'), (('-E', 'a.c', '-o', 'a.i'), 'a.i'),
                        (('-c', 'a.c', '-MMD', '-MF', 'a.d', '-o', 'b.o'), 'a.d')):
        desk.cc(*flags)
        desk.exists(made)
    desk.cc('-M', 'a.c', out='stdio.h')
    desk.cc('-xc', '-fsyntax-only', '-', stdin=HELLO)


def archive_and_libraries(desk):
    desk.write('part.c', 'int part(void)\n{\n    return 0;\n}\n')
    desk.write('a.c', 'int part(void);\nint main(void)\n{\n    return part();\n}\n')
    desk.cc('-c', '-fPIC', 'part.c')
    run(['ar', 'rcs', os.path.join(desk.folder, 'libpart.a'), os.path.join(desk.folder, 'part.o')])
    desk.cc('a.c', '-L', '.', '-lpart', '-lm', '-lpthread', '-ldl', '-o', 'a.elf')
    desk.cc('a.c', '-L.', '-l', 'part', '-pie', '-rdynamic', '-o', 'b.elf')
    desk.exists('b.elf')


def nothing_of_the_host(desk):
    desk.write('a.c', HELLO)
    desk.cc('-E', '-', stdin='#include <linux/types.h>\n', status=1, err='No such file')
    desk.cc('-fsyntax-only', '-xc', '-', stdin='#if defined(__linux__) || defined(linux)\n#error host\n#endif\n')
    desk.cc('-fsyntax-only', '-xc', '-', stdin='#if !defined(__coracle__) || !defined(__unix__)\n#error no\n#endif\n')
    desk.cc('a.c', '-lstdc++', status=1, err='cannot find the library -lstdc++')
    leaky = dict(os.environ, CPATH='/usr/include', LIBRARY_PATH='/usr/lib')
    desk.cc('-E', '-xc', '-', stdin='#include <linux/types.h>\n', status=1, err='No such file', env=leaky)


def refusals(desk):
    desk.write('a.c', HELLO)
    desk.write('a.cpp', HELLO)
    for flags, why in ((('-shared', 'a.c'), 'one static image'), (('-m32', 'a.c'), '64-bit'),
                       (('a.cpp',), 'only C and assembly'), (('-xc++', '-c', 'a.c'), 'only C and assembly'),
                       (('-fsanitize=address', 'a.c'), 'no sanitizer runtime'), (('-o',), 'needs a value')):
        desk.cc(*flags, status=1, err=why)


def configure_probes(desk):
    """What configure scripts ask by linking: a function is there, or it is not."""
    probe = 'char %s(void);\nint main(void)\n{\n    return %s();\n}\n'
    for function in ('printf', 'malloc', 'pthread_create', 'clock_gettime', 'sin', 'opendir'):
        desk.write('conftest.c', probe % (function, function))
        desk.cc('-w', '-o', 'conftest', 'conftest.c', '-lm')
    desk.write('conftest.c', probe % ('there_is_no_such_function', 'there_is_no_such_function'))
    desk.cc('-o', 'conftest', 'conftest.c', status=1, err='undefined reference')


def flags_of_distributions(desk):
    """What packages pass along: hardening, position independence, link-time optimization."""
    desk.write('a.c', HELLO)
    desk.cc('-O2', '-g', '-fPIE', '-pie', '-fstack-protector-strong', '-D_FORTIFY_SOURCE=2', '-flto', '-pthread',
            '-Wl,-z,relro', '-Wl,-z,now', '-Wl,--as-needed', 'a.c', '-o', 'a.elf')
    return judge(run_image(desk.context, os.path.join(desk.folder, 'a.elf')), out='^ok compiled')


def case(function):
    def test(context):
        with tempfile.TemporaryDirectory() as folder:
            return function(Desk(context, folder))
    return Test('system/compiler/' + function.__name__, test)


def collect(_context):
    return [case(f) for f in (questions, single_steps, archive_and_libraries, nothing_of_the_host, refusals,
                              configure_probes, flags_of_distributions)]
