# SPDX-License-Identifier: Apache-2.0
"""The BPF hooks against real sockets, in network namespaces and cgroups made for the test.

`work` (workload and monitor) --veth-- `far` (the internet: 203.0.113.10 and 2001:db8:1::10 are
governed, .99 and ::99 are not). What proves that nothing leaked is a packet counter in `far`.
"""
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOOKS = ROOT / "build/tests/lib/hooks"
OWNER = "65123"  # of the bpffs: any uid that nobody uses
GOVERNED, GOVERNED6, FREE, FREE6 = "203.0.113.10", "2001:db8:1::10", "203.0.113.99", "2001:db8:1::99"
CATALOGUE, RESOLVED = 1, 2
ECONNREFUSED, ECONNABORTED, EACCES, EPERM, EPROTONOSUPPORT, ENETUNREACH = 111, 103, 13, 1, 93, 101
LIBC = ctypes.CDLL(None, use_errno=True)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="attaching BPF needs root")


def sh(*args, **kw):
    return subprocess.run(args, check=True, capture_output=True, text=True, **kw).stdout


def cgroup2():
    for line in open("/proc/self/mounts"):
        fields = line.split()
        if fields[2] == "cgroup2":
            return Path(fields[1])
    pytest.skip("no cgroup2 mount")


def kill_group(path):
    """Ends what is left in a cgroup that this test made, and waits until it is empty."""
    while True:
        pids = [int(p) for p in (path / "cgroup.procs").read_text().split()]
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitid(os.P_PID, pid, os.WEXITED)
            except (ProcessLookupError, ChildProcessError):
                pass


class Driver:
    """One process of tests/lib/hooks.c inside the attached cgroup: monitor and worker in one."""

    def __init__(self, world, mount=False):
        argv = [str(HOOKS), str(world.cgroup), str(world.pins)] + ([OWNER] if mount else [])
        self.proc = subprocess.Popen(world.inside(argv, world.cgroup), stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, bufsize=1)
        self.hello = json.loads(self.proc.stdout.readline())

    def do(self, line):
        self.send(line)
        return self.answer()

    def send(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()

    def answer(self):
        ready, _, _ = select.select([self.proc.stdout], [], [], 20)
        assert ready, "the driver does not answer"
        return json.loads(self.proc.stdout.readline())

    def ok(self, line):
        answer = self.do(line)
        assert answer["r"] == 0, (line, answer)
        return answer

    def govern(self, addr, bits=128, source=CATALOGUE):
        self.ok(f"endpoint {'::ffff:' + addr if ':' not in addr else addr} {bits} {source}")

    def counts(self):
        return self.ok("counts")

    def events(self):
        answer = self.do("events")
        assert answer["r"] == len(answer["events"]), answer
        return answer["events"]

    def close(self):
        if self.proc.poll() is None:
            self.proc.stdin.close()
            assert self.proc.wait(20) == 0

    def kill(self):
        self.proc.kill()
        self.proc.wait()


class World:
    def __init__(self, tmp):
        tag = uuid.uuid4().hex[:6]
        self.cgroup = cgroup2() / f"egret-test-{tag}"
        self.load = self.cgroup / "load"
        self.outside = cgroup2() / f"egret-test-{tag}-out"
        self.work, self.far, self.other = (f"egret-{tag}-{n}" for n in ("work", "far", "other"))
        self.pins = tmp / "bpf"
        self.drivers = []
        self.counter = None

    def __enter__(self):
        try:
            for path in (self.cgroup, self.load, self.outside):
                path.mkdir()
            for ns in (self.work, self.far, self.other):
                sh("ip", "netns", "add", ns)
            self.wire()
            self.count_far()
            driver = Driver(self, mount=True)
            self.drivers.append(driver)
            assert driver.hello["r"] == 0, driver.hello
        except BaseException:
            self.__exit__()
            raise
        return self

    def wire(self):
        sh("ip", "link", "add", "w0", "netns", self.work, "type", "veth", "peer", "name", "p0",
           "netns", self.far)
        for ns in (self.work, self.far):
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        for ns, dev, v4, v6 in ((self.work, "w0", ["192.0.2.2/24"], ["2001:db8:1::2/64"]),
                                (self.far, "p0", ["192.0.2.1/24", GOVERNED + "/32", FREE + "/32"],
                                 [GOVERNED6 + "/64", FREE6 + "/64", "2001:db8:1::1/64"])):
            for a in v4:
                sh("ip", "-n", ns, "addr", "add", a, "dev", dev)
            for a in v6:
                sh("ip", "-n", ns, "addr", "add", a, "dev", dev, "nodad")
            sh("ip", "-n", ns, "link", "set", dev, "up")
        sh("ip", "-n", self.work, "route", "add", "default", "via", "192.0.2.1")
        sh("ip", "netns", "exec", self.work, "sysctl", "-qw", "net.ipv4.ping_group_range=0 65535")

    def count_far(self):
        """Counts packets to governed addresses as they arrive at the far side of the wire."""
        code = f"""
        import socket, sys
        s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        s.bind(("p0", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("{FREE}", 9))
        tcp = socket.create_server(("{FREE}", 443))
        leaks = []
        print("ready", flush=True)
        while True:
            p, a = s.recvfrom(65535)
            if a[2] == 4:
                continue
            if a[1] == 0x0800:
                dst, proto = socket.inet_ntop(socket.AF_INET, p[16:20]), p[9]
            elif a[1] == 0x86dd and p[6] != 58:
                dst, proto = socket.inet_ntop(socket.AF_INET6, p[24:40]), p[6]
            else:
                continue
            if dst in ("{GOVERNED}", "{GOVERNED6}"):
                leaks.append((dst, proto))
            if dst == "{FREE}" and p[-6:] == b"marker":
                print(leaks, flush=True)
        """
        self.counter = subprocess.Popen(
            ["ip", "netns", "exec", self.far, sys.executable, "-c", textwrap.dedent(code)],
            stdout=subprocess.PIPE, text=True)
        assert self.counter.stdout.readline() == "ready\n"

    def inside(self, argv, cgroup, ns=None):
        """argv, started in a cgroup and a network namespace."""
        return ["nsenter", f"--net=/run/netns/{ns or self.work}", "sh", "-c",
                'echo $$ >"$0/cgroup.procs" && exec "$@"', str(cgroup)] + argv

    def leaks(self):
        """A marker to an address that is not governed comes after all that was sent before."""
        self.client(f"""
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(b"marker", ("{FREE}", 9))""")
        ready, _, _ = select.select([self.counter.stdout], [], [], 10)
        assert ready, "the marker never arrived: ungoverned traffic is broken"
        return eval(self.counter.stdout.readline())

    def start(self, code, cgroup=None, ns=None, uid=None):
        head = "import socket, os, sys, struct, json, errno\n"
        drop = f"os.setgid({uid}); os.setuid({uid})\n" if uid else ""
        argv = [sys.executable, "-c", head + drop + textwrap.dedent(code)]
        return subprocess.Popen(self.inside(argv, cgroup or self.load, ns), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def client(self, code, **kw):
        out, _ = self.start(code, **kw).communicate(timeout=30)
        return out.strip()

    def attempt(self, family, kind, proto, addr, port, send=None, **kw):
        """Connects; then sends if asked to. Prints the errno, 0 for success."""
        act = f's.connect(("{addr}", {port}))' if send is None else send
        return int(self.client(f"""
            try:
                s = socket.socket({family}, {kind}, {proto})
                s.settimeout(5)
                {act}
                print(0)
            except OSError as e:
                print(e.errno or -1)""", **kw))

    def tcp(self, addr, port=443, **kw):
        return self.attempt(10 if ":" in addr else 2, 1, 6, addr, port, **kw)

    def driver(self):
        driver = Driver(self)
        self.drivers.append(driver)
        return driver

    def __exit__(self, *_):
        for driver in self.drivers:
            driver.kill()
        if self.counter:
            self.counter.kill()
            self.counter.wait()
        subprocess.run(["umount", str(self.pins)], capture_output=True, check=False)
        for path in (self.load, self.cgroup, self.outside):
            if path.exists():
                kill_group(path)
                for child in path.iterdir():
                    if child.is_dir():
                        kill_group(child)
                        child.rmdir()
                path.rmdir()
        for ns in (self.work, self.far, self.other):
            subprocess.run(["ip", "netns", "del", ns], capture_output=True, check=False)


@pytest.fixture(scope="session", autouse=True)
def build():
    subprocess.run(["make", "-s", "-C", str(ROOT), "build/tests/lib/hooks"], check=True)


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as w:
        yield w


@pytest.fixture
def egret(world):
    """Enforcing, as after a start: endpoints, hooks, listeners."""
    d = world.drivers[0]
    d.govern(GOVERNED)
    d.govern(GOVERNED6)
    d.ok("attach")
    d.ok("listen 2 1")
    d.ok("listen 10 1")
    world.d = d
    return world


def redirected(world, family, addr, port=443, setup="", **kw):
    """Connects as a client; returns what the worker saw and what the client saw."""
    p = world.start(f"""
        s = socket.socket({family})
        {setup}
        s.connect(("{addr}", {port}))
        assert s.recv(1) == b"E"
        exe = os.stat("/proc/self/exe")
        start = open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]
        print(json.dumps(dict(pid=os.getpid(), uid=os.getuid(), peer=s.getpeername(), ino=exe.st_ino,
            dev=exe.st_dev, ticks=int(start), netns=struct.unpack("Q", s.getsockopt(1, 71, 8))[0])))
        """, **kw)
    saw = world.d.do("accept")
    out, _ = p.communicate(timeout=30)
    assert saw["r"] == 0, saw
    return saw["flow"], json.loads(out)


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
    assert inspect["flows"] == []
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
    names = {p.name for p in (egret.pins / "v1").iterdir()}
    assert len(names) == 12
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
    assert [f["tgid"] for f in out["flows"]] == [pid]
    p.communicate("")


def test_programs_do_not_grow_unnoticed(egret):
    """More than a fifth over what is recorded needs a reason and a new record."""
    golden = dict(line.split() for line in (ROOT / "tests/bpf/insns.golden").read_text().splitlines()
                  if not line.startswith("#"))
    now = {p["name"]: p["insns"] for p in egret.d.ok("inspect")["progs"]}
    assert now.keys() == golden.keys()
    grown = {n: (i, golden[n]) for n, i in now.items() if i > int(golden[n]) * 1.2}
    assert not grown
