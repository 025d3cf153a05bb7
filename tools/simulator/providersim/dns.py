# SPDX-License-Identifier: Apache-2.0
"""A DNS server for the simulated internet: A and AAAA over UDP and TCP, and ways to fail.

Ways: servfail, refused, nxdomain, silent, garbage, truncate (UDP says: ask again over TCP), wrong_id.
"""
import ipaddress
import socket
import struct
import threading

A, AAAA, ANY_CLASS = 1, 28, 1
RCODE = {"servfail": 2, "nxdomain": 3, "refused": 5}


def parsed(addresses):
    return [ipaddress.ip_address(a) for a in addresses]


class Zone:
    """Names to addresses; the control command "dns" changes it."""

    def __init__(self, names, addresses, own, journal):
        self.names, self.journal = names, journal
        self.everywhere = parsed(addresses)
        self.own = {n: parsed(v) for n, v in own.items()}
        self.set()

    def set(self, fail=None, only=None, addresses=None, ttl=60):
        """fail: a way, for the names in `only` or all. addresses: {name: [address]}, before others."""
        self.fail, self.only, self.ttl = fail, only, int(ttl)
        self.special = {**self.own, **{n.lower(): parsed(v) for n, v in (addresses or {}).items()}}

    def failing(self, name):
        return self.fail if self.only is None or name in self.only else None

    def find(self, name):
        """Addresses, or None when there is no such name."""
        if name in self.special:
            return self.special[name]
        return self.everywhere if self.names.provider(name) is not None else None


def question(packet):
    """(id, flags, name, type, the question's bytes)."""
    ident, flags, count = struct.unpack("!HHH", packet[:6])
    if count != 1:
        raise ValueError("not one question")
    labels, at = [], 12
    while packet[at]:
        size = packet[at]
        labels.append(packet[at + 1:at + 1 + size].decode("ascii"))
        at += 1 + size
    kind, _ = struct.unpack("!HH", packet[at + 1:at + 5])
    return ident, flags, ".".join(labels).lower(), kind, packet[12:at + 5]


def reply(zone, packet, over_udp):
    """The bytes to send back; None for silence."""
    ident, flags, name, kind, asked = question(packet)
    fail = zone.failing(name)
    zone.journal.query(name=name, type={A: "A", AAAA: "AAAA"}.get(kind, str(kind)),
                       transport="udp" if over_udp else "tcp", fail=fail)
    if fail == "silent":
        return None
    if fail == "garbage":
        return b"\xff" * 40
    if fail == "wrong_id":
        ident ^= 0x5555
    found = zone.find(name)
    rcode = RCODE.get(fail, RCODE["nxdomain"] if found is None else 0)
    cut = fail == "truncate" and over_udp
    records = b""
    count = 0
    for address in (found or []) if not (rcode or cut) else []:
        if (address.version, kind) in ((4, A), (6, AAAA)):
            records += struct.pack("!HHHIH", 0xC00C, kind, ANY_CLASS, zone.ttl, len(address.packed))
            records += address.packed
            count += 1
    flags = 0x8400 | (flags & 0x0100) | 0x0080 | (0x0200 if cut else 0) | rcode
    return struct.pack("!HHHHHH", ident, flags, 1, count, 0, 0) + asked + records


def serve_udp(sock, zone):
    while True:
        try:
            packet, peer = sock.recvfrom(4096)
            answer = reply(zone, packet, True)
            if answer is not None:
                sock.sendto(answer, peer)
        except (ValueError, IndexError, struct.error, UnicodeDecodeError):
            continue
        except OSError:
            return


def serve_tcp(listener, zone):
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=tcp_client, args=(sock, zone), daemon=True).start()


def tcp_client(sock, zone):
    with sock:
        sock.settimeout(10)
        try:
            while True:
                size = sock.recv(2, socket.MSG_WAITALL)
                if len(size) < 2:
                    return
                answer = reply(zone, sock.recv(struct.unpack("!H", size)[0], socket.MSG_WAITALL), False)
                if answer is None:
                    return
                sock.sendall(struct.pack("!H", len(answer)) + answer)
        except (ValueError, IndexError, struct.error, OSError):
            return


def start(addresses, zone):
    for address, port in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        udp.bind((address, port))
        tcp = socket.create_server((address, port), family=family)
        threading.Thread(target=serve_udp, args=(udp, zone), daemon=True).start()
        threading.Thread(target=serve_tcp, args=(tcp, zone), daemon=True).start()
