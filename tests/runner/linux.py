# SPDX-License-Identifier: MIT
"""Debian's Linux in tests: archives that it unpacks as its root file system (the newc format of cpio)."""
import os

from .tool import product

FILE, PROGRAM, FOLDER = 0o100644, 0o100755, 0o40755


def member(name, mode, content=b''):
    """One file of an archive."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    entry = b'070701' + b''.join(b'%08x' % field for field in fields) + name.encode() + b'\0'
    entry += b'\0' * (-len(entry) % 4)
    return entry + content + b'\0' * (-len(content) % 4)


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def initramfs(context, name, init, modules=(), files=()):
    """
    An archive with a static busybox, `init` as the first process, modules of the kernel below /modules, and more files
    (path, mode, content), whose folders come with them. Its path, below the build's linux/.
    """
    members = [('init', PROGRAM, init), ('busybox', PROGRAM, read(product(context, 'linux/busybox')))]
    members += [('modules/%s.ko' % module, FILE, read(product(context, 'linux/modules/%s.ko' % module)))
                for module in modules]
    members += list(files)
    folders = set()
    for path, _, _ in members:
        while os.path.dirname(path):
            path = os.path.dirname(path)
            folders.add(path)
    path = os.path.join(context.build, 'linux', name)
    with open(path, 'wb') as file:
        for folder in sorted(folders):
            file.write(member(folder, FOLDER))
        for entry in members:
            file.write(member(*entry))
        file.write(member('TRAILER!!!', 0))
    return path
