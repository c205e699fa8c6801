# SPDX-License-Identifier: MIT
"""The link's other end (toolstack/link/mux.h), for tests: channels to a host's API over a socket that is its line.

One thread, blocking: every call that waits has a deadline.
"""
import socket
import struct
import time
import zlib

from .core import PATIENCE

HELLO, OPEN, DATA, CREDIT, END, RESET = range(1, 7)
WINDOW = 16 * 1024
PAYLOAD_MAX = 1024


class LinkError(Exception):
    pass


class Channel:
    """One connection. `received` holds what has come and was not taken."""

    def __init__(self, link, number):
        self.link, self.number = link, number
        self.received, self.credit = b'', WINDOW
        self.ended = self.gone = False
        self.consume = True  # give credit back for what comes

    def send(self, data, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while data:
            while not self.credit and not self.gone:
                self.link.poll(deadline)
            if self.gone:
                raise LinkError('the channel was reset')
            piece = data[:min(self.credit, PAYLOAD_MAX)]
            self.credit -= len(piece)
            self.link.frame(DATA, self.number, piece)
            data = data[len(piece):]

    def end(self):
        self.link.frame(END, self.number)

    def reset(self):
        self.link.frame(RESET, self.number)
        self.gone = True
        del self.link.channels[self.number]

    def read_until(self, done, timeout=PATIENCE):
        """Waits until done(received) or the end; returns what has come, and takes it."""
        deadline = time.monotonic() + timeout
        while not done(self.received) and not self.ended and not self.gone:
            self.link.poll(deadline)
        data, self.received = self.received, b''
        return data

    def read_all(self, timeout=PATIENCE):
        return self.read_until(lambda _: False, timeout)


class Link:
    """The line: a connected socket. Waits for the host's control domain to come up."""

    def __init__(self, line, timeout=PATIENCE):
        self.line, self.buffer, self.channels = line, b'', {}
        self.sequence, self.nonce, self.peer, self.up, self.next = 0, int(time.time()) | 1, 0, False, 0
        self.resets = 0  # how often all channels were reset
        self.hello()
        deadline = time.monotonic() + timeout
        while not self.up:
            self.poll(deadline)

    def frame(self, kind, channel, payload=b''):
        head = struct.pack('<BBBBHH', 0xc0, 0x7a, kind, self.sequence, channel, len(payload))
        self.sequence = (self.sequence + 1) & 255
        self.line.sendall(head + struct.pack('<I', zlib.crc32(head + payload)) + payload)

    def hello(self):
        self.frame(HELLO, 0, struct.pack('<III', 1, self.nonce, self.peer))

    def open(self):
        while self.next in self.channels:
            self.next = (self.next + 1) % 1024
        channel = self.channels[self.next] = Channel(self, self.next)
        self.frame(OPEN, channel.number)
        self.next = (self.next + 1) % 1024
        return channel

    def poll(self, deadline):
        """Takes in what the line has; waits for it until the deadline."""
        wait = deadline - time.monotonic()
        if wait <= 0:
            raise LinkError('the host did not answer in time')
        self.line.settimeout(wait)
        try:
            data = self.line.recv(65536)
        except socket.timeout as error:
            raise LinkError('the host did not answer in time') from error
        if not data:
            raise LinkError('the line was closed')
        self.buffer += data
        while self.take_frame():
            pass

    def take_frame(self):
        start = self.buffer.find(b'\xc0\x7a')
        if start < 0:
            self.buffer = self.buffer[-1:] if self.buffer.endswith(b'\xc0') else b''
            return False
        self.buffer = self.buffer[start:]
        if len(self.buffer) < 12:
            return False
        kind, _, channel, length, crc = struct.unpack('<BBHHI', self.buffer[2:12])
        if length > PAYLOAD_MAX:
            self.buffer = self.buffer[2:]
            return True
        if len(self.buffer) < 12 + length:
            return False
        payload = self.buffer[12:12 + length]
        if zlib.crc32(self.buffer[:8] + payload) != crc:
            self.buffer = self.buffer[2:]
            return True
        self.buffer = self.buffer[12 + length:]
        self.got(kind, channel, payload)
        return True

    def got(self, kind, number, payload):
        if kind == HELLO:
            _, nonce, echo = struct.unpack('<III', payload)
            if nonce != self.peer:
                self.peer, self.up = nonce, False
                self.resets += 1
                for channel in self.channels.values():
                    channel.gone = True
                self.channels = {}
                self.hello()
            elif echo != self.nonce:
                self.hello()
            self.up = self.up or echo == self.nonce
            return
        channel = self.channels.get(number)
        if channel is None:
            return
        if kind == DATA:
            channel.received += payload
            if channel.consume:
                self.frame(CREDIT, number, struct.pack('<I', len(payload)))
        elif kind == CREDIT:
            channel.credit += struct.unpack('<I', payload)[0]
        elif kind == END:
            channel.ended = True
        elif kind == RESET:
            channel.gone = True
            del self.channels[number]

    def request(self, method, path, token=None, body=None, headers=(), timeout=PATIENCE):
        """One HTTP request on a channel of its own; returns status, headers and body."""
        lines = [f'{method} {path} HTTP/1.1', 'Host: coracle', 'Connection: close']
        if token is not None:
            lines.append(f'Authorization: Bearer {token}')
        if body is not None:
            lines.append(f'Content-Length: {len(body)}')
        channel = self.open()
        channel.send('\r\n'.join([*lines, *headers, '', '']).encode() + (body or b''), timeout)
        return parse_answer(channel.read_all(timeout))


def parse_answer(data):
    """Status, header fields (names in lower case) and body of an HTTP answer."""
    head, _, body = data.partition(b'\r\n\r\n')
    lines = head.decode('latin-1').split('\r\n')
    if not lines[0].startswith('HTTP/1.1 '):
        raise LinkError(f'expected an HTTP answer, got {data[:80]!r}')
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(':')
        fields[name.strip().lower()] = value.strip()
    if fields.get('transfer-encoding') == 'chunked':
        body = unchunk(body)
    return int(lines[0].split()[1]), fields, body


def unchunk(data):
    body = b''
    while data:
        size, _, data = data.partition(b'\r\n')
        length = int(size, 16)
        if length == 0:
            break
        body, data = body + data[:length], data[length + 2:]
    return body
