# SPDX-License-Identifier: Apache-2.0
"""Resolvers of a network namespace's own, as eg_ingress believes them: for what to redirect, there, and
for nothing that a denied egress lets through. Who reads them from where: test_own_dns.py. See lib.hookworld."""
import pytest

from lib.dns import RESOLVER, STRANGER, Dns, a, forged, message
from lib.hookworld import HookWorld, redirected
from lib.system import sh

NEW, OTHER = "203.0.113.10", "198.51.100.7"
ECONNREFUSED, LEARNED, DENIED = 111, 16, 32
LIST, TCP, UDP = 5, 6, 17


@pytest.fixture
def dns(tmp_path):
    with HookWorld(tmp_path) as world:
        world.d = world.drivers[0]
        for line in ("attach", "listen 2 1", "listen 10 1", "names api.openai.com", f"resolver ::ffff:{RESOLVER}"):
            world.d.ok(line)
        server = Dns(world)
        yield server
        server.close()


def own(world, ns, address=""):
    """What the monitor says when it has read the resolv.conf of somebody in there."""
    world.d.ok(f"own /run/netns/{ns} {'::ffff:' + address if address else ''}")


@pytest.mark.parametrize("tcp", [False, True])
def test_a_namespace_s_own_resolver_teaches_what_to_redirect(dns, tcp):
    world = dns.world
    own(world, world.work, STRANGER)
    assert dns.ask(message("api.openai.com", a(NEW)), tcp, of=STRANGER) == [NEW]
    flow, _ = redirected(world, 2, NEW)
    assert flow["provider"] == 7 and flow["flags"] & LEARNED
    own(world, world.work)
    assert dns.ask(message("api.openai.com", a(OTHER)), tcp, of=STRANGER) == [NEW]


def test_another_namespace_s_own_resolver_is_a_stranger(dns):
    world = dns.world
    own(world, world.other, STRANGER)
    assert dns.ask(message("api.openai.com", a(NEW)), of=STRANGER) == []
    assert world.d.counts()["dns_answers"] == 0


def test_an_own_resolver_on_loopback_is_one_there_only(dns):
    """As Docker has its own at 127.0.0.11."""
    world = dns.world
    sh("ip", "-n", world.other, "link", "set", "lo", "up")
    own(world, world.other, "127.0.0.11")
    code = forged("127.0.0.11", message("api.openai.com", a(NEW)))
    assert world.start(code).communicate(timeout=30)[0] == "read\n"
    assert dns.learned() == []
    assert world.start(code, ns=world.other).communicate(timeout=30)[0] == "read\n"
    assert dns.learned() == [NEW]


def test_own_resolvers_go_with_the_daemon_that_read_them(dns):
    """The next one reads again; until then nobody has looked."""
    world = dns.world
    own(world, world.work, STRANGER)
    world.d.kill()
    dns.ask_unseen(message("api.openai.com", a(NEW)), of=STRANGER)
    world.d = world.driver()
    world.d.ok("attach")
    assert dns.learned() == [NEW]  # what is attached goes on
    assert dns.ask(message("api.openai.com", a(OTHER)), of=STRANGER) == [NEW]


# ---- a denied egress ----

@pytest.fixture
def denied(dns):
    """Whose namespace has a resolver of its own, which the list opens only where a test says so."""
    world = dns.world
    world.d.ok("switch 1")
    world.d.ok(f"mode {world.load} 0 1 {LIST}")
    own(world, world.work, STRANGER)
    return world


def lists(world, *entries):
    for entry in ("none", *entries):
        world.d.ok(f"lists {entry}")
    world.d.ok("lists")


def test_an_own_resolver_opens_no_name_of_the_list(dns, denied):
    lists(denied, f"{LIST} pypi.org 128 0 0", f"{LIST} ::ffff:{STRANGER} 128 53 {UDP}")
    dns.ask(message("pypi.org", a(NEW)), of=STRANGER)
    assert denied.d.ok(f"allowed {denied.load}")["addrs"] == []
    assert denied.tcp(NEW) == ECONNREFUSED
    assert denied.d.events()[-1]["name"] == ""  # nor does it put names before people
    dns.ask(message("pypi.org", a(NEW)))  # the host's does
    assert denied.d.ok(f"allowed {denied.load}")["addrs"] == ["::ffff:" + NEW]


def test_an_own_resolver_is_not_open_itself(denied):
    for kind, proto in ((2, UDP), (1, TCP)):
        assert denied.attempt(2, kind, proto, STRANGER, 53) == ECONNREFUSED
        assert denied.attempt(2, kind, proto, RESOLVER, 53) == 0


def test_what_an_own_resolver_teaches_stays_denied(dns, denied):
    """Redirected, with the mark by which only governed names are served there."""
    lists(denied, f"{LIST} ::ffff:{STRANGER} 128 53 {UDP}")
    dns.ask(message("api.openai.com", a(NEW)), of=STRANGER)
    flow, _ = redirected(denied, 2, NEW)
    assert flow["flags"] & LEARNED and flow["flags"] & DENIED
