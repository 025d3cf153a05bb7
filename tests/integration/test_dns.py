# SPDX-License-Identifier: Apache-2.0
"""Addresses learned in the kernel from DNS answers, before the client has them. See lib.hookworld."""
import socket
import struct

import pytest

from lib.dns import CNAME, HTTPS, RESOLVER, STRANGER, A, Dns, a, forged, https, message, name, record
from lib.hookworld import HookWorld, redirected
from lib.system import sh

NEW, NEW6, OTHER = "203.0.113.10", "2001:db8:1::10", "198.51.100.7"
NAMES = "api.openai.com *.openai.azure.com bedrock-runtime.*.amazonaws.com"


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


def short(value):
    """A name for a message: its size will do."""
    return f"{len(value)}"


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
], ids=short)
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
], ids=short)
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


ECH = https((1, b"\x02h2"), (4, socket.inet_aton(NEW)), (5, b"ech-keys"))


@pytest.mark.parametrize("tcp", [False, True])
def test_ech_for_a_governed_name_is_noticed(dns, tcp):
    dns.ask(message("API.openai.com", ECH, kind=HTTPS), tcp=tcp)
    event, = dns.world.d.events()
    assert (event["hook"], event["reason"], event["name"]) == ("ingress", "k_ech", "api.openai.com")
    assert event["flow"]["dst"] == "::ffff:" + RESOLVER
    assert event["flow"]["cgroup"] == dns.world.load.stat().st_ino
    assert event["flow"]["dport"] == 53


def test_ech_is_noticed_by_the_name_asked_for(dns):
    dns.ask(message("a-much-longer-alias.of.some.example", record(b"\xc0\x0c", CNAME, name("api.openai.com")), ECH))
    dns.ask(message("api.openai.com", ECH, kind=HTTPS))
    assert [e["name"] for e in dns.world.d.events()] == ["a-much-longer-alias.of.some.example", "api.openai.com"]


@pytest.mark.parametrize("answer, of", [
    (message("free.example", ECH, kind=HTTPS), RESOLVER),
    (message("api.openai.com", https((4, socket.inet_aton(NEW))), kind=HTTPS), RESOLVER),
    (message("api.openai.com", ECH, kind=HTTPS), STRANGER),
])
def test_ech_that_concerns_nobody_is_not(dns, answer, of):
    dns.ask(answer, of=of)
    assert dns.world.d.events() == []
    assert dns.world.d.counts()["dns_ech"] == 0


def test_ech_is_noticed_now_and_then_only(dns):
    for _ in range(20):
        dns.ask(message("api.openai.com", ECH, kind=HTTPS))
    counts = dns.world.d.counts()
    assert counts["dns_ech"] == 20
    assert len(dns.world.d.events()) + counts["limited"] == 20


def test_a_resolver_on_loopback_is_one_in_its_own_namespace_only(dns):
    """Anybody has 127.0.0.53 in a network namespace of his own."""
    world = dns.world
    world.d.ok("resolver ::ffff:127.0.0.53")
    code = forged("127.0.0.53", message("api.openai.com", a(NEW)))
    sh("ip", "-n", world.other, "link", "set", "lo", "up")
    assert world.start(code, ns=world.other).communicate(timeout=30)[0] == "read\n"
    assert dns.learned() == []
    assert world.start(code).communicate(timeout=30)[0] == "read\n"
    assert dns.learned() == [NEW]
