# SPDX-License-Identifier: MIT
"""The other end of a virtual network cable: Ethernet frames over a datagram socket (QEMU's -netdev dgram), and as much of
ARP, IPv4 and TCP as a client needs that does what a system's own TCP would not do."""
import random
import socket
import struct
import time

from .core import PATIENCE


def checksum(data):
    """RFC 1071."""
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


FIN, SYN, RST, ACK = 1, 2, 4, 16


class Wire:
    MAC = b'\x02\0\0\0\0\x01'

    def __init__(self, own, peer):
        """own, peer: IPv4 addresses. `far` is the socket for QEMU."""
        self.own, self.peer = socket.inet_aton(own), socket.inet_aton(peer)
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.peer_mac = None

    def qemu(self, model='virtio-net-pci'):
        return ['-netdev', 'dgram,id=wire,local.type=fd,local.str=%d' % self.far.fileno(),
                '-device', model + ',netdev=wire']

    def close(self):
        self.near.close()
        self.far.close()

    def arp(self, operation, target_mac):
        body = struct.pack('!HHBBH6s4s6s4s', 1, 0x800, 6, 4, operation, self.MAC, self.own, target_mac, self.peer)
        self.near.send((target_mac if operation == 2 else b'\xff' * 6) + self.MAC + b'\x08\x06' + body)

    def receive(self, seconds):
        """The next TCP segment for us: (port here, flags, sequence, acknowledged, data); None after that time. ARP is
        answered."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.near.settimeout(left)
            try:
                frame = self.near.recv(65536)
            except TimeoutError:
                return None
            if frame[12:14] == b'\x08\x06' and frame[38:42] == self.own:
                self.peer_mac = frame[22:28]
                if frame[20:22] == b'\0\x01':
                    self.arp(2, self.peer_mac)
            elif frame[12:14] == b'\x08\0' and frame[23] == 6 and frame[30:34] == self.own:
                end, head = 14 + struct.unpack('!H', frame[16:18])[0], 14 + (frame[14] & 15) * 4
                sequence, acknowledged = struct.unpack('!II', frame[head + 4:head + 12])
                data = frame[head + (frame[head + 12] >> 4) * 4:end]
                return struct.unpack('!H', frame[head + 2:head + 4])[0], frame[head + 13], sequence, acknowledged, data

    def find(self):
        """Learns the peer's address; waits until it is there at all. False: it is not."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.arp(1, b'\0' * 6)
            self.receive(0.2)
            if self.peer_mac:
                return True
        return False

    def send(self, port, there, flags, sequence, acknowledged=0, data=b''):
        segment = struct.pack('!HHIIBBHHH', port, there, sequence, acknowledged, 5 << 4, flags, 60000, 0, 0) + data
        pseudo = self.own + self.peer + struct.pack('!BBH', 0, 6, len(segment))
        segment = segment[:16] + struct.pack('!H', checksum(pseudo + segment)) + segment[18:]
        head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0, self.own, self.peer)
        head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
        self.near.send(self.peer_mac + self.MAC + b'\x08\0' + head + segment)

    def syns(self, there, count):
        """Begins so many connections, of which nothing more is heard."""
        for number in range(count):
            self.send(20000 + number, there, SYN, random.getrandbits(32))

    def connect(self, port, there, seconds=20):
        """One attempt at a connection: (next sequence, next expected), or None."""
        sequence = random.getrandbits(31)
        self.send(port, there, SYN, sequence)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            segment = self.receive(0.1)
            if segment and segment[0] == port and segment[1] & (SYN | ACK) == SYN | ACK:
                self.send(port, there, ACK, sequence + 1, segment[2] + 1)
                return sequence + 1, segment[2] + 1
        return None

    def ask(self, port, there, state, data, seconds=PATIENCE):
        """Sends data on a connection; all that comes until the peer's end."""
        sequence, expected = state
        self.send(port, there, ACK, sequence, expected, data)
        sequence += len(data)
        answer, deadline = b'', time.monotonic() + seconds
        while time.monotonic() < deadline:
            segment = self.receive(1)
            if not segment:  # a segment was lost, perhaps ours
                self.send(port, there, ACK, sequence - len(data), expected, data)
            elif segment[0] == port:
                if segment[2] == expected:
                    answer += segment[4]
                    expected += len(segment[4]) + (segment[1] & FIN)
                    if segment[4] or segment[1] & FIN:
                        self.send(port, there, ACK, sequence, expected)
                if segment[1] & (FIN | RST):
                    break
        return answer
