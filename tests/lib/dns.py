# SPDX-License-Identifier: Apache-2.0
"""DNS answers byte by byte, and a server at the far side that gives them."""
import socket
import struct
import textwrap

from .hookworld import FREE

RESOLVER, STRANGER = "192.0.2.1", FREE  # both answer; one is believed
A, CNAME, AAAA, HTTPS = 1, 5, 28, 65


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".") if p) + b"\0"


def record(owner, kind, data, cls=1):
    return owner + struct.pack("!HHIH", kind, cls, 60, len(data)) + data


def message(question, *records, flags=0x8180, kind=A, questions=1):
    return struct.pack("!HHHHHH", 7, flags, questions, len(records), 0, 0) + name(question) + \
        struct.pack("!HH", kind, 1) + b"".join(records)


def forged(resolver, answer):
    """Code of a client that answers itself, from a resolver's address that it has, and reads that."""
    return f"""
        answer = bytes.fromhex("{answer.hex()}")
        server, me = socket.socket(2, 2), socket.socket(2, 2)
        server.bind(("{resolver}", 53)); me.bind(("127.0.0.1", 0)); me.settimeout(10)
        server.sendto(answer, me.getsockname())
        assert me.recv(4096) == answer
        print("read")"""


def a(addr, owner=b"\xc0\x0c"):
    return record(owner, AAAA if ":" in addr else A,
                  socket.inet_pton(10 if ":" in addr else 2, addr))


def https(*params, owner=b"\xc0\x0c"):
    return record(owner, HTTPS, struct.pack("!H", 1) + b"\0" +
                  b"".join(struct.pack("!HH", k, len(v)) + v for k, v in params))


class Dns:
    """Answers whatever the next answer is, over UDP and TCP, at the resolver's and the stranger's address."""

    CODE = """
        import select, threading
        socks = []
        for addr in ADDRS:
            u = socket.socket(2, 2); u.bind((addr, 53)); t = socket.create_server((addr, 53)); socks += [u, t]
        print("up", flush=True)
        for line in sys.stdin:
            answer = bytes.fromhex(line)
            s = select.select(socks, [], [])[0][0]
            if s.type == socket.SOCK_DGRAM:
                _, peer = s.recvfrom(4096); s.sendto(answer, peer)
            else:
                c, _ = s.accept(); c.recv(4096); c.sendall(struct.pack("!H", len(answer)) + answer); c.close()
    """

    def __init__(self, world):
        self.world = world
        code = textwrap.dedent(self.CODE).replace("ADDRS", repr((RESOLVER, STRANGER)))
        self.proc = world.start(code, ns=world.far, cgroup=world.outside)
        assert self.proc.stdout.readline() == "up\n"

    def ask(self, answer, tcp=False, of=RESOLVER, cgroup=None):
        self.ask_unseen(answer, tcp, of, cgroup)
        return self.learned(cgroup)

    def ask_unseen(self, answer, tcp=False, of=RESOLVER, cgroup=None):
        """Also while nobody can say what was learned."""
        self.proc.stdin.write(answer.hex() + "\n")
        self.proc.stdin.flush()
        got = self.world.client(f"""
            s = socket.socket(2, {1 if tcp else 2}); s.settimeout(10); s.connect(("{of}", 53)); s.send(b"question")
            d = b""
            while True:
                p = s.recv(65535); d += p
                if not p or {not tcp}: break
            print(d.hex())""", cgroup=cgroup)
        assert got.endswith(answer.hex()), got  # whatever it is, the client gets it

    def learned(self, cgroup=None):
        addrs = self.world.d.ok(f"learned {cgroup or self.world.load}")["addrs"]
        return sorted(x.removeprefix("::ffff:") for x in addrs)

    def close(self):
        self.proc.communicate("")
