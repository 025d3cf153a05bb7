# SPDX-License-Identifier: Apache-2.0
"""The BPF hooks against real sockets: redirects, refusals, records, life cycle. See lib.hookworld."""
import ctypes
import json
import os
import socket

import pytest

from lib.hookworld import CATALOGUE, FREE, FREE6, GOVERNED, GOVERNED6, HOOKS, RESOLVED, HookWorld, redirected
from lib.system import NO_ITERATORS, ROOT, lacking, sh

ECONNREFUSED, ECONNABORTED, EACCES, EPERM, EPROTONOSUPPORT, ENETUNREACH = 111, 103, 13, 1, 93, 101
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def world(tmp_path):
    with HookWorld(tmp_path) as w:
        yield w


@pytest.fixture
def egret(world):
    return world.enforce()


@pytest.mark.parametrize("family, addr, dst", [
    (2, GOVERNED, "::ffff:" + GOVERNED),
    (10, GOVERNED6, GOVERNED6),
    (10, "::ffff:" + GOVERNED, "::ffff:" + GOVERNED),
    (10, "64:ff9b::" + GOVERNED, "::ffff:" + GOVERNED),
    (10, "2002:cb00:710a::1", "::ffff:" + GOVERNED),
    (10, "::" + GOVERNED, "::ffff:" + GOVERNED),
])
def test_a_redirect_carries_the_right_record(egret, family, addr, dst):
    flow, me = redirected(egret, family, addr, uid=1234)
    assert (flow["tgid"], flow["tid"], flow["uid"]) == (me["pid"], me["pid"], 1234)
    assert flow["start_ns"] // (10**9 // os.sysconf("SC_CLK_TCK")) == me["ticks"]
    assert flow["exe_ino"] == me["ino"]
    assert (flow["exe_dev"] >> 20, flow["exe_dev"] & 0xfffff) == (os.major(me["dev"]), os.minor(me["dev"]))
    assert flow["cgroup"] == flow["sk_cgroup"] == egret.load.stat().st_ino
    assert flow["ancestor"][:2] == [egret.cgroup.stat().st_ino, egret.load.stat().st_ino]
    assert flow["netns"] == me["netns"]
    assert socket.inet_pton(10, flow["dst"]) == socket.inet_pton(10, dst)
    assert (flow["dport"], flow["provider"], flow["family"]) == (443, 7, family)
    assert egret.leaks() == []


@pytest.mark.parametrize("family, addr", [(2, GOVERNED), (10, GOVERNED6), (10, "::ffff:" + GOVERNED),
                                          (10, "64:ff9b::" + GOVERNED)])
def test_the_client_sees_whom_it_asked_for(egret, family, addr):
    _, me = redirected(egret, family, addr)
    asked = socket.inet_pton(family, addr)
    assert socket.inet_pton(family, me["peer"][0]) == asked and me["peer"][1] == 443


@pytest.mark.parametrize("addr", [GOVERNED, GOVERNED6, "::ffff:" + GOVERNED, "64:ff9b::" + GOVERNED])
@pytest.mark.parametrize("port", [80, 8443, 22])
def test_other_ports_are_refused(egret, addr, port):
    assert egret.tcp(addr, port) == ECONNREFUSED
    assert [e["reason"] for e in egret.d.events()] == ["k_port"]
    assert egret.leaks() == []


@pytest.mark.parametrize("family, addr, send", [
    (2, GOVERNED, None),
    (10, GOVERNED6, None),
    (2, GOVERNED, f's.sendto(b"x", ("{GOVERNED}", 443))'),
    (10, GOVERNED6, f's.sendto(b"x", ("{GOVERNED6}", 443))'),
    (10, GOVERNED, f's.sendto(b"x", ("::ffff:{GOVERNED}", 443))'),
    (2, GOVERNED, f's.sendmsg([b"x"], [], 0, ("{GOVERNED}", 53))'),
])
def test_udp_is_refused(egret, family, addr, send):
    assert egret.attempt(family, 2, 17, addr, 443, send) == ECONNREFUSED
    assert egret.leaks() == []


@pytest.mark.parametrize("kind, proto", [(3, 1), (3, 255), (3, 6), (1, 262), (2, 136), (3, 17)])
@pytest.mark.parametrize("family", [2, 10])
def test_other_socket_types_are_refused(egret, family, kind, proto):
    assert egret.attempt(family, kind, proto, "", 0, "pass") == EPROTONOSUPPORT
    assert egret.d.counts()["sock_create.k_protocol"] >= 1


def test_what_is_not_governed_passes(egret):
    assert egret.tcp(FREE, 443) == 0
    assert egret.attempt(2, 2, 17, FREE, 9) == 0
    assert egret.attempt(1, 1, 0, "", 0, "pass") == 0  # AF_UNIX
    counts = egret.d.counts()
    assert not [k for k in counts if k.startswith(("connect4", "sendmsg4", "egress"))], counts


@pytest.mark.parametrize("family, addr", [(2, "127.0.0.1"), (2, "127.9.9.9"), (2, "0.0.0.0"),
                                          (10, "::1"), (10, "::"), (10, "::ffff:127.0.0.1")])
def test_straight_to_the_listener_is_refused(egret, family, addr):
    assert egret.attempt(family, 1, 6, addr, 15001) == ECONNREFUSED
    assert [e["reason"] for e in egret.d.events()] == ["k_proxy_port"]


@pytest.mark.parametrize("family, addr", [(2, "127.0.0.1"), (2, "0.0.0.0"), (10, "::1"), (10, "::")])
@pytest.mark.parametrize("ns", ["work", "other"])
def test_nobody_binds_the_proxy_port(egret, family, addr, ns):
    assert egret.attempt(family, 1, 6, addr, 0, f's.bind(("{addr}", 15001))',
                         ns=getattr(egret, ns)) == EACCES
    assert egret.attempt(family, 1, 6, addr, 0, f's.bind(("{addr}", 0))') == 0


def test_a_listener_of_the_workloads_own_is_not_taken(egret):
    """listen() without bind() takes a port of the range: no bind hook runs for it."""
    sh("ip", "-n", egret.other, "link", "set", "lo", "up")
    sh("ip", "netns", "exec", egret.other, "sysctl", "-qw", "net.ipv4.ip_local_port_range=15001 15001")
    out = egret.client(f"""
        thief = socket.socket(); thief.listen()
        assert thief.getsockname()[1] == 15001
        s = socket.socket()
        try:
            s.connect(("{GOVERNED}", 443)); print("stolen")
        except OSError as e:
            print(e.errno)""", ns=egret.other)
    assert int(out) == ECONNREFUSED
    assert [e["reason"] for e in egret.d.events()] == ["k_no_listener"]


def test_another_namespace_is_served_once_it_has_a_listener(egret):
    sh("ip", "-n", egret.other, "link", "set", "lo", "up")
    assert egret.tcp(GOVERNED, ns=egret.other) == ECONNREFUSED
    event, = egret.d.events()
    assert event["reason"] == "k_no_listener"
    egret.d.ok(f"listen 2 2 /run/netns/{egret.other}")
    flow, me = redirected(egret, 2, GOVERNED, ns=egret.other)
    assert flow["netns"] == me["netns"] == event["flow"]["netns"]


def test_a_namespace_without_a_listener_is_announced_by_its_first_sockets(egret):
    egret.d.events()
    egret.d.announced.clear()
    assert egret.attempt(2, 2, 17, "", 0, "pass", uid=1234) == 0
    assert egret.d.events() == [] and egret.d.announced == []  # the driver listens there
    sh("ip", "-n", egret.other, "link", "set", "lo", "up")
    seconds = egret.client("""
        import time
        begun = time.monotonic()
        for _ in range(200): socket.socket(10, 2).close()
        print(int(time.monotonic() - begun) + 2)""", ns=egret.other, uid=1234)
    assert egret.d.events() == []
    flows = [e["flow"] for e in egret.d.announced]
    assert 1 <= len(flows) <= 8 * int(seconds) < 200  # limited by cgroup and second
    assert {f["uid"] for f in flows} == {1234} and {f["cgroup"] for f in flows} == {egret.load.stat().st_ino}
    egret.d.ok(f"listen 2 1 /run/netns/{egret.other}")
    egret.d.events()  # that socket was one too
    egret.d.announced.clear()
    assert redirected(egret, 2, GOVERNED, ns=egret.other)[0]["netns"] == flows[0]["netns"]
    assert egret.d.events() == [] and egret.d.announced == []


def test_a_namespace_whose_loopback_is_down_is_said(egret):
    assert egret.d.do(f"listen 10 1 /run/netns/{egret.other}")["r"] == -99


def test_a_record_belongs_to_one_connect(egret):
    """AF_UNSPEC, then straight to an address that is not governed: no stale record, no redirect."""
    p = egret.start(f"""
        s = socket.socket()
        s.connect(("{GOVERNED}", 443)); assert s.recv(1) == b"E"
        import ctypes
        ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16)
        s.connect(("{FREE}", 443))
        print(s.getpeername())
        sys.stdin.read()""")
    assert egret.d.do("accept")["r"] == 0
    assert FREE in p.stdout.readline()
    inspect = egret.d.ok("inspect")
    assert [m["entries"] for m in inspect["maps"] if m["name"] == "eg_tuple"] == [0]
    assert inspect["flows"] == []  # nor where the kernel lists none
    p.communicate("")


def test_egrets_own_sockets_pass_and_only_they(egret):
    far = egret.start(f"""
        l = socket.create_server(("{GOVERNED}", 443)); print("up", flush=True); sys.stdin.read()""",
                      ns=egret.far, cgroup=egret.outside)
    assert far.stdout.readline() == "up\n"
    assert egret.d.do(f"dial 1 {GOVERNED} 443")["r"] == 0
    assert egret.leaks() != []
    assert egret.d.counts()["egress.allowed"] >= 1
    egret.d.ok(f"dial 0 {GOVERNED} 443")  # redirected to itself
    assert egret.d.do("accept")["r"] == 0
    far.communicate("")


def test_a_socket_older_than_enforcement_sends_nothing(world):
    """TCP, UDP, UDP-Lite and raw sockets made before: the gate alone can stop these."""
    d = world.drivers[0]
    d.govern(GOVERNED)
    d.govern(GOVERNED6)
    far = world.start(f"""
        l = socket.create_server(("{GOVERNED}", 443)); print("up", flush=True); sys.stdin.read()""",
                      ns=world.far, cgroup=world.outside)
    assert far.stdout.readline() == "up\n"
    p = world.start(f"""
        tcp = socket.socket(); tcp.connect(("{GOVERNED}", 443))
        udp = socket.socket(2, 2); udp.connect(("{GOVERNED}", 443))
        lite = socket.socket(2, 2, 136); raw = socket.socket(2, 3, 255); raw6 = socket.socket(10, 3, 200)
        print("ready", flush=True); sys.stdin.readline()
        def errno_of(f, *a):
            try: f(*a); return 0
            except OSError as e: return e.errno
        lite.connect(("{GOVERNED}", 443))
        ip = bytes([0x45,0,0,24, 0,0,0,0, 64,200,0,0, 192,0,2,2]) + socket.inet_aton("{GOVERNED}") + b"data"
        lsrr = bytes([0x47,0,0,32, 0,0,0,0, 64,200,0,0, 192,0,2,2]) + socket.inet_aton("{FREE}") + \\
            bytes([0x83,7,4]) + socket.inet_aton("{GOVERNED}") + b"\\0data"
        print(json.dumps([errno_of(tcp.send, b"x") in (0, 1), errno_of(udp.send, b"x"), errno_of(lite.send, b"x"),
            errno_of(raw.sendto, ip, ("{GOVERNED}", 0)), errno_of(raw.sendto, lsrr, ("{FREE}", 0)),
            errno_of(raw6.sendto, b"x", ("{GOVERNED6}", 0))]), flush=True)
        sys.stdin.read()""")
    assert p.stdout.readline() == "ready\n"
    before = len(world.leaks())
    assert before > 0  # the handshake: the counter does see such packets
    d.ok("attach")
    p.stdin.write("go\n")
    p.stdin.flush()
    assert json.loads(p.stdout.readline()) == [True] + [EPERM] * 5
    assert len(world.leaks()) == before
    assert {e["reason"] for e in d.events()} == {"k_packet"}
    p.communicate("")
    far.communicate("")


def test_connections_older_than_enforcement_are_ended_and_no_others(world):
    d = world.drivers[0]
    far = world.start(f"""
        ls = [socket.create_server((a, 443), family=10 if ":" in a else 2)
              for a in ("{GOVERNED}", "{GOVERNED6}", "{FREE6}")]
        print("up", flush=True); sys.stdin.read()""", ns=world.far, cgroup=world.outside)
    assert far.stdout.readline() == "up\n"
    code = f"""
        import select
        def to(family, kind, addr):
            s = socket.socket(family, kind); s.connect((addr, 443)); return s
        governed = [to(2, 1, "{GOVERNED}"), to(10, 1, "{GOVERNED6}"), to(10, 1, "::ffff:{GOVERNED}"),
                    to(2, 2, "{GOVERNED}"), to(10, 2, "{GOVERNED6}")]
        free = [to(2, 1, "{FREE}"), to(10, 1, "{FREE6}"), to(2, 2, "{FREE}")]
        print("ready", flush=True); sys.stdin.readline()
        def error(s): return s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        print(json.dumps([[error(s) for s in governed], [error(s) for s in free]]), flush=True)
        sys.stdin.read()"""
    inside, below, outside = world.start(code), world.start(code, cgroup=world.cgroup), \
        world.start(code, cgroup=world.outside)
    for p in (inside, below, outside):
        assert p.stdout.readline() == "ready\n"
    d.ok(f"dial 1 {GOVERNED} 443")
    d.govern(GOVERNED)
    d.govern(GOVERNED6)
    d.ok("attach")
    assert d.ok("sweep")["destroyed"] == 10
    ended = {}
    for name, p in (("inside", inside), ("below", below), ("outside", outside)):
        ended[name], _ = p.communicate("go\n", timeout=10)
    for name in ("inside", "below"):
        assert json.loads(ended[name]) == [[ECONNABORTED] * 5, [0] * 3], name
    assert json.loads(ended["outside"]) == [[0] * 5, [0] * 3]
    d.ok("held")  # egret's own
    assert d.ok("sweep")["destroyed"] == 0
    far.communicate("")


def test_a_ping_socket_cannot_reach_it_either(egret):
    echo = r's.sendto(b"\x08\0\0\0\0\0\0\1x", ("%s", 0))'
    assert egret.attempt(2, 2, 1, "", 0, echo % GOVERNED) == EPERM
    assert egret.attempt(2, 2, 1, "", 0, echo % FREE) == 0
    assert egret.attempt(2, 2, 1, GOVERNED, 0) == EPROTONOSUPPORT
    assert egret.leaks() == []


@pytest.mark.parametrize("family, level, option, value, errno", [
    (2, 0, 4, "b'\\x83\\x07\\x04' + socket.inet_aton('%s') + b'\\0'" % GOVERNED, EPERM),
    (2, 0, 4, "b'\\x01\\x89\\x07\\x04' + socket.inet_aton('%s')" % GOVERNED, EPERM),
    (2, 0, 4, "b'\\x94\\x04\\0\\0'", 0),
    (2, 0, 4, "b''", 0),
    (10, 41, 57, "bytes([0, 2, 4, 1] + [0] * 20)", EPERM),
    (10, 41, 5, "bytes([0, 2, 4, 1] + [0] * 20)", EPERM),
    (2, 1, 2, "1", 0),
])
def test_source_routes_cannot_be_set(egret, family, level, option, value, errno):
    assert egret.attempt(family, 1, 6, "", 0, f"s.setsockopt({level}, {option}, {value})") == errno


def test_a_source_route_in_ancillary_data_is_dropped(egret):
    send = f"""s.sendmsg([b"x"], [(0, 7, b"\\x83\\x07\\x04" + socket.inet_aton("{GOVERNED}") + b"\\0")], 0, ("{FREE}", 9))"""
    assert egret.attempt(2, 2, 17, "", 0, send) == EPERM
    assert egret.leaks() == []


def test_a_socket_bound_to_a_device(egret):
    setup = 's.setsockopt(1, 25, b"w0")'
    flow, _ = redirected(egret, 2, GOVERNED, setup=setup)
    assert flow["dport"] == 443


def test_a_socket_from_outside_is_shown_as_such(egret):
    """Made by a process in another cgroup below ours, used here: both cgroups are in the record."""
    maker = egret.cgroup / "maker"
    maker.mkdir()
    flow, _ = redirected(egret, 2, GOVERNED,
                         setup=f"open('{egret.load}/cgroup.procs', 'w').write('0')", cgroup=maker)
    assert flow["sk_cgroup"] == maker.stat().st_ino
    assert flow["cgroup"] == egret.load.stat().st_ino
    assert flow["flags"] & 2


def test_without_the_daemon_everything_is_refused_and_a_new_one_adopts(egret):
    egret.d.kill()
    for addr in (GOVERNED, GOVERNED6, "::ffff:" + GOVERNED):
        assert egret.tcp(addr) == ECONNREFUSED
    assert egret.attempt(2, 2, 17, GOVERNED, 443) == ECONNREFUSED
    assert egret.leaks() == []

    dead = json.loads(sh(str(HOOKS), "inspect", str(egret.pins), str(egret.cgroup)))
    assert all(p["attached"] for p in dead["progs"]) and all(h["attached"] for h in dead["hooks"])
    assert len(dead["endpoints"]) == 2 and dead["r"] == 0

    egret.d = egret.driver()
    assert egret.d.hello == {"r": 0, "adopted": True, "error": ""}
    assert egret.tcp(GOVERNED) == ECONNREFUSED  # adopted, no listener yet
    egret.d.ok("attach")
    egret.d.ok("listen 2 1")
    redirected(egret, 2, GOVERNED)
    hooks = egret.d.ok("inspect")["hooks"]
    assert all(h["attached"] and h["rivals"] == [] for h in hooks)


def test_an_update_in_place_never_opens_a_gap(egret):
    """Connections are made without pause while a second generation takes over."""
    p = egret.start(f"""
        print("go", flush=True)
        bad = []
        for i in range(3000):
            s = socket.socket()
            try: s.connect(("{GOVERNED}", 8443)); bad.append(0)
            except OSError as e:
                if e.errno != {ECONNREFUSED}: bad.append(e.errno)
            s.close()
        print(bad)""")
    assert p.stdout.readline() == "go\n"
    for _ in range(3):
        egret.d.kill()
        egret.d = egret.driver()
        egret.d.ok("attach")
    out, _ = p.communicate(timeout=60)
    assert out.strip() == "[]"
    assert egret.leaks() == []


def test_one_instance_only(egret):
    second = egret.driver()
    assert second.hello["r"] == -16 and "another egretd" in second.hello["error"]


def test_pins_of_another_version_are_refused(egret):
    egret.d.close()
    (egret.pins / "v999").mkdir()
    assert egret.driver().hello["r"] == -71
    (egret.pins / "v999").rmdir()


def test_release_takes_everything_away(egret):
    egret.d.ok("release")
    assert [p.name for p in egret.pins.iterdir() if not p.name.endswith(".debug")] == []
    hooks = egret.d.ok("inspect")["hooks"]
    assert not any(h["attached"] or h["rivals"] for h in hooks)
    assert egret.tcp(GOVERNED) != 0  # nobody listens there; but the packet left
    assert egret.leaks() != []


def test_a_rival_on_the_same_hook_is_named(egret):
    before = egret.d.ok("inspect")["hooks"]
    assert all(h["rivals"] == [] for h in before)
    out = sh(str(HOOKS), "inspect", str(egret.pins), str(egret.load))
    assert all(h["attached"] for h in json.loads(out)["hooks"])  # effective below, too
    out = sh(str(HOOKS), "inspect", str(egret.pins), str(egret.outside))
    assert not any(h["attached"] for h in json.loads(out)["hooks"])


def test_root_of_a_user_namespace_cannot_reach_the_pins(egret):
    code = f"""
        import subprocess
        r = subprocess.run(["unshare", "-Ur", "ls", "{egret.pins}/v1"], capture_output=True, text=True)
        print(r.returncode, r.stderr)"""
    assert "Permission denied" in egret.client(code)


def test_maps_are_not_pinned(egret):
    names = {p.name for p in (egret.pins / "v1").iterdir() if not p.is_symlink()}
    assert len(names) == 13
    assert all(n.startswith("eg_") for n in names)
    assert not names & {"eg_stamp", "eg_cflow", "eg_aflow", "eg_endpoint", "eg_tuple", "eg_count"}


def test_a_worker_without_privilege_reads_the_record(egret):
    """As the worker does: another uid, no capability, fd inherited; writing is refused."""
    answer = egret.d
    p = egret.start(f"""
        s = socket.socket(); s.connect(("{GOVERNED}", 443)); print(s.recv(1))""")
    answer.send("accept_unprivileged")
    got = answer.answer()
    p.communicate(timeout=30)
    assert got == {"r": 0, "tgid_ok": True, "write": -EPERM, "foreign": -2}, got


def test_events_are_limited_by_cgroup_and_counters_are_not(egret):
    egret.client(f"""
        for i in range(100):
            try: socket.create_connection(("{GOVERNED}", 8443))
            except OSError: pass""")
    other = egret.cgroup / "other"
    other.mkdir()
    egret.tcp(GOVERNED, 8443, cgroup=other)
    counts, events = egret.d.counts(), egret.d.events()
    assert counts["connect4.k_port"] == 101
    assert counts["limited"] + len(events) == 101 and counts["limited"] > 0
    assert other.stat().st_ino in {e["flow"]["cgroup"] for e in events}


def test_catalogue_entries_outlast_resolved_ones(egret):
    egret.d.govern(GOVERNED, source=RESOLVED)
    egret.d.govern(FREE, source=RESOLVED)
    assert egret.tcp(FREE, 80) == ECONNREFUSED
    egret.d.ok("expire")
    assert egret.tcp(FREE, 443) == 0
    assert egret.tcp(GOVERNED, 80) == ECONNREFUSED
    sources = {e["addr"]: e["source"] for e in egret.d.ok("inspect")["endpoints"]}
    assert sources == {"::ffff:" + GOVERNED: CATALOGUE, GOVERNED6: CATALOGUE}


def test_live_flows_are_listed(egret):
    p = egret.start(f"""
        s = socket.socket(); s.connect(("{GOVERNED}", 443)); s.recv(1)
        print(os.getpid(), flush=True); sys.stdin.read()""")
    egret.d.do("accept")
    pid = int(p.stdout.readline())
    egret.d.kill()
    out = json.loads(sh(str(HOOKS), "inspect", str(egret.pins), str(egret.cgroup)))
    p.communicate("")
    if not out["iterates"]:
        lacking("iter", NO_ITERATORS)
    assert [f["tgid"] for f in out["flows"]] == [pid]


def test_programs_do_not_grow_unnoticed(egret):
    """More than a fifth over what is recorded needs a reason and a new record."""
    golden = dict(line.split() for line in (ROOT / "tests/bpf/insns.golden").read_text().splitlines()
                  if not line.startswith("#"))
    now = {p["name"]: p["insns"] for p in egret.d.ok("inspect")["progs"]}
    assert now.keys() == golden.keys()
    grown = {n: (i, golden[n]) for n, i in now.items() if i > int(golden[n]) * 1.2}
    assert not grown
