# SPDX-License-Identifier: Apache-2.0
"""Workloads that own a network namespace behind a veth, with every capability over it: frames past the IP
stack, rules that rewrite, forwarding, listeners of their own (rows 7d to 7f and 10). The twin is the
same in a namespace of the same kind whose processes are not enforced."""
import contextlib
import os
import signal
import subprocess
import textwrap

import pytest

from lib.arena import ATTACK, BOTH, FORMS
from lib.pod import RAW, Pod
from lib.system import BUILD, PYTHON, sh, wait_for

XSK = BUILD / "tests/lib/xsk"
VETH = "veth.k_veth"
ALIAS = {"IPv4": "203.0.113.200", "IPv6": "2001:db8:2::200"}  # of nobody, until a rule says otherwise
ECONNREFUSED = 111


@pytest.fixture(scope="module")
def pods(arena):
    """Enforced, and not; the first is fenced when this is done."""
    made = Pod(arena, 1), Pod(arena, 2, cgroup=arena.outside)
    keepers = [pod.start(["sleep", "1000"]) for pod in made]
    inode = os.stat(made[0].path).st_ino

    def is_fenced():
        rows = [r for r in arena.daemon.egret("netns", "list") if r["ino"] == inode]
        return rows and rows[0]["devices"] == 1 and rows[0]["ipv4"] and rows[0]["ipv6"]
    wait_for(is_fenced, what="listeners and backstop")
    for pod in made:
        sh("ip", "netns", "exec", pod.ns, "sysctl", "-qw", "net.ipv4.ping_group_range=0 65535")
    for pod in made:  # packets to come are not held back while a hardware address is asked for
        assert [pod.connect(FORMS[form].free) for form in BOTH] == [0, 0]
    yield made
    for keeper in keepers:
        keeper.kill()
        keeper.wait()


class Watch:
    """What arrived, and which counters moved, since it began."""

    def __init__(self, arena):
        self.arena, self.before, self.counts = arena, arena.oracle.read(), arena.counts()

    def arrived(self, name="target"):
        return self.arena.oracle.read()[name] - self.before[name]

    def moved(self, by):
        return self.arena.counts().get(by, 0) - self.counts.get(by, 0)


def both(arena, pods, way):
    """way(pod, address, cgroup-of-pod) by the twin, then by the attacker; the Watch of the latter."""
    w = Watch(arena)
    way(pods[1], "twin")
    assert w.arrived("twin") > 0, "the attack does not work at all"
    w = Watch(arena)
    way(pods[0], "target")
    return w


def address(form, which):
    return getattr(FORMS[form], which)


def own(pod, form):
    return pod.address6 if form == "IPv6" else pod.address


def judge(found, w, row, name, form, by, saw="-"):
    arrived = w.arrived()
    found(row, name, form, saw, by.replace(".", ": "), arrived)
    assert arrived == 0
    assert w.moved(by) > 0, by


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("row, name, by, port, saw", [
    ("10", "tcp", "connect.allowed", 443, "ok"), ("10", "tcp", "connect.k_port", 8443, "ECONNREFUSED"),
    ("10", "udp-sendto", "sendmsg.k_udp", 443, "ECONNREFUSED"), ("10", "ping", "egress.k_packet", 443, None),
    ("7d", "frame-raw", VETH, 443, "ok"), ("7d", "frame-dgram", VETH, 443, "ok"),
    ("7e", "frame-qdisc-bypass", VETH, 443, "ok"), ("+", "frame-priority-tag", VETH, 443, "ok")])
def test_socket_calls_and_frames_of_a_namespace(arena, pods, found, row, name, by, port, saw, form):
    saws = []
    w = both(arena, pods, lambda pod, which: saws.append(
        arena.run_attack(name, address(form, which), form, port, pod=pod)))
    judge(found, w, row, f"{name} in a namespace" + (f" port {port}" if port != 443 else ""), form, by, saws[1])
    assert saw in (None, saws[1])


def frame_maker():
    made = {}
    exec(RAW, made)
    return made["ip4"], made["ip6"]


@pytest.mark.parametrize("form", BOTH)
def test_af_xdp(arena, pods, found, form):
    ip4, ip6 = frame_maker()

    def way(pod, which):
        mac = sh("ip", "netns", "exec", pod.ns, "cat", "/sys/class/net/eth0/address").strip().replace(":", "")
        packet = (ip6 if form == "IPv6" else ip4)(own(pod, form), address(form, which))
        frame = pod.gateway() + mac + ("86dd" if form == "IPv6" else "0800") + packet.hex()
        sh(*arena.inside([XSK, "eth0", frame, "4"], pod.cgroup, ns=pod.path))
    judge(found, both(arena, pods, way), "7f", "AF_XDP in a namespace", form, VETH)


def nft(pod, rules):
    """Rules that hold until the next ones."""
    done = pod.world.run_in(pod.cgroup, ["nft", "-f", "-"], stdin="flush ruleset\n" + rules, ns=pod.path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", BOTH)
def test_dnat(arena, pods, found, form):
    """The gate runs behind netfilter's output hook and sees where the packet really goes."""
    saws = []

    def way(pod, which):
        f = "ip6" if form == "IPv6" else "ip"
        nft(pod, f"""table {f} n {{ chain c {{ type nat hook output priority -100;
                     {f} daddr {ALIAS[form]} dnat to {address(form, which)}; }}; }}""")
        saws.append(arena.run_attack("udp-connected", ALIAS[form], form, pod=pod))
        nft(pod, "")
    w = both(arena, pods, way)
    judge(found, w, "10d", "DNAT in a namespace", form, "egress.k_packet", saws[1])
    assert saws[1] == "EPERM"


@pytest.mark.parametrize("form", BOTH)
def test_rewriting_at_the_device(arena, pods, found, form):
    """Behind every cgroup hook: what leaves the device is not what the gate saw."""
    def way(pod, which):
        f = "ip6" if form == "IPv6" else "ip"
        nft(pod, f"""table netdev n {{ chain c {{ type filter hook egress device eth0 priority 0;
                     {f} daddr {ALIAS[form]} {f} daddr set {address(form, which)}; }}; }}""")
        assert arena.run_attack("udp-connected", ALIAS[form], form, pod=pod) == "ok"
        nft(pod, "")
    judge(found, both(arena, pods, way), "10e", "nft netdev rewriting", form, VETH)


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("hook, priority", [("output", 300), ("postrouting", 300)])
def test_rewriting_on_the_way_out(arena, pods, found, hook, priority, form):
    """Without NAT, and behind it: the gate still comes later."""
    saws = []

    def way(pod, which):
        f = "ip6" if form == "IPv6" else "ip"
        nft(pod, f"""table {f} n {{ chain c {{ type filter hook {hook} priority {priority};
                     {f} daddr {ALIAS[form]} {f} daddr set {address(form, which)}; }}; }}""")
        saws.append(arena.run_attack("udp-connected", ALIAS[form], form, pod=pod))
        nft(pod, "")
    w = both(arena, pods, way)
    judge(found, w, "10e", f"nft rewriting, {hook}", form, "egress.k_packet", saws[1])


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("inner", ["a socket", "a frame"])
def test_a_tunnel_whose_far_end_is_the_governed_address(arena, pods, found, inner, form):
    """VXLAN: the kernel's own socket sends, for packets of another; the cgroup's hook does not see those."""
    def way(pod, which):
        sends = 'socket.socket(2, 2).sendto(b"data", ("10.55.0.2", 9))' if inner == "a socket" else """
            s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
            s.sendto(b"data" * 20, ("vx0", 0x88b5, 0, 0, bytes.fromhex("020000000002")))"""
        pod.python(f"""
            import socket, subprocess
            for c in ("ip link add vx0 type vxlan id 7 remote {address(form, which)} dstport 443 dev eth0",
                      "ip addr add 10.55.0.1/24 dev vx0", "ip link set vx0 up",
                      "ip neigh add 10.55.0.2 lladdr 02:00:00:00:00:02 dev vx0"):
                subprocess.run(c.split(), check=True)
            {sends.strip()}
            subprocess.run("ip link del vx0".split(), check=True)""")
    judge(found, both(arena, pods, way), "+", f"VXLAN to it, {inner}", form, VETH)


TUN = RAW + """
import fcntl, os, subprocess
t = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(t, 0x400454ca, struct.pack("16sH", b"tun7", 0x1001))
for c in ("ip addr add 10.99.0.1/24 dev tun7", "ip addr add fd99::1/64 dev tun7 nodad", "ip link set tun7 up",
          "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"):
    subprocess.run(c.split(), check=True)
for _ in range(4):
    os.write(t, ip6("fd99::2", "DST") if ":" in "DST" else ip4("10.99.0.2", "DST"))
"""


@pytest.mark.parametrize("form", BOTH)
def test_tun_and_forwarding(arena, pods, found, form):
    """A stack of the workload's own behind a tun: forwarded packets belong to no socket."""
    w = both(arena, pods, lambda pod, which: pod.python(TUN.replace("DST", address(form, which))))
    judge(found, w, "10f", "tun and forwarding", form, VETH)


@pytest.mark.parametrize("form", BOTH)
def test_tun_in_a_namespace_of_its_own_user(arena, found, form):
    """Row 10g: root there, and no wire to anywhere."""
    w = Watch(arena)
    argv = ["unshare", "-Urn", PYTHON, "-c", TUN.replace("DST", address(form, "target"))]
    done = arena.run_in(arena.group("load/user"), argv)
    assert done.returncode == 0, done.stderr
    found("10g", "tun in a user's own namespace", form, "ok", "no way out", w.arrived(), twin="no")
    assert w.arrived() == 0


def nested(pod, script):
    """In a namespace below the pod's, which forwards for it: script gets `$GW`, the pod's side."""
    set_up = """
        set -e
        unshare -n sleep 1000 & inner=$!
        trap 'kill $inner; ip link del n0 2>/dev/null || true' EXIT
        while [ "$(readlink /proc/$inner/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do :; done
        ip link add n0 type veth peer name eth0 netns $inner
        ip addr add 10.88.0.1/24 dev n0; ip addr add fd88::1/64 dev n0 nodad; ip link set n0 up
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        in="nsenter --net=/proc/$inner/ns/net"
        $in sysctl -qw net.ipv4.ping_group_range="0 65535"
        $in ip link set lo up; $in ip link set eth0 up
        $in ip addr add 10.88.0.2/24 dev eth0; $in ip addr add fd88::2/64 dev eth0 nodad
        $in ip route add default via 10.88.0.1; $in ip route add default via fd88::1
        GW=$(ip -br link show n0 | awk '{ print $3 }' | tr -d :)
        """
    done = pod.world.run_in(pod.cgroup, ["sh", "-c", textwrap.dedent(set_up + script)], ns=pod.path)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


MASQUERADE = """table ip n { chain c { type nat hook postrouting priority 100; oifname "eth0" masquerade; }; }
table ip6 n { chain c { type nat hook postrouting priority 100; oifname "eth0" masquerade; }; }"""


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("name, by", [("udp-sendto", "sendmsg.k_udp"), ("ping", "egress.k_packet"), ("frame-raw", VETH)])
def test_a_namespace_behind_the_namespace(arena, pods, found, name, by, form):
    """Forwarded and masqueraded by the outer one: a socket's cgroup is still ours, and the fence is the host's."""
    saws = []

    def way(pod, which):
        nft(pod, MASQUERADE)
        f = FORMS[form]
        source = "fd88::2" if form == "IPv6" else "10.88.0.2"
        saws.append(nested(pod, f"$in {ATTACK} {name} {address(form, which)} 443 {f.free} {source} eth0 $GW"))
        nft(pod, "")
    w = both(arena, pods, way)
    judge(found, w, "10c", f"{name} in a namespace behind", form, by, saws[1])


@pytest.mark.parametrize("form", BOTH)
def test_macvlan_beside_the_device(arena, pods, found, form):
    """A second device on the same wire: it leaves through the same fence."""
    ip4, ip6 = frame_maker()

    def way(pod, which):
        packet = (ip6 if form == "IPv6" else ip4)(own(pod, form), address(form, which))
        pod.python(f"""
            import socket, subprocess
            for c in ("ip link add mv0 link eth0 type macvlan", "ip link set mv0 up"):
                subprocess.run(c.split(), check=True)
            s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
            s.sendto(bytes.fromhex("{packet.hex()}"), ("mv0", {0x86dd if form == "IPv6" else 0x800}, 0, 0,
                     bytes.fromhex("{pod.gateway()}")))
            subprocess.run("ip link del mv0".split(), check=True)""")
    judge(found, both(arena, pods, way), "+", "macvlan beside the device", form, VETH)


@pytest.mark.parametrize("form, mode", [("IPv4", "encap"), ("IPv6", "encap"), ("IPv6", "inline")])
def test_segment_routing(arena, pods, found, mode, form):
    """A route that wraps packets to an innocent address into others by way of the governed one."""
    saws = []

    def way(pod, which):
        segment = address("IPv6", which)
        route = [ALIAS[form], "encap", "seg6", "mode", mode, "segs", segment, "dev", "eth0"]
        via = ["via", "inet6", "fd77:%d::1" % pod.number] if form == "IPv4" else ["via", "fd77:%d::1" % pod.number]
        ip = ["ip", "-n", pod.ns, "-6" if form == "IPv6" else "-4", "route"]
        sh(*ip, "add", *route[:-2], *via, *route[-2:])
        saws.append(arena.run_attack("udp-connected", ALIAS[form], form, pod=pod))
        sh(*ip, "del", ALIAS[form])
    w = both(arena, pods, way)
    judge(found, w, "+", f"segment routing, {mode}", form, "egress.k_packet", saws[1])


@pytest.mark.parametrize("kind", ["ipip", "sit", "gre", "ip6tnl", "vti", "wireguard", "geneve", "vrf", "ipvlan", "bareudp"])
def test_tunnels_that_this_kernel_lacks(arena, pods, found, kind):
    extra = {"ipvlan": ["link", "eth0"]}.get(kind, [])
    tail = {"vrf": ["table", "9"], "bareudp": ["dstport", "9", "ethertype", "ip"]}.get(kind, [])
    done = subprocess.run(["ip", "-n", pods[0].ns, "link", "add", "t0", *extra, "type", kind, *tail],
                          capture_output=True, text=True, check=False)
    found("+", f"device of type {kind}", "-", "EOPNOTSUPP", "not in this kernel", twin="no")
    assert done.returncode != 0 and ("Unknown device type" in done.stderr or "not supported" in done.stderr), done.stderr


# ---- namespaces without a way out, listeners of one's own ----

@contextlib.contextmanager
def stopped(daemon):
    """Its hooks go on; nobody makes a listener."""
    os.kill(daemon.proc.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.proc.pid, signal.SIGCONT)


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("uid, options", [(None, "-n"), (1234, "-Urn")])
def test_a_namespace_of_a_moment(arena, found, uid, options, form):
    """Nothing listens there yet, nor is there a wire: refused, not let go."""
    w = Watch(arena)
    with stopped(arena.daemon):
        got = arena.run_attack("tcp", FORMS[form].target, form, uid=uid, cgroup=arena.group("load/moment"),
                               prefix=["unshare", options])
    found("10", f"tcp after unshare {options}", form, got, "connect: k_no_listener", w.arrived(), twin="no")
    assert got == "ECONNREFUSED" and w.arrived() == 0 and w.moved("connect.k_no_listener") == 1


THIEF = """
import socket, sys
family, address, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
thief = socket.socket(family)
if how == "reuse":
    thief.setsockopt(1, 2, 1); thief.setsockopt(1, 15, 1)
if how != "listen":
    try:
        thief.bind(("::1" if family == 10 else "127.0.0.1", 15001))
    except OSError as e:
        print("bind", e.errno); sys.exit()
thief.listen()
assert thief.getsockname()[1] == 15001
s = socket.socket(family); s.settimeout(10)
print("connect", s.connect_ex((address, 443)))
thief.setblocking(False)
try:
    thief.accept(); print("stolen")
except BlockingIOError:
    pass
"""


# The port is the kernel's choice, which has one only; then the group of listeners that share a port is joined.
INTRUDER = """
import select, socket, sys
family, address, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
s = socket.socket(family)
s.setsockopt(1, 2, 1); s.setsockopt(1, 15, 1)
if how == "late":
    s.setsockopt(0, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
s.bind((address, 0)); s.listen(1000)
assert s.getsockname()[1] == 15001
open("/proc/sys/net/ipv4/ip_local_port_range", "w").write("32768 60999")
print("listens", flush=True)
got = 0
while sys.stdin not in select.select([s, sys.stdin], [], [])[0]:
    s.accept(); got += 1
print(got)
"""
VICTIM = """
import socket, sys
for _ in range(40):
    s = socket.socket(int(sys.argv[1]), 1 | socket.SOCK_NONBLOCK); s.connect_ex((sys.argv[2], 443))
"""


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("how", ["at once", "late"])
def test_a_listener_beside_egrets_gets_nobody(arena, found, how, form):
    """It is there first, egret's joins it, and the kernel shares connections out between both. By chance of the
    namespace, connect() is shown the intruder, and refused, or egret's, and then the gate for what comes in sees it."""
    pod = Pod(arena, {"at once": 40, "late": 41}[how] + (2 if form == "IPv6" else 0), wired=False)
    sh("ip", "netns", "exec", pod.ns, "sysctl", "-qw", "net.ipv4.ip_local_port_range=15001 15001")
    family, address = ("10", "::1") if form == "IPv6" else ("2", "127.0.0.1")
    w = Watch(arena)
    with stopped(arena.daemon):
        thief = pod.start([PYTHON, "-c", INTRUDER, family, address, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True)
        assert thief.stdout.readline() == "listens\n"
    inode = os.stat(pod.path).st_ino
    wait_for(lambda: [r for r in arena.daemon.egret("netns", "list") if r["ino"] == inode and
                      r["ipv6" if form == "IPv6" else "ipv4"]], what="egret's listener")
    arena.run_in(arena.group("load/victim"), [PYTHON, "-c", VICTIM, family, FORMS[form].target], ns=pod.path)
    out, _ = thief.communicate("\n")
    found("10b", f"listener beside egret's: {how}", form, f"{out.strip()} stolen", "ingress: k_bind_proxy_port",
          w.arrived(), twin="no")
    assert out == "0\n" and w.arrived() == 0
    assert w.moved("ingress.k_bind_proxy_port") + w.moved("connect.k_no_listener") > 0
    pod.close()


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("how, expected", [("bind", "bind 13"), ("reuse", "bind 13"), ("listen", f"connect {ECONNREFUSED}")])
def test_a_listener_of_the_workloads_own(arena, found, how, expected, form):
    """Taken while egretd could not look: bind() is refused, and what listens without bind() gets nobody."""
    pod = Pod(arena, {"bind": 10, "reuse": 11, "listen": 12}[how] + (3 if form == "IPv6" else 0), wired=False)
    if how == "listen":
        sh("ip", "netns", "exec", pod.ns, "sysctl", "-qw", "net.ipv4.ip_local_port_range=15001 15001")
    w = Watch(arena)
    with stopped(arena.daemon):
        argv = [PYTHON, "-c", THIEF, "10" if form == "IPv6" else "2", FORMS[form].target, how]
        done = arena.run_in(pod.cgroup, argv, ns=pod.path)
    assert done.stdout.strip() == expected, done.stdout + done.stderr
    by = "connect.k_no_listener" if how == "listen" else "bind.k_bind_proxy_port"
    found("10b", f"listener of its own: {how}", form, "ECONNREFUSED" if how == "listen" else "EACCES",
          by.replace(".", ": "), w.arrived(), twin="no")
    assert w.arrived() == 0 and w.moved(by) >= 1
    pod.close()
