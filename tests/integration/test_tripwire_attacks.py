# SPDX-License-Identifier: Apache-2.0
"""Ways around the tripwire, in the kernel, each beside one that passes. See lib.hookworld.

Nothing is governed here but names: the addresses are ones that nobody knows. What proves that no byte
left is the far side, which keeps the payload of every TCP segment that arrives.
"""
import json
import select
import textwrap

import pytest

from lib.hello import hello
from lib.hookworld import FREE, HookWorld
from lib.system import wait_for

ECONNABORTED = 103
GOVERNED = "api.openai.com"
AT = {2: "203.0.113.10", 10: "2001:db8:1::10"}
NEAR = {2: "192.0.2.2", 10: "2001:db8:1::2"}  # the workload's host
BOTH = pytest.mark.parametrize("family", [2, 10])
PORTS = pytest.mark.parametrize("port", [443, 444])  # redirected, and not


class Wire:
    """A server at the far side that only reads, and the payload that the wire carried to it."""

    CODE = """
        import select
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)); raw.bind(("p0", 0))
        servers = [socket.create_server((a, p), family=f) for f, a in ADDRS for p in (443, 444)]
        mark = socket.socket(2, 2); mark.bind(("FREE", 10))
        conns, got = [], b""
        print("up", flush=True)
        while True:
            for s in select.select([raw, *servers, *conns], [], [])[0]:
                if s in servers:
                    conns.append(s.accept()[0])
                    continue
                if s in conns:
                    try: data = s.recv(65536)
                    except OSError: data = b""
                    if not data: conns.remove(s); s.close()
                    continue
                p, a = raw.recvfrom(65535)
                if a[2] == 4 or a[1] not in (0x0800, 0x86dd): continue  # ours; ARP
                v6 = p[0] >> 4 == 6
                proto, at, end = (p[6], 40, 40 + (p[4] << 8 | p[5])) if v6 else (p[9], (p[0] & 15) * 4, p[2] << 8 | p[3])
                if proto == 6:
                    got += p[at + (p[at + 12] >> 4) * 4:end]
                elif proto == 17 and p[at + 8:end] == b"marker":
                    print(got.hex(), flush=True); got = b""
    """

    def __init__(self, world):
        self.world = world
        addrs = [(2, AT[2]), (10, AT[10])]
        code = textwrap.dedent(self.CODE).replace("ADDRS", repr(addrs)).replace("FREE", FREE)
        self.proc = world.start(code, ns=world.far, cgroup=world.outside)
        assert self.proc.stdout.readline() == "up\n"

    def read(self):
        """What arrived since the last call: a marker comes after it."""
        self.world.client(f's = socket.socket(2, 2); s.sendto(b"marker", ("{FREE}", 10))')
        ready, _, _ = select.select([self.proc.stdout], [], [], 10)
        assert ready, "the marker never arrived"
        return bytes.fromhex(self.proc.stdout.readline())

    def close(self):
        self.proc.kill()
        self.proc.wait()


@pytest.fixture
def world(tmp_path):
    with HookWorld(tmp_path) as w:
        w.d = w.drivers[0]
        w.d.ok(f"names {GOVERNED} *.governed.example")
        w.d.ok("attach")
        w.d.ok("listen 2 1")
        w.d.ok("listen 10 1")
        w.far_end = Wire(w)
        yield w
        w.far_end.close()


def connection(world, family, writes, port=443, setup="", hears="", finish="s.shutdown(1)", **kw):
    """A client that connects, writes each part of `writes` by itself, and says how its connection ended."""
    parts = json.dumps([p.hex() for p in writes])
    return world.start(f"""
        s = socket.socket({family}); s.settimeout(20)
        {setup}
        s.connect(("{AT[family]}", {port})); s.setsockopt(6, 1, 1)
        print("connected", flush=True)
        {hears}
        try:
            for p in json.loads('{parts}'): s.send(bytes.fromhex(p))
            {finish}
            s.recv(1); print(0)
        except OSError as e: print(e.errno or "timeout")""", **kw)


def passes(world, family, writes, **kw):
    """All of it arrives, in order, and nobody hears of it."""
    out, _ = connection(world, family, writes, **kw).communicate(timeout=30)
    assert out.split() == ["connected", "0"]
    assert world.far_end.read() == b"".join(writes)
    assert world.d.events() == []


def events_end(world):
    """Waits for the next event by ending the connection that it is about."""
    events = wait_for(lambda: [e for e in world.d.events() if e["hook"] == "egress"], what="event")
    world.d.ok("sever")
    return events


def trips(world, family, writes, reason="k_tripwire", name=GOVERNED, **kw):
    """Not a byte arrives; the client is told; the next connection of its cgroup is redirected."""
    client = connection(world, family, writes, finish="pass", **kw)
    event = events_end(world)[0]
    out, _ = client.communicate(timeout=30)
    assert out.split() == ["connected", str(ECONNABORTED)]
    assert world.far_end.read() == b""
    assert (event["reason"], event["name"]) == (reason, name)
    assert event["flow"]["sk_cgroup"] == (kw.get("cgroup") or world.load).stat().st_ino
    assert event["flow"]["dport"] == kw.get("port", 443)
    return event


# ---- pages that are not TCP's own ----

SENDFILE = """fd = os.memfd_create("hello"); os.write(fd, bytes.fromhex("{}")); os.sendfile(s.fileno(), fd, 0, 9999)"""
ZEROCOPY = """s.setsockopt(1, 60, 1); s.send(bytes.fromhex("{}") + bytes(20000), 0x4000000)"""


def says(world, send, cgroup=None, port=443):
    """A client that sends in its own way, and says how its connection ended."""
    return world.start(f"""
        s = socket.socket(); s.settimeout(20); s.connect(("{AT[2]}", {port}))
        {send}
        try: s.shutdown(1); s.recv(1); print(0)
        except OSError as e: print(e.errno)""", cgroup=cgroup)


@pytest.mark.parametrize("send", [SENDFILE, ZEROCOPY])
def test_pages_that_may_change_on_their_way_do_not_pass(world, send):
    """Their owner writes to them after the hook has read them: what was read is not what arrives."""
    client = says(world, send.format(hello("free.example").hex()).replace("s.shutdown(1)", "pass"))
    assert events_end(world)[0]["reason"] == "k_hello"
    client.communicate(timeout=30)
    assert world.far_end.read() == b""


@pytest.mark.parametrize("send", [SENDFILE, ZEROCOPY])
def test_elsewhere_they_are_read(world, send):
    """At ports where a workload may speak anything, many forward what they read without a copy."""
    client = says(world, send.format(hello("free.example").hex()), port=444)
    assert client.communicate(timeout=30)[0].strip() == "0"
    assert world.far_end.read().startswith(hello("free.example")[:5]) and world.d.events() == []
    client = says(world, send.format(hello(GOVERNED).hex()).replace("s.shutdown(1)", "pass"), port=444)
    assert events_end(world)[0]["reason"] in ("k_tripwire", "k_hello")
    client.communicate(timeout=30)
    assert world.far_end.read() == b""


def test_what_follows_a_hello_may_come_from_anywhere(world):
    data = hello("free.example")
    client = says(world, f's.send(bytes.fromhex("{data.hex()}")); ' + SENDFILE.format(b"more".hex()))
    assert client.communicate(timeout=30)[0].strip() == "0"
    assert world.far_end.read() == data + b"more"
    assert world.d.events() == []


# ---- what some servers take for the beginning of TLS ----

@PORTS
@pytest.mark.parametrize("first", [
    b"\x15\x03\x01\0\x02\x01\0",  # a warning: OpenSSL bears with a few before the hello
    b"\x14\x03\x01\0\x01\x01", b"\x17\x03\x03\0\0", b"\x18\x03\x03\0\x01\0",
    b"\x16\x03\x01\0\x04\0\0\0\0",  # a HelloRequest
])
def test_records_before_the_hello_do_not_hide_it(world, first, port):
    trips(world, 2, [first + hello(GOVERNED)], "k_hello", "", port=port)


@PORTS
@pytest.mark.parametrize("version", [b"\x02\x01", b"\x7f\x01", b"\xff\xff"])
def test_a_version_that_nobody_has_does_not_hide_it(world, version, port):
    """s2n takes any."""
    data = hello(GOVERNED)
    trips(world, 2, [data[:1] + version + data[3:]], "k_hello", "", port=port)


@PORTS
@pytest.mark.parametrize("first", [
    bytes.fromhex("1500000064ffff00200008") + b"9P2000.L",
    bytes.fromhex("150047") + b"\x0emc.example.com\x63\xdd\x02",
    bytes.fromhex("14010000010000000000 0000dd07"), bytes.fromhex("16010000010000000000 0000dd07"),
], ids=["9P", "Minecraft", "MongoDB 276", "MongoDB 278"])
def test_a_length_that_looks_like_a_record_passes(world, first, port):
    passes(world, 2, [first, b"more"], port=port)


@PORTS
def test_what_no_record_begins_with_passes(world, port):
    for first in (b"GET / HTTP/1.1\r\n", b"\x13\x03\x01", b"\x19\x03\x01", b"\x00"):
        passes(world, 2, [first, hello(GOVERNED)], port=port)


@BOTH
@PORTS
@pytest.mark.parametrize("cut", [0, 1, 2, 5, 6, 60])
def test_a_hello_in_two_parts(world, family, port, cut):
    data = hello(GOVERNED)
    trips(world, family, [p for p in (data[:cut], data[cut:]) if p], port=port)


@BOTH
@PORTS
def test_other_names_pass(world, family, port):
    passes(world, family, [hello("free.example"), b"more"], port=port)


@BOTH
def test_what_a_server_answers_is_not_a_hello(world, family):
    """It begins as one does, in a record of a handshake, and to a port that is anything."""
    said = hello(GOVERNED)
    server = world.start(f"""
        l = socket.create_server(("::" if {family} == 10 else "0.0.0.0", 445), family={family})
        print("up", flush=True)
        c, _ = l.accept(); c.sendall(bytes.fromhex("{said.hex()}")); c.shutdown(1); c.recv(1); print("answered")""")
    assert server.stdout.readline() == "up\n"
    client = world.start(f"""
        s = socket.socket({family}); s.settimeout(20); s.connect(("{NEAR[family]}", 445))
        got = b""
        while d := s.recv(9999): got += d
        print(got.hex())""", ns=world.far, cgroup=world.outside)
    assert bytes.fromhex(client.communicate(timeout=30)[0]) == said
    assert server.communicate(timeout=30)[0].strip() == "answered" and world.d.events() == []


@BOTH
def test_what_a_server_answers_behind_a_byte_is_not_a_hello(world, family):
    """PostgreSQL: `S`, then TLS."""
    said = b"\x16\x03\x03" + hello(GOVERNED)[3:]
    server = world.start(f"""
        import fcntl
        l = socket.create_server(("::" if {family} == 10 else "0.0.0.0", 445), family={family})
        print("up", flush=True)
        c, _ = l.accept(); c.recv(8); c.sendall(b"S"); c.recv(8)
        while struct.unpack("I", fcntl.ioctl(c, 0x5411, b"0000"))[0]: pass  # SIOCOUTQ
        c.sendall(bytes.fromhex("{said.hex()}")); c.shutdown(1); c.recv(1); print("answered")""")
    assert server.stdout.readline() == "up\n"
    client = world.start(f"""
        s = socket.socket({family}); s.settimeout(20); s.connect(("{NEAR[family]}", 445))
        s.sendall(bytes.fromhex("0000000804d2162f")); got = s.recv(1); s.sendall(b"hello")
        while d := s.recv(9999): got += d
        print(got.hex())""", ns=world.far, cgroup=world.outside)
    assert bytes.fromhex(client.communicate(timeout=30)[0]) == b"S" + said
    assert server.communicate(timeout=30)[0].strip() == "answered" and world.d.events() == []


@BOTH
def test_a_peer_that_only_ends_has_not_spoken(world, family):
    server = world.start(f"""
        l = socket.create_server(("{AT[family]}", 446), family={family})
        print("up", flush=True)
        c, _ = l.accept(); c.shutdown(1); print(len(c.recv(9)))""", ns=world.far, cgroup=world.outside)
    assert server.stdout.readline() == "up\n"
    client = connection(world, family, [hello(GOVERNED)], port=446, hears="assert s.recv(1) == b''", finish="pass")
    assert events_end(world)[0]["reason"] == "k_tripwire"
    client.communicate(timeout=30)
    assert world.far_end.read() == b""
    server.kill()
    server.wait()


def test_elsewhere_a_flight_of_anything_passes(world):
    """Segments behind the first may begin as a hello does."""
    data = b"\0" * 3001 + hello(GOVERNED) * 30
    passes(world, 2, [data], port=444, setup="s.setsockopt(6, 2, 600)")


# ---- what s2n skips in front of a hello: records of any type and version ----

JUNK = {"short": b"\0\x03\x03\0\x01x", "text": b"GET / HTTP/1.1\r\n" + b"x" * (5 + 0x202f - 16), "empty": b"\0" * 500,
        "many": b"".join(bytes([200 + i % 50, 9, 9, i, i]) + bytes(257 * i) for i in range(15))}


@PORTS
@pytest.mark.parametrize("name", [GOVERNED, "free.example"])
@pytest.mark.parametrize("junk", JUNK)
def test_a_hello_behind_records_of_any_kind_is_found(world, port, junk, name):
    """Whoever's it is: none that is honest begins like that. The junk itself may have left, nothing of the hello."""
    data = JUNK[junk]
    client = connection(world, 2, [data, hello(name)] if port == 444 else [data + hello(name)], port=port, finish="pass")
    assert events_end(world)[0]["reason"] == "k_hello"
    assert client.communicate(timeout=30)[0].split() == ["connected", str(ECONNABORTED)]
    assert data.startswith(world.far_end.read())


@PORTS
def test_its_beginning_may_be_cut_anywhere(world, port):
    data = JUNK["short"] + hello(GOVERNED)
    for cut in range(7, 20):
        fresh = world.load / f"cut{cut}"  # where nothing has been learned
        fresh.mkdir()
        client = connection(world, 2, [data[:cut], data[cut:]], port=port, finish="pass", cgroup=fresh)
        assert events_end(world)[0]["reason"] == "k_hello"
        client.communicate(timeout=30)
        assert len(world.far_end.read()) <= cut


@PORTS
def test_beside_a_record_it_is_data(world, port):
    """The twin: not where a record ends, no server finds it; nor behind its answer."""
    passes(world, 2, [JUNK["short"] + b"y", hello(GOVERNED)], port=port)
    passes(world, 2, [b"GET / HTTP/1.1\r\n\r\n", hello(GOVERNED) * 40], port=port)


# ---- sockets ----

@BOTH
@PORTS
def test_a_socket_bound_to_a_device_is_ended(world, family, port):
    trips(world, family, [hello(GOVERNED)], setup='s.setsockopt(1, 25, b"w0")', port=port)


def test_a_dual_stack_socket_is_ended(world):
    client = world.start(f"""
        s = socket.socket(10); s.settimeout(20); s.connect(("::ffff:{AT[2]}", 443))
        s.send(bytes.fromhex("{hello(GOVERNED).hex()}"))
        try: s.recv(1); print(0)
        except OSError as e: print(e.errno)""")
    assert events_end(world)[0]["reason"] == "k_tripwire"
    assert client.communicate(timeout=30)[0].strip() == str(ECONNABORTED)
    assert world.far_end.read() == b""


# ---- older connections ----

@pytest.fixture
def bare(tmp_path):
    with HookWorld(tmp_path) as w:
        w.d = w.drivers[0]
        w.d.ok(f"names {GOVERNED}")
        w.far_end = Wire(w)
        yield w
        w.far_end.close()


def older(world, first, port):
    client = world.start(f"""
        s = socket.socket(2); s.settimeout(20); s.connect(("{AT[2]}", {port}))
        if {first!r}:
            s.send({first!r})
            while struct.unpack("I", __import__("fcntl").ioctl(s, 0x5411, b"0000"))[0]: pass  # SIOCOUTQ
        print("connected", flush=True)
        sys.stdin.readline()
        s.send(bytes.fromhex("{hello(GOVERNED).hex()}"))
        try: s.shutdown(1); s.recv(1); print(0)
        except OSError as e: print(e.errno)""")
    assert client.stdout.readline() == "connected\n"
    world.d.ok("attach")
    client.stdin.write("\n")
    client.stdin.flush()
    return client


@PORTS
def test_a_connection_in_mid_stream_goes_on(bare, port):
    out, _ = older(bare, b"hello", port).communicate(timeout=30)
    assert out.strip() == "0"
    assert bare.far_end.read().startswith(b"hello\x16\x03")
    assert bare.d.counts()["sni_none"] == (port == 443)


@PORTS
def test_an_older_connection_that_has_said_nothing_is_read(bare, port):
    client = older(bare, b"", port)
    assert events_end(bare)[0]["reason"] == "k_tripwire"
    assert client.communicate(timeout=30)[0].strip() == str(ECONNABORTED)
    assert bare.far_end.read() == b""


@BOTH
@PORTS
def test_urgent_data_in_front_of_a_hello_hides_nothing(world, family, port):
    """The peer reads the stream without that byte."""
    client = world.start(f"""
        s = socket.socket({family}); s.settimeout(10)
        s.connect(("{AT[family]}", {port})); s.setsockopt(6, 1, 1)
        s.send(b"X", socket.MSG_OOB)
        try: s.send(bytes.fromhex("{hello(GOVERNED).hex()}"))
        except OSError as e: print(e.errno)""")
    assert events_end(world)[0]["reason"] == "k_hello"
    client.communicate(timeout=30)
    assert world.far_end.read() == b""


@BOTH
@PORTS
@pytest.mark.parametrize("first", ["GET /", ""])
def test_a_socket_that_connects_again_is_looked_at_again(world, family, first, port):
    client = world.start(f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        s = socket.socket({family}); s.settimeout(10)
        s.connect(("{AT[family]}", {port})); s.setsockopt(6, 1, 1)
        if {first!r}: s.send({first.encode()!r})
        while struct.unpack("I", __import__("fcntl").ioctl(s, 0x5411, b"0000"))[0]: pass  # SIOCOUTQ
        libc.connect(s.fileno(), bytes(16), 16)  # AF_UNSPEC
        s.connect(("{AT[family]}", {port}))
        try: s.send(bytes.fromhex("{hello(GOVERNED).hex()}"))
        except OSError: pass""")
    assert events_end(world)[0]["reason"] == "k_tripwire"
    client.communicate(timeout=30)
    assert world.far_end.read() == first.encode()
