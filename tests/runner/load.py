# SPDX-License-Identifier: MIT
"""Load for a web server from this machine: so many connections, so many of them at a time, and what became of each."""
import collections
import errno
import re
import selectors
import socket
import time

DATE = re.compile(rb'^Date: .*\r\n', re.MULTILINE)
REQUEST = b'GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n'


class Connection:
    """One connection: a request, and the answer to its end."""
    REQUEST = REQUEST

    def __init__(self, address, path, selector):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.answer, self.rest = bytearray(), self.REQUEST % path.encode()
        error = self.socket.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, 'connect')
        selector.register(self.socket, selectors.EVENT_WRITE, self)

    def turn(self, selector):
        """Goes on; the result when it is over: the answer, or the name of an error."""
        try:
            if self.rest:
                self.rest = self.rest[self.socket.send(self.rest):]
                if not self.rest:
                    selector.modify(self.socket, selectors.EVENT_READ, self)
                return None
            chunk = self.socket.recv(65536)
            self.answer += chunk
            return None if chunk else DATE.sub(b'', bytes(self.answer))
        except BlockingIOError:
            return None
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))

    def end(self, selector):
        selector.unregister(self.socket)
        self.socket.close()


def load(port, path, total, concurrent, deadline):
    """Makes `total` connections, `concurrent` at a time. How often which result came; what is not over at the
    deadline (time.monotonic()) is 'unfinished'."""
    results, started, active = collections.Counter(), 0, set()
    with selectors.DefaultSelector() as selector:
        while started < total or active:
            while started < total and len(active) < concurrent:
                active.add(Connection(('127.0.0.1', port), path, selector))
                started += 1
            left = deadline - time.monotonic()
            if left <= 0:
                results['unfinished'] += len(active) + total - started
                for connection in active:
                    connection.end(selector)
                break
            for key, _ in selector.select(left):
                result = key.data.turn(selector)
                if result is not None:
                    results[result] += 1
                    key.data.end(selector)
                    active.discard(key.data)
    return results


class Held(Connection):
    """A connection that stays open behind its answer, for a second request."""
    REQUEST = REQUEST.replace(b'close', b'keep-alive')

    def answered(self):
        """The whole answer is there: its head says how long the rest is."""
        head, gap, body = bytes(self.answer).partition(b'\r\n\r\n')
        length = re.search(rb'^Content-Length: (\d+)', head, re.MULTILINE | re.IGNORECASE)
        return bool(gap) and length is not None and len(body) >= int(length.group(1))

    def again(self, path, selector):
        """The next request."""
        self.answer, self.rest = bytearray(), self.REQUEST % path.encode()
        selector.modify(self.socket, selectors.EVENT_WRITE, self)

    def turn(self, selector):
        result = super().turn(selector)
        return DATE.sub(b'', bytes(self.answer)) if result is None and self.answered() else result


def hold(port, path, count, concurrent, deadline):
    """Opens `count` connections, `concurrent` at a time, each with a request that is answered; when all of them are open,
    every one asks again at once. How often which answer came."""
    results, held, again = collections.Counter(), [], False
    with selectors.DefaultSelector() as selector:
        waiting = 0
        while waiting or len(held) < count or not again:
            if len(held) == count and not waiting:
                again = True
                for connection in held:
                    connection.again(path, selector)
                waiting = count
            while len(held) < count and waiting < concurrent:
                held.append(Held(('127.0.0.1', port), path, selector))
                waiting += 1
            left = deadline - time.monotonic()
            if left <= 0:
                results['unfinished'] += waiting
                break
            for key, _ in selector.select(left):
                result = key.data.turn(selector)
                if result is not None:
                    results[result] += 1
                    waiting -= 1
                    selector.modify(key.data.socket, selectors.EVENT_READ, key.data)
                    key.data.answer = bytearray()
        for connection in held:
            connection.end(selector)
    return results
