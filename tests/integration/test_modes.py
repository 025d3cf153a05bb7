# SPDX-License-Identifier: Apache-2.0
"""Capture and egress of cgroups in the kernel, each promise beside what attacks it. See lib.hookworld.

Nothing is governed here but what a test governs: the counter at the far side counts what arrives at
203.0.113.10 and 2001:db8:1::10, whoever let it through."""
import json

import pytest

from lib.dns import CNAME, RESOLVER, STRANGER, Dns, a, message, name, record
from lib.hookworld import FREE, FREE6, HookWorld, redirected
from lib.system import sh

ECONNREFUSED, EPERM, EPROTONOSUPPORT = 111, 1, 93
AT, AT6 = "203.0.113.10", "2001:db8:1::10"
NAMES, TLS, ALL = 0, 1, 2
ALLOW, DENY = 0, 1
LIST, OTHER_LIST = 5, 6
TCP, UDP = 6, 17


def mode(world, cgroup, capture=NAMES, egress=ALLOW, number=0):
    world.d.ok(f"mode {cgroup} {capture} {egress} {number}")


def lists(world, *entries):
    """(list, name or address, port, protocol) or (list, address, bits, port, protocol)."""
    world.d.ok("lists none")
    for entry in entries:
        number, what, *rest = entry
        bits, port, proto = rest if len(rest) == 3 else (128, *rest)
        mapped = "::ffff:" + what if what.count(".") == 3 and what[0].isdigit() and ":" not in what else what
        world.d.ok(f"lists {number} {mapped} {bits} {port} {proto}")
    world.d.ok("lists")


def arrives(world, act):
    """Whether something reached the watched addresses while act() ran, and what act() returned."""
    before = len(world.leaks())
    result = act()
    return len(world.leaks()) > before, result


@pytest.fixture
def world(tmp_path):
    with HookWorld(tmp_path) as w:
        w.d = w.drivers[0]
        w.d.ok("attach")
        w.d.ok("listen 2 1")
        w.d.ok("listen 10 1")
        w.d.ok("switch 1")
        w.d.ok(f"resolver ::ffff:{RESOLVER}")
        w.agent = w.cgroup / "agent"
        w.agent.mkdir()
        yield w
        for path in sorted(w.agent.rglob("*/"), reverse=True):
            path.rmdir()


@pytest.fixture
def denied(world):
    mode(world, world.agent, egress=DENY, number=LIST)
    return world


@pytest.fixture
def dns(denied):
    server = Dns(denied)
    yield server
    server.close()


FORMS = [AT, AT6, "::ffff:" + AT, "64:ff9b::" + AT, "2002:cb00:710a::1", "::" + AT]


@pytest.mark.parametrize("addr", FORMS)
@pytest.mark.parametrize("port", [443, 80, 53])
def test_denied_egress_is_refused_at_once(denied, addr, port):
    assert arrives(denied, lambda: denied.tcp(addr, port, cgroup=denied.agent)) == (False, ECONNREFUSED)
    event, = denied.d.events()
    assert (event["reason"], event["flow"]["dport"]) == ("k_egress_denied", port)
    assert event["flow"]["cgroup"] == denied.agent.stat().st_ino


@pytest.mark.parametrize("family, addr, send", [
    (2, AT, None), (10, AT6, None),
    (2, AT, f's.sendto(b"x", ("{AT}", 443))'),
    (10, AT6, f's.sendto(b"x", ("{AT6}", 443))'),
    (10, AT, f's.sendto(b"x", ("::ffff:{AT}", 53))'),
    (2, AT, f's.sendmsg([b"x"], [], 0x20000000, ("{AT}", 443))'),
])
def test_denied_datagrams_are_refused(denied, family, addr, send):
    act = lambda: denied.attempt(family, 2, UDP, addr, 443, send, cgroup=denied.agent)  # noqa: E731
    assert arrives(denied, act) == (False, ECONNREFUSED)


def test_fast_open_does_not_go_around(denied):
    send = f's.sendto(b"x", 0x20000000, ("{AT}", 443))'
    act = lambda: denied.attempt(2, 1, TCP, "", 0, send, cgroup=denied.agent)  # noqa: E731
    assert arrives(denied, act) == (False, ECONNREFUSED)


@pytest.mark.parametrize("kind, proto", [(3, 255), (3, 17), (2, 136), (1, 262)])
def test_other_sockets_are_not_to_be_had(denied, kind, proto):
    assert denied.attempt(2, kind, proto, "", 0, "pass", cgroup=denied.agent) == EPROTONOSUPPORT


def test_a_ping_passes_only_with_every_port(denied):
    echo = rf's.sendto(b"\x08\0\0\0\0\0\0\1x", ("{AT}", 0))'
    ping = lambda: arrives(denied, lambda: denied.attempt(  # noqa: E731
        2, 2, 1, "", 0, echo, cgroup=denied.agent))
    assert ping() == (False, EPERM)
    lists(denied, (LIST, AT, 443, TCP))
    assert ping() == (False, EPERM)
    lists(denied, (LIST, AT, 0, 0))
    assert ping() == (True, 0)


def test_other_cgroups_are_as_before(denied):
    assert arrives(denied, lambda: denied.tcp(AT))[0]
    assert denied.tcp(FREE) == 0


def test_without_the_switch_nothing_holds(denied):
    denied.d.ok("switch 0")
    assert arrives(denied, lambda: denied.tcp(AT, cgroup=denied.agent))[0]


def test_what_is_governed_is_served_all_the_same(denied):
    denied.d.govern(AT)
    flow, _ = redirected(denied, 2, AT, cgroup=denied.agent)
    assert flow["provider"] == 7
    assert denied.leaks() == []


@pytest.mark.parametrize("family, addr", [(2, "127.0.0.1"), (10, "::1")])
def test_loopback_stays_open(denied, family, addr):
    out = denied.client(f"""
        l = socket.create_server(("{addr}", 0), family={family})
        s = socket.create_connection(l.getsockname()[:2])
        c, _ = l.accept(); s.send(b"x"); u = socket.socket({family}, 2); u.bind(("{addr}", 0))
        v = socket.socket({family}, 2); v.sendto(b"y", u.getsockname())
        print(c.recv(1) + u.recv(1))""", cgroup=denied.agent)
    assert out == "b'xy'"
    assert denied.tcp("127.0.0.1", 15001, cgroup=denied.agent) == ECONNREFUSED


@pytest.mark.parametrize("of, port, kind, errno", [
    (RESOLVER, 53, 2, 0), (RESOLVER, 53, 1, 0), (RESOLVER, 54, 2, ECONNREFUSED), (STRANGER, 53, 2, ECONNREFUSED),
    (STRANGER, 53, 1, ECONNREFUSED), (RESOLVER, 443, 1, ECONNREFUSED)])
def test_dns_goes_to_trusted_resolvers_only(denied, of, port, kind, errno):
    server = Dns(denied)
    assert denied.attempt(2, kind, UDP if kind == 2 else TCP, of, port, cgroup=denied.agent) == errno
    server.close()


# ---- addresses ----

@pytest.mark.parametrize("entry, family, kind, addr, port, passes", [
    ((LIST, AT, 443, TCP), 2, 1, AT, 443, True),
    ((LIST, AT, 443, TCP), 10, 1, "::ffff:" + AT, 443, True),
    ((LIST, AT, 443, TCP), 10, 1, "64:ff9b::" + AT, 443, False),  # allowed, but this world has no translator
    ((LIST, AT, 443, TCP), 2, 1, AT, 80, False),
    ((LIST, AT, 443, TCP), 2, 2, AT, 443, False),
    ((LIST, AT, 443, UDP), 2, 2, AT, 443, True),
    ((LIST, AT, 443, UDP), 2, 1, AT, 443, False),
    ((LIST, AT, 443, TCP), 10, 1, AT6, 443, False),
    ((LIST, "203.0.113.0", 120, 443, TCP), 2, 1, AT, 443, True),
    ((LIST, "203.0.112.0", 120, 443, TCP), 2, 1, AT, 443, False),
    ((LIST, AT6, 64, 0, 0), 10, 1, AT6, 8443, True),
    ((LIST, "::", 0, 443, TCP), 2, 1, AT, 443, True),
    ((OTHER_LIST, AT, 443, TCP), 2, 1, AT, 443, False),
])
def test_listed_addresses_pass_and_no_others(denied, entry, family, kind, addr, port, passes):
    lists(denied, entry)
    send = None if kind == 1 else f's.sendto(b"x", ("{addr}", {port}))'
    act = lambda: denied.attempt(family, kind, TCP if kind == 1 else UDP, addr, port, send,  # noqa: E731
                                 cgroup=denied.agent)
    assert arrives(denied, act)[0] == passes


def test_a_narrow_entry_keeps_what_a_wide_one_allows(denied):
    lists(denied, (LIST, "203.0.113.0", 120, 80, TCP), (LIST, AT, 443, TCP), (LIST, AT, 444, TCP))
    for port, passes in ((80, True), (443, True), (444, True), (445, False)):
        assert arrives(denied, lambda p=port: denied.tcp(AT, p, cgroup=denied.agent))[0] == passes, port


def test_an_entry_that_leaves_the_list_is_gone(denied):
    lists(denied, (LIST, AT, 443, TCP))
    assert arrives(denied, lambda: denied.tcp(AT, cgroup=denied.agent))[0]
    lists(denied, (LIST, FREE, 443, TCP))
    assert arrives(denied, lambda: denied.tcp(AT, cgroup=denied.agent)) == (False, ECONNREFUSED)


# ---- names ----

@pytest.mark.parametrize("answer, learned", [
    (message("PyPI.org", a(AT)), True),
    (message("notpypi.org", a(AT)), False),
    (message("pypi.org.example", a(AT)), False),
    (message("x.pypi.org", a(AT)), False),
    (message("a.b.example.net", a(AT)), True),
    (message("example.net", a(AT)), False),
    (message("notexample.net", a(AT)), False),
    (message("deep.example.net", a(AT)), True),
    (message("pypi.org", record(b"\xc0\x0c", CNAME, name("cdn.example")), a(AT, name("cdn.example"))), True),
    (message("evil.example", record(b"\xc0\x0c", CNAME, name("pypi.org")), a(AT, name("pypi.org"))), False),
    (message("evil.example", a(AT), record(b"\xc0\x0c", CNAME, name("pypi.org"))), False),
    (message("pypi.org", a(AT), questions=2), False),
    (message("pypi.org", a("127.0.0.1")), False),
])
def test_addresses_of_listed_names_are_learned(dns, answer, learned):
    world = dns.world
    lists(world, (LIST, "pypi.org", 443, TCP), (LIST, "*.example.net", 443, TCP), (LIST, "deep.example.net", 80, TCP))
    dns.ask(answer, cgroup=world.agent)
    assert arrives(world, lambda: world.tcp(AT, cgroup=world.agent))[0] == learned
    assert arrives(world, lambda: world.tcp(AT, 8443, cgroup=world.agent)) == (False, ECONNREFUSED)
    assert arrives(world, lambda: world.attempt(2, 2, UDP, AT, 443, cgroup=world.agent)) == (False, ECONNREFUSED)


def test_governed_and_allowed_are_learned_side_by_side(dns):
    world = dns.world
    world.d.ok("names api.openai.com")
    lists(world, (LIST, "*.openai.com", 0, 0), (LIST, "pypi.org", 0, 0))
    dns.ask(message("api.openai.com", a(AT)), cgroup=world.agent)
    flow, _ = redirected(world, 2, AT, cgroup=world.agent)  # governed wins over allowed
    assert flow["provider"] == 7
    for i in range(12):
        dns.ask(message("pypi.org", *[a(f"10.{i}.{k}.1") for k in range(60)]), cgroup=world.agent)
    assert dns.learned(world.agent) == [AT]
    assert len(world.d.ok(f"allowed {world.agent}")["addrs"]) > 200


def refused_as(world, addr=AT, cgroup=None):
    """The name that the event of a refused connection has."""
    assert world.tcp(addr, cgroup=cgroup or world.agent) == ECONNREFUSED
    return world.d.events()[-1]["name"]


def test_a_refusal_says_what_dns_called_the_address(dns):
    world = dns.world
    alias = [record(b"\xc0\x0c", CNAME, name("cdn.example.net")), a(AT, name("cdn.example.net"))]
    dns.ask(message("Files.Example.org", *alias), cgroup=world.agent)
    dns.ask(message("six.example.org", a(AT6)), cgroup=world.agent)
    assert refused_as(world) == "files.example.org"
    assert refused_as(world, AT6) == "six.example.org"
    assert refused_as(world, FREE) == ""


def test_a_cgroup_is_told_its_own_names_only(dns):
    world = dns.world
    child = world.agent / "child"
    child.mkdir()
    dns.ask(message("theirs.example.org", a(AT)), cgroup=child)
    assert refused_as(world) == ""
    dns.ask(message("long.example.org", a(AT)), cgroup=world.agent)
    dns.ask(message("s.org", a(AT6)), cgroup=world.agent)  # nothing of the longer one is left behind it
    assert refused_as(world, AT6) == "s.org"
    dns.ask(message(".".join(["y" * 60] * 3), a(AT)), cgroup=world.agent)  # too long to be shown
    assert refused_as(world) == "long.example.org"
    assert refused_as(world, cgroup=child) == "theirs.example.org"


def test_a_cgroup_learns_for_itself(dns):
    world = dns.world
    lists(world, (LIST, "pypi.org", 0, 0))
    child = world.agent / "child"
    child.mkdir()
    dns.ask(message("pypi.org", a(AT)), cgroup=child)
    assert arrives(world, lambda: world.tcp(AT, cgroup=world.agent)) == (False, ECONNREFUSED)
    assert arrives(world, lambda: world.tcp(AT, cgroup=child))[0]
    assert world.d.ok(f"allowed {world.load}")["addrs"] == []


def test_who_owns_a_namespace_cannot_answer_for_others(dns):
    """A workload is root of a namespace of its own, gives it the resolver's address and answers itself."""
    world = dns.world
    lists(world, (LIST, "pypi.org", 0, 0))
    forged = message("pypi.org", a(AT))
    code = f"""if True:
        import socket, subprocess
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "addr", "add", "{RESOLVER}/32", "dev", "lo"], check=True)
        u = socket.socket(2, 2); u.bind(("{RESOLVER}", 53))
        s = socket.socket(2, 2); s.bind(("127.0.0.1", 0)); s.connect(("{RESOLVER}", 53)); s.send(b"q")
        _, peer = u.recvfrom(99); u.sendto({forged!r}, peer); print(len(s.recv(999)))"""
    out = world.client(f"""
        import subprocess
        print(subprocess.check_output(["unshare", "-Urn", sys.executable, "-c", {code!r}], text=True))
        """, cgroup=world.agent, uid=1234)
    assert int(out) == len(forged)
    assert world.d.ok(f"allowed {world.agent}")["addrs"] == ["::ffff:" + AT]  # for that namespace
    assert arrives(world, lambda: world.tcp(AT, cgroup=world.agent)) == (False, ECONNREFUSED)


def test_answers_of_strangers_teach_nothing(dns):
    world = dns.world
    lists(world, (LIST, "pypi.org", 0, 0), (LIST, STRANGER, 53, UDP))
    dns.ask(message("pypi.org", a(AT)), of=STRANGER, cgroup=world.agent)
    assert world.d.ok(f"allowed {world.agent}")["addrs"] == []


def test_a_rule_that_leaves_the_policy_takes_its_addresses_along(dns):
    world = dns.world
    lists(world, (LIST, "pypi.org", 443, TCP), (LIST, "npmjs.org", 443, TCP))
    dns.ask(message("pypi.org", a(AT)), cgroup=world.agent)
    lists(world, (LIST, "pypi.org", 443, TCP))  # others come and go
    assert arrives(world, lambda: world.tcp(AT, cgroup=world.agent))[0]
    lists(world, (LIST, "npmjs.org", 443, TCP))
    assert arrives(world, lambda: world.tcp(AT, cgroup=world.agent)) == (False, ECONNREFUSED)
    lists(world, (LIST, "pypi.org", 80, TCP))
    assert arrives(world, lambda: world.tcp(AT, cgroup=world.agent)) == (False, ECONNREFUSED)
    assert arrives(world, lambda: world.tcp(AT, 80, cgroup=world.agent))[0]


def test_a_connection_outlives_its_place_in_the_table(dns):
    """Many answers push an address out; what was connected by it goes on, what is new is refused."""
    world = dns.world
    lists(world, (LIST, "pypi.org", 443, TCP))
    far = world.start(f"""
        l = socket.create_server(("{AT}", 443)); print("up", flush=True); c, _ = l.accept()
        while True:
            d = c.recv(9)
            if not d: break
            c.sendall(d)""", ns=world.far, cgroup=world.outside)
    assert far.stdout.readline() == "up\n"
    dns.ask(message("pypi.org", a(AT)), cgroup=world.agent)
    p = world.start(f"""
        s = socket.create_connection(("{AT}", 443)); s.settimeout(5)
        for line in sys.stdin:
            try: s.sendall(b"x"); print(s.recv(1), flush=True)
            except OSError as e: print(type(e).__name__, flush=True)""", cgroup=world.agent)

    def exchange():
        p.stdin.write("go\n")
        p.stdin.flush()
        return p.stdout.readline().strip()
    assert exchange() == "b'x'"
    for i in range(20):
        dns.ask(message("pypi.org", *[a(f"10.{i}.{k}.1") for k in range(60)]), cgroup=world.agent)
    assert "::ffff:" + AT not in world.d.ok(f"allowed {world.agent}")["addrs"]
    assert exchange() == "b'x'"
    assert world.tcp(AT, cgroup=world.agent) == ECONNREFUSED
    lists(world)
    assert arrives(world, lambda: exchange() == "TimeoutError") == (False, True)
    p.communicate()
    far.kill()
    far.wait()


# ---- whose mode ----

MOVE = "open('{}/cgroup.procs', 'w').write('0'); "


@pytest.mark.parametrize("born, moves", [("agent", "load"), ("load", "agent")])
def test_moving_does_not_shake_a_mode_off(denied, born, moves):
    """A socket of the one cgroup, used in the other: the stricter of both holds."""
    born, moves = getattr(denied, born), getattr(denied, moves)
    send = MOVE.format(moves) + f's.connect(("{AT}", 443))'
    act = lambda: denied.attempt(2, 1, TCP, "", 0, send, cgroup=born)  # noqa: E731
    assert arrives(denied, act) == (False, ECONNREFUSED)
    udp = MOVE.format(moves) + f's.sendto(b"x", ("{AT}", 443))'
    act = lambda: denied.attempt(2, 2, UDP, "", 0, udp, cgroup=born)  # noqa: E731
    assert arrives(denied, act) == (False, ECONNREFUSED)


@pytest.mark.parametrize("first, second, passes", [
    (LIST, LIST, True), (LIST, OTHER_LIST, False), (OTHER_LIST, LIST, False), (LIST, 0, False), (0, LIST, False)])
def test_two_lists_must_both_allow(denied, first, second, passes):
    lists(denied, (LIST, AT, 443, TCP), (OTHER_LIST, FREE, 443, TCP))
    other = denied.cgroup / "other"
    other.mkdir()
    mode(denied, denied.agent, egress=DENY, number=first)
    mode(denied, other, egress=DENY, number=second)
    send = MOVE.format(other) + f's.connect(("{AT}", 443))'
    act = lambda: denied.attempt(2, 1, TCP, "", 0, send, cgroup=denied.agent)  # noqa: E731
    assert arrives(denied, act)[0] == passes


def test_children_have_it_from_their_first_instruction_on(denied):
    child = denied.agent / "a"
    for part in "bcdefgh":
        child.mkdir()
        assert arrives(denied, lambda c=child: denied.tcp(AT, cgroup=c)) == (False, ECONNREFUSED), child
        child = child / part


def test_the_nearest_mode_wins(denied):
    free, held = denied.agent / "free", denied.agent / "free/held"
    held.mkdir(parents=True)
    mode(denied, free)
    assert arrives(denied, lambda: denied.tcp(AT, cgroup=free))[0]
    assert arrives(denied, lambda: denied.tcp(AT, cgroup=held))[0]
    mode(denied, held, egress=DENY, number=OTHER_LIST)
    assert arrives(denied, lambda: denied.tcp(AT, cgroup=held)) == (False, ECONNREFUSED)
    denied.d.ok(f"mode {free}")
    denied.d.ok(f"mode {held}")
    assert arrives(denied, lambda: denied.tcp(AT, cgroup=free)) == (False, ECONNREFUSED)


def test_nesting_deeper_than_we_look_gains_nothing(denied):
    """90 levels down the mode above cannot be seen any more: refused, whatever it was."""
    for base, passes in ((denied.load, True), (denied.agent, False)):
        deep = base / "x"
        deep.mkdir()
        assert arrives(denied, lambda d=deep: denied.tcp(AT, cgroup=d))[0] == passes
        made = [deep]
        for _ in range(90):
            deep = deep / "x"
            deep.mkdir()
            made.append(deep)
        assert arrives(denied, lambda d=deep: denied.tcp(AT, cgroup=d)) == (False, ECONNREFUSED)
        for path in reversed(made):
            path.rmdir()


def test_a_removed_cgroups_sockets_keep_its_mode(denied):
    """Moved out, its cgroup removed, the socket still speaks for it."""
    child = denied.agent / "gone"
    child.mkdir()
    p = denied.start(f"""
        s = socket.socket(2, 2); open("{denied.load}/cgroup.procs", "w").write("0"); print("moved", flush=True)
        sys.stdin.readline()
        try: s.sendto(b"x", ("{AT}", 443)); print(0)
        except OSError as e: print(e.errno)""", cgroup=child)
    assert p.stdout.readline() == "moved\n"
    child.rmdir()
    assert arrives(denied, lambda: p.communicate("go\n")[0]) == (False, f"{ECONNREFUSED}\n")


# ---- the gate ----

def test_sockets_older_than_the_mode_send_nothing(tmp_path):
    """TCP, UDP, UDP-Lite and raw sockets, made before: the gate alone can stop these."""
    with HookWorld(tmp_path) as world:
        d = world.d = world.drivers[0]
        far = world.start(f"""
            l = socket.create_server(("{AT}", 443)); print("up", flush=True); sys.stdin.read()""",
                          ns=world.far, cgroup=world.outside)
        assert far.stdout.readline() == "up\n"
        agent = world.cgroup / "agent"
        agent.mkdir()
        p = world.start(f"""
            tcp = socket.socket(); tcp.connect(("{AT}", 443))
            udp = socket.socket(2, 2); udp.connect(("{AT}", 443))
            lite = socket.socket(2, 2, 136); raw = socket.socket(2, 3, 255); raw6 = socket.socket(10, 3, 200)
            print("ready", flush=True)
            def errno_of(f, *a):
                try: f(*a); return 0
                except OSError as e: return e.errno
            ip = bytes([0x45,0,0,24, 0,0,0,0, 64,17,0,0, 192,0,2,2]) + socket.inet_aton("{AT}")
            part = bytes([0x45,0,0,28, 0,7,0,1, 64,17,0,0, 192,0,2,2]) + socket.inet_aton("{AT}")
            for line in sys.stdin:
                lite.connect(("{AT}", 443))
                print(json.dumps([errno_of(tcp.send, b"x") in (0, 1), errno_of(udp.send, b"x"), errno_of(lite.send, b"x"),
                    errno_of(raw.sendto, ip + b"data", ("{AT}", 0)),
                    errno_of(raw.sendto, part + bytes([0, 0, 1, 187]) + b"data", ("{AT}", 0)),
                    errno_of(raw6.sendto, b"x", ("{AT6}", 0))]), flush=True)""", cgroup=agent)
        assert p.stdout.readline() == "ready\n"
        d.ok("attach")
        d.ok("switch 1")
        mode(world, agent, egress=DENY, number=LIST)

        def send():
            p.stdin.write("go\n")
            p.stdin.flush()
            return json.loads(p.stdout.readline())
        assert arrives(world, send) == (False, [True] + [EPERM] * 5)
        assert {e["reason"] for e in d.events()} == {"k_egress_denied"}
        # A fragment cannot show its port: it does not pass for the one that it pretends to have.
        lists(world, (LIST, AT, 443, UDP))
        assert send()[1:] == [0, EPERM, EPERM, EPERM, EPERM]
        p.communicate()
        far.communicate("")


def test_a_denied_server_still_answers_who_connects_to_it(denied):
    p = denied.start(f"""
        l = socket.create_server(("192.0.2.2", 8080)); print("up", flush=True)
        c, peer = l.accept(); c.sendall(c.recv(9))
        out = []
        for how in ("new", "same"):
            s = socket.socket() if how == "new" else c
            try:
                if how == "same":  # what the peer opened does not open another way
                    import ctypes
                    ctypes.CDLL(None).connect(c.fileno(), bytes(16), 16)
                s.connect((peer[0], 443)); out.append(0)
            except OSError as e: out.append(e.errno)
        print(out)""", cgroup=denied.agent)
    assert p.stdout.readline() == "up\n"
    assert denied.client("""
        s = socket.create_connection(("192.0.2.2", 8080)); s.sendall(b"hello"); print(s.recv(9))""",
                         ns=denied.far, cgroup=denied.outside) == "b'hello'"
    assert p.communicate()[0] == f"[{ECONNREFUSED}, {ECONNREFUSED}]\n"


def test_neighbours_are_still_found(denied):
    """The kernel's own packets: a namespace that a denied workload made must still work."""
    lists(denied, (LIST, FREE6, 443, TCP))
    sh("ip", "-n", denied.work, "neigh", "flush", "dev", "w0")
    far = denied.start(f"""
        l = socket.create_server(("{FREE6}", 443), family=10); print("up", flush=True); l.accept()""",
                       ns=denied.far, cgroup=denied.outside)
    assert far.stdout.readline() == "up\n"
    assert denied.tcp(FREE6, cgroup=denied.agent) == 0
    far.communicate()


# ---- capture ----

@pytest.mark.parametrize("capture, port, taken", [(TLS, 443, True), (TLS, 80, False), (ALL, 443, True), (ALL, 22, True)])
@pytest.mark.parametrize("family, addr", [(2, AT), (10, AT6), (10, "::ffff:" + AT), (10, "64:ff9b::" + AT)])
def test_captured_connections_carry_a_record_without_provider(world, capture, port, taken, family, addr):
    mode(world, world.agent, capture=capture)
    if taken:
        flow, me = redirected(world, family, addr, port=port, cgroup=world.agent)
        assert (flow["provider"], flow["dport"], me["peer"][1]) == (0, port, port)
        assert world.leaks() == []
    else:
        assert arrives(world, lambda: world.tcp(addr, port, cgroup=world.agent))[0] == (not addr.startswith("64"))


@pytest.mark.parametrize("capture", [TLS, ALL])
def test_quic_cannot_go_around_capture(world, capture):
    mode(world, world.agent, capture=capture)
    udp = lambda port, send=None: world.attempt(2, 2, UDP, AT, port, send, cgroup=world.agent)  # noqa: E731
    assert arrives(world, lambda: udp(443)) == (False, ECONNREFUSED)
    assert arrives(world, lambda: udp(443, f's.sendto(b"x", ("{AT}", 443))')) == (False, ECONNREFUSED)
    assert arrives(world, lambda: udp(444, f's.sendto(b"x", ("{AT}", 444))')) == (True, 0)
    assert "k_quic" in {e["reason"] for e in world.d.events()}


def test_loopback_and_link_local_are_not_captured(world):
    mode(world, world.agent, capture=ALL)
    out = world.client("""
        l = socket.create_server(("127.0.0.1", 0)); s = socket.create_connection(l.getsockname()); print(s.getpeername()[1] == l.getsockname()[1])
        """, cgroup=world.agent)
    assert out == "True"
    sh("ip", "-n", world.far, "addr", "add", "169.254.7.7/32", "dev", "p0")
    sh("ip", "-n", world.work, "route", "add", "169.254.7.7", "via", "192.0.2.1")
    assert world.tcp("169.254.7.7", 80, cgroup=world.agent) == ECONNREFUSED  # the far side's own word
    assert world.d.events() == []
    world.d.ok("counts")


def test_capture_follows_the_stricter_of_both_cgroups(world):
    mode(world, world.agent, capture=ALL)
    flow, _ = redirected(world, 2, AT, port=80, setup=MOVE.format(world.load), cgroup=world.agent)
    assert flow["provider"] == 0 and flow["flags"] & 2
    flow, _ = redirected(world, 2, AT, port=80, setup=MOVE.format(world.agent), cgroup=world.load)
    assert flow["provider"] == 0


def test_without_the_daemon_what_is_captured_is_refused(world):
    mode(world, world.agent, capture=ALL, egress=DENY, number=LIST)
    lists(world, (LIST, AT, 80, TCP))
    redirected(world, 2, AT, port=80, cgroup=world.agent)
    world.d.kill()
    for port in (80, 443):
        assert arrives(world, lambda p=port: world.tcp(AT, p, cgroup=world.agent)) == (False, ECONNREFUSED)
    world.d = world.driver()  # and the modes are still there
    world.d.ok("attach")
    world.d.ok("listen 2 1")
    assert redirected(world, 2, AT, port=80, cgroup=world.agent)[0]["provider"] == 0
    assert world.tcp(AT, 443, cgroup=world.agent) == ECONNREFUSED


def test_denied_comes_before_captured(world):
    mode(world, world.agent, capture=ALL, egress=DENY, number=LIST)
    assert arrives(world, lambda: world.tcp(AT, cgroup=world.agent)) == (False, ECONNREFUSED)
    assert {e["reason"] for e in world.d.events()} == {"k_egress_denied"}


def test_egrets_own_sockets_are_in_no_mode(world):
    mode(world, world.cgroup, capture=ALL, egress=DENY, number=LIST)
    lists(world, (LIST, FREE, 9, UDP))  # the counter's marker
    assert arrives(world, lambda: world.d.do(f"dial 1 {AT} 443")["r"])[0]
    assert world.d.do(f"dial 0 {AT} 443")["r"] == -ECONNREFUSED
