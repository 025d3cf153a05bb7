# SPDX-License-Identifier: Apache-2.0
"""Addresses learned in the kernel from DNS answers, before the client has them. See lib.hookworld."""
import socket
import struct
import textwrap

import pytest

from lib.hookworld import FREE, HookWorld, redirected

RESOLVER, STRANGER = "192.0.2.1", FREE  # both answer; one is believed
NEW, NEW6, OTHER = "203.0.113.10", "2001:db8:1::10", "198.51.100.7"
A, CNAME, AAAA, HTTPS = 1, 5, 28, 65
NAMES = "api.openai.com *.openai.azure.com bedrock-runtime.*.amazonaws.com"


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".") if p) + b"\0"


def record(owner, kind, data, cls=1):
    return owner + struct.pack("!HHIH", kind, cls, 60, len(data)) + data


def message(question, *records, flags=0x8180, kind=A, questions=1):
    return struct.pack("!HHHHHH", 7, flags, questions, len(records), 0, 0) + name(question) + \
        struct.pack("!HH", kind, 1) + b"".join(records)


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
        return self.learned(cgroup)

    def learned(self, cgroup=None):
        addrs = self.world.d.ok(f"learned {cgroup or self.world.load}")["addrs"]
        return sorted(x.removeprefix("::ffff:") for x in addrs)

    def close(self):
        self.proc.communicate("")


@pytest.fixture
def dns(tmp_path):
    with HookWorld(tmp_path) as world:
        world.d = world.drivers[0]
        world.d.ok("attach")
        world.d.ok("listen 2 1")
        world.d.ok("listen 10 1")
        world.d.ok("names " + NAMES)
        world.d.ok(f"resolver ::ffff:{RESOLVER}")
        server = Dns(world)
        yield server
        server.close()


@pytest.mark.parametrize("tcp", [False, True])
def test_what_a_resolver_answers_is_governed_at_once(dns, tcp):
    world = dns.world
    assert world.tcp(NEW) != 0  # nobody listens there, and it is not governed: refused by the far side
    assert len(world.leaks()) > 0
    assert dns.ask(message("API.openai.COM", a(NEW), a(NEW6)), tcp) == sorted([NEW, NEW6])
    before = len(world.leaks())
    for family, addr in ((2, NEW), (10, NEW6), (10, "::ffff:" + NEW), (10, "64:ff9b::" + NEW)):
        flow, me = redirected(world, family, addr)
        assert flow["provider"] == 7 and flow["flags"] & 16  # EG_FLOW_LEARNED
        assert me["peer"][1] == 443
    assert world.attempt(2, 2, 17, NEW, 443) == 111
    assert len(world.leaks()) == before


def test_a_cgroup_learns_for_itself_only(dns):
    world = dns.world
    other = world.cgroup / "other"
    other.mkdir()
    dns.ask(message("api.openai.com", a(NEW)))
    assert dns.learned(other) == []
    before = len(world.leaks())
    world.tcp(NEW, cgroup=other)
    assert len(world.leaks()) > before
    assert dns.ask(message("api.openai.com", a(OTHER)), cgroup=other) == [OTHER]
    assert dns.learned() == [NEW]


@pytest.mark.parametrize("answer, learned", [
    (message("res.openai.azure.com", a(NEW)), [NEW]),
    (message("bedrock-runtime.eu-west-1.amazonaws.com", a(NEW)), [NEW]),
    (message("s3.eu-west-1.amazonaws.com", a(NEW)), []),
    (message("notopenai.com", a(NEW)), []),
    (message("notapi.openai.com", a(NEW)), []),
    (message("x.api.openai.com", a(NEW)), []),
    (message("api.openai.com.example", a(NEW)), []),
    (message("alias.example", record(b"\xc0\x0c", CNAME, name("api.openai.com")), a(NEW)), [NEW]),
    (message("alias.example", record(b"\xc0\x0c", CNAME, b"\x03two\xc0\x12"),
             record(name("two.example"), CNAME, name("API.OPENAI.com")), a(NEW, name("api.openai.com"))), [NEW]),
    (message("api.openai.com", record(b"\xc0\x0c", CNAME, name("cdn.example")), a(NEW, name("cdn.example"))), [NEW]),
    (message("alias.example", a(OTHER), record(b"\xc0\x0c", CNAME, name("api.openai.com")), a(NEW)), [NEW]),
    (message("api.openai.com", *[a(f"198.51.100.{i}") for i in range(40)]),
     sorted(f"198.51.100.{i}" for i in range(40))),
    (message("api.openai.com", https((1, b"\x02h2"), (4, socket.inet_aton(NEW) + socket.inet_aton(OTHER)),
                                     (5, b"ech-keys"), (6, socket.inet_pton(10, NEW6))), kind=HTTPS),
     sorted([NEW, OTHER, NEW6])),
])
def test_names_aliases_and_hints_are_followed(dns, answer, learned):
    got = dns.ask(answer)
    if len(learned) > 8:  # a full set of the table may lose its oldest
        assert len(got) >= 36 and set(got) <= set(learned)
    else:
        assert got == learned


@pytest.mark.parametrize("answer", [
    message("api.openai.com", a(NEW), flags=0x0100),  # a question
    message("api.openai.com", a(NEW), flags=0x8183),  # NXDOMAIN
    message("api.openai.com", a(NEW), questions=2),
    message("api.openai.com", record(b"\xc0\x0c", A, b"\x01\x02\x03")),
    message("api.openai.com", record(b"\xc0\x0c", A, socket.inet_aton(NEW), cls=3)),
    message("api.openai.com", a(NEW))[:-1],
    message("api.openai.com", a("127.0.0.1"), a("0.0.0.0"), a("::1"), a("::ffff:127.0.0.1")),
    message("x.example", record(b"\xc0\x0c", CNAME, b"\xc0\x2a"), a(NEW)),  # points at itself
    message("x.example", record(b"\xc0\x0c", CNAME, b"\x03api\xc0\x2b"), a(NEW)),
    message("x.example", record(b"\xc0\x0c", CNAME, b"\x0aapi.openai\x03com\0"), a(NEW)),  # a dot in a label
    message("x.example", record(b"\xc0\x0c", CNAME, b"\x40" + b"a" * 64 + b"\0"), a(NEW)),
    message("x.example", record(b"\xc0\x0c", CNAME, b"\x3f" + b"a" * 20), a(NEW)),
    message("api.openai.com", https((4, socket.inet_aton(NEW)[:3])), kind=HTTPS),
    struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0) + b"\xc0\x0c" + b"\0\1\0\1" + a(NEW),
    struct.pack("!HHHHHH", 7, 0x8180, 1, 65535, 0, 0) + b"\x3f" * 200,
    b"\x00" * 12, b"\xff" * 600, b"x",
])
def test_hostile_answers_teach_nothing(dns, answer):
    assert dns.ask(answer) == []


def test_only_trusted_resolvers_are_believed(dns):
    assert dns.ask(message("api.openai.com", a(NEW)), of=STRANGER) == []
    assert dns.world.d.counts()["dns_answers"] == 0
    assert dns.ask(message("api.openai.com", a(NEW))) == [NEW]


def test_a_flood_of_answers_pushes_out_its_own_cgroup_only(dns):
    world = dns.world
    other = world.cgroup / "other"
    other.mkdir()
    dns.ask(message("api.openai.com", a(NEW)), cgroup=other)
    for i in range(12):
        dns.ask(message("api.openai.com", *[a(f"10.{i}.{k}.1") for k in range(60)]))
    assert len(dns.learned()) <= 256
    assert dns.learned(other) == [NEW]
    assert redirected(world, 2, NEW, cgroup=other)[0]["provider"] == 7


def test_names_are_replaced_whole(dns):
    dns.world.d.ok("names api.anthropic.com")
    assert dns.ask(message("api.openai.com", a(NEW))) == []
    assert dns.ask(message("api.anthropic.com", a(OTHER))) == [OTHER]
    assert dns.world.d.do("names api.x.com *com")["r"] == -22
    assert dns.ask(message("api.anthropic.com", a(NEW))) == sorted([NEW, OTHER])


def test_what_was_learned_outlives_the_daemon(dns):
    dns.ask(message("api.openai.com", a(NEW)))
    dns.world.d.kill()
    assert dns.world.tcp(NEW) == 111  # no listener: refused, not let through
    dns.world.d = dns.world.driver()
    dns.world.d.ok("attach")
    dns.world.d.ok("listen 2 1")
    assert redirected(dns.world, 2, NEW)[0]["flags"] & 16
