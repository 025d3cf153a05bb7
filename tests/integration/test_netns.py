# SPDX-License-Identifier: Apache-2.0
"""Workloads in network namespaces of their own: served without a route or a rule, and fenced at the
host's side of their veth. What proves that nothing leaked is a packet counter in the internet."""
import json
import os
import signal
import subprocess
import textwrap
import time

import pytest

from lib.daemon import Daemon
from lib.pod import RAW, Pod
from lib.policies import agent_policy
from lib.system import BUILD, PYTHON, cgroup2, sh, wait_for
from lib.world import FREE, FREE6, PROVIDERS, PROVIDERS6

ECONNREFUSED, ECONNABORTED = 111, 103
XSK = BUILD / "tests/lib/xsk"
CONNECT = """
import socket, sys, time
print(socket.socket().connect_ex((sys.argv[1], 443)), flush=True)
time.sleep(1000)
"""


def start(world, prefix=(), **settings):
    d = Daemon(world, agent_policy(world), settings={"workers": 2, **settings}, prefix=prefix)
    world.closers.append(d.close)
    return d.start()


@pytest.fixture
def daemon(world):
    return start(world, **{"log.level": "debug"})


def rows(daemon, pod=None):
    """Of `egret netns list`; with pod, its own."""
    found = daemon.egret("netns", "list")
    return [r for r in found if pod is None or r["ino"] == os.stat(pod.path).st_ino]


def devices(world):
    return sh("ip", "-n", world.host, "-br", "link")


def served(pod, address):
    """The retry of a client that was too early is served."""
    return wait_for(lambda: pod.connect(address) == 0, what=f"a listener for {address}")


# ---- listeners ----

def test_a_pod_is_served_without_a_route_or_a_rule(world, daemon):
    pod = Pod(world)
    assert served(pod, PROVIDERS) and served(pod, PROVIDERS6)
    assert pod.call(daemon.ca, PROVIDERS) == 200
    assert pod.call(daemon.ca, PROVIDERS6) == 200
    record = daemon.record()
    assert record["workload"] == "agent" and record["cgroup_path"].endswith("/load/pod1")
    assert pod.connect(FREE) == 0  # the simulator listens there: not governed, direct
    row, = rows(daemon, pod)
    assert row["ipv4"] and row["ipv6"] and row["advice"] == "" and row["devices"] == 1
    assert row["cgroup_path"].endswith("/load/pod1")


def test_a_namespace_without_any_network_reaches_providers_through_egret_only(world, daemon):
    pod = Pod(world, wired=False)
    assert served(pod, PROVIDERS)
    assert pod.call(daemon.ca, PROVIDERS) == 200
    assert pod.connect(FREE) == 101  # ENETUNREACH


def test_the_first_socket_makes_the_listener(world, daemon):
    """The resolver's socket comes before the connection; here any socket does."""
    pod = Pod(world)
    out = pod.python(f"""
        import socket, time
        resolver = socket.socket(2, 2)
        def listens():
            return any(" 0100007F:3A99 " in line for line in open("/proc/net/tcp"))
        end = time.monotonic() + 10
        while not listens() and time.monotonic() < end: time.sleep(0.005)
        s = socket.socket(); s.settimeout(10)
        print(s.connect_ex(("{PROVIDERS}", 443)))""")
    assert int(out) == 0
    assert daemon.egret("event", "list", "--reason", "k_no_listener") == []


def test_a_refused_connection_is_an_event_that_says_to_try_again(world, daemon):
    pod = Pod(world)
    os.kill(daemon.proc.pid, signal.SIGSTOP)
    try:
        assert [pod.connect(a) for a in (PROVIDERS, PROVIDERS6)] == [ECONNREFUSED] * 2
    finally:
        os.kill(daemon.proc.pid, signal.SIGCONT)
    assert served(pod, PROVIDERS) and served(pod, PROVIDERS6)
    event = wait_for(lambda: daemon.egret("event", "list", "--reason", "k_no_listener"), what="event")[0]
    assert "connect again" in event["text"] or "was gone" in event["text"]
    assert world.counter.connections(world) == 0


def test_loopback_that_comes_up_later_is_used(world, daemon):
    pod = Pod(world)
    sh("ip", "-n", pod.ns, "link", "set", "lo", "down")
    keeper = pod.start([PYTHON, "-c", "import socket, sys; s = socket.socket(); sys.stdin.read()"],
                       stdin=subprocess.PIPE)
    wait_for(lambda: rows(daemon, pod), what="the namespace")
    assert "loopback" in rows(daemon, pod)[0]["advice"]
    assert pod.connect(PROVIDERS) != 0
    checks = {r["name"]: r for r in daemon.egret("check") if r["name"] in ("namespaces", "backstop")}
    assert checks["namespaces"]["state"] == "warn" and checks["backstop"]["state"] == "ok"
    sh("ip", "-n", pod.ns, "link", "set", "lo", "up")
    assert served(pod, PROVIDERS) and served(pod, PROVIDERS6)
    assert rows(daemon, pod)[0]["advice"] == ""
    keeper.communicate(b"")


def test_an_empty_namespace_is_freed(world, daemon):
    """Nobody holds it but egret: its veth goes with it."""
    pod = Pod(world)
    served(pod, PROVIDERS)
    assert rows(daemon, pod)
    before = daemon.fds(daemon.proc.pid), [daemon.fds(p) for p in daemon.children("worker")]
    sh("ip", "netns", "del", pod.ns)
    wait_for(lambda: "p1@" not in devices(world), 20, "end of the namespace")
    assert rows(daemon) == []
    assert daemon.fds(daemon.proc.pid) < before[0]
    assert sum(daemon.fds(p) for p in daemon.children("worker")) < sum(before[1])
    again = Pod(world, 2)
    assert served(again, PROVIDERS)


def test_a_namespace_of_one_thread_is_served_and_kept(world, daemon):
    code = f"""
        import ctypes, os, socket, sys, threading
        def alone():
            assert ctypes.CDLL(None).unshare(0x40000000) == 0
            os.system("ip link set lo up")
            for line in sys.stdin:
                s = socket.socket(); s.settimeout(10)
                print(s.connect_ex(("{PROVIDERS}", 443)), flush=True)
        t = threading.Thread(target=alone); t.start(); t.join()"""
    p = world.start([PYTHON, "-c", textwrap.dedent(code)], world.load, stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True)

    def ask():
        p.stdin.write("\n")
        p.stdin.flush()
        return int(p.stdout.readline())
    wait_for(lambda: ask() == 0, what="a listener")
    other = Pod(world, wired=False)
    served(other, PROVIDERS)
    sh("ip", "netns", "del", other.ns)
    wait_for(lambda: len(rows(daemon)) == 1, 20, "end of the other namespace")  # so processes were looked at
    assert ask() == 0
    p.communicate("")


def test_pods_are_served_by_the_next_daemon_and_the_next_worker(world, daemon):
    pod = Pod(world)
    served(pod, PROVIDERS)
    keeper = pod.start(["sleep", "1000"])
    os.kill(daemon.children("worker")[0], signal.SIGKILL)
    os.kill(daemon.children("worker")[0], signal.SIGKILL)
    wait_for(lambda: len(daemon.children("worker")) == 2, what="workers")
    assert [pod.call(daemon.ca, PROVIDERS) for _ in range(6)] == [200] * 6
    daemon.kill()
    assert [pod.connect(a) for a in (PROVIDERS, PROVIDERS6)] == [ECONNREFUSED] * 2
    daemon.start()
    wait_for(lambda: rows(daemon, pod), what="the namespace found")  # by looking, nobody asked
    assert pod.call(daemon.ca, PROVIDERS) == 200
    assert len(world.sim.requests(target="/v1/chat/completions")) == 7
    keeper.kill()
    keeper.wait()


def test_connections_older_than_the_daemon_are_ended_in_pods_too(world):
    pod = Pod(world)
    p = pod.start([PYTHON, "-c", textwrap.dedent(f"""
        import socket, sys
        s = socket.create_connection(("{PROVIDERS}", 443), 10)
        s6 = socket.create_connection(("{PROVIDERS6}", 443), 10)
        print("open", flush=True)
        for c in (s, s6):
            c.settimeout(30)
            try: c.recv(1); print("eof")
            except OSError as e: print(e.errno)""")], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "open\n"
    daemon = start(world)
    out, _ = p.communicate(timeout=60)
    assert out.split() == [str(ECONNABORTED)] * 2


# ---- limits ----

def test_one_cgroup_cannot_take_all_namespaces(world):
    daemon = start(world, **{"limits.namespaces": 4})
    greedy = world.group("load/greedy")
    pods = [Pod(world, i, cgroup=greedy, wired=False) for i in (1, 2)]
    keeper = pods[0].start(["sleep", "1000"])
    assert served(pods[0], PROVIDERS)
    # It stays until egret has looked at it: of a process that is gone, nothing more can be said.
    turned_away = pods[1].start([PYTHON, "-c", CONNECT, PROVIDERS], stdout=subprocess.PIPE, text=True)
    assert turned_away.stdout.readline() == f"{ECONNREFUSED}\n"
    wait_for(lambda: any("quarter" in e["text"] for e in daemon.egret("event", "list", "--reason", "k_no_listener")),
             what="event")
    turned_away.kill()
    turned_away.communicate()
    wait_for(lambda: any("limits.namespaces" in w for w in daemon.egret("status")["warnings"]), what="warning")
    other = Pod(world, 3, wired=False)
    assert served(other, PROVIDERS)
    keeper.kill()
    keeper.wait()
    wait_for(lambda: pods[1].connect(PROVIDERS) == 0, 20, "room")


def test_subgroups_of_a_delegated_cgroup_share_one_share(world):
    daemon = start(world, **{"limits.namespaces": 4})
    given = world.group("load/given")
    os.chown(given, 1234, 1234)
    keepers = []
    for i in (1, 2):
        pod = Pod(world, i, cgroup=world.group(f"load/given/{i}"), wired=False)
        keepers.append(pod.start(["sleep", "1000"]))
        if i == 1:
            assert served(pod, PROVIDERS)
        else:
            assert pod.connect(PROVIDERS) == ECONNREFUSED
    for k in keepers:
        k.kill()
        k.wait()


def test_thousands_of_namespaces_hurt_nobody_else(world, daemon):
    """Processes that unshare, make a socket, connect and vanish, as fast as they can; some linger."""
    pod = Pod(world)
    served(pod, PROVIDERS)
    keeper = pod.start(["sleep", "1000"])
    monitor = daemon.proc.pid
    before = daemon.fds(monitor)
    hostile = world.start([PYTHON, "-c", textwrap.dedent(f"""
        import ctypes, os, socket, time
        libc, kept = ctypes.CDLL(None), []
        for i in range(2000):
            pid = os.fork()
            if pid == 0:
                libc.unshare(0x40000000)
                socket.socket().connect_ex(("{PROVIDERS}", 443))
                if i % 10 == 0: time.sleep(1000)
                os._exit(0)
            if i % 10 == 0: kept.append(pid)
            else: os.waitpid(pid, 0)
        print("done", flush=True)
        for pid in kept: os.kill(pid, 9)
        for pid in kept: os.waitpid(pid, 0)""")], world.group("load/hostile"), stdout=subprocess.PIPE, text=True)
    slowest, calls = 0, 0
    while hostile.poll() is None:
        begun = time.monotonic()
        assert pod.connect(PROVIDERS) == 0
        daemon.egret("status")
        slowest, calls = max(slowest, time.monotonic() - begun), calls + 1
        assert len(rows(daemon)) <= 1 + 64  # a quarter of 256, and the pod
        assert daemon.fds(monitor) <= before + 65 * 5
    assert hostile.stdout.read() == "done\n" and calls > 3
    assert slowest < 5, slowest
    assert pod.call(daemon.ca, PROVIDERS) == 200
    wait_for(lambda: len(rows(daemon)) == 1, 30, "end of the others")
    wait_for(lambda: daemon.fds(monitor) <= before, what="descriptors given back")
    keeper.kill()
    keeper.wait()


# ---- the backstop ----

PLAIN, TAGGED = 17, 3  # of frames()


def frames(pod, dst=PROVIDERS, dst6=PROVIDERS6):
    """Sends packets in every way that no cgroup hook sees: PLAIN that would arrive, and TAGGED for VLANs
    that the host does not have."""
    pod.python(RAW + textwrap.dedent(f"""
        gw, a, a6 = "{pod.gateway()}", "{pod.address}", "{pod.address6}"
        for bypass in (False, True):
            send(ip4(a, "{dst}"), gw, bypass)
            send(ip4(a, "{dst}", proto=6, payload=struct.pack("!HHIIBBHHH", 999, 443, 1, 0, 5 << 4, 2, 1000, 0, 0)),
                 gw, bypass)
            send(ip4(a, "{dst}", proto=136), gw, bypass)
            send(ip4(a, "{dst}", frag=0x2000), gw, bypass)
            send(ip4(a, "{dst}", frag=100), gw, bypass)
            send(ip4(a, "{dst}", options=b"\\x94\\4\\0\\0"), gw, bypass)
            send(ip6(a6, "{dst6}"), gw, bypass, 0x86dd)
            send(ip6(a6, "{dst6}", 60, b"\\x11\\0\\1\\4\\0\\0\\0\\0"), gw, bypass, 0x86dd)
        d = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        d.sendto(ip4(a, "{dst}"), ("eth0", 0x0800, 0, 0, bytes.fromhex(gw)))
        for tag in (b"\\x81\\0\\0\\7", b"\\x88\\xa8\\0\\7\\x81\\0\\0\\7", b"\\x81\\0\\0\\7" * 6):
            send(ip4(a, "{dst}"), gw, tags=tag)"""))


def know_neighbours(pod):
    """Packets to come are not held back while a hardware address is asked for."""
    assert [pod.connect(a) for a in (FREE, FREE6)] == [0, 0]


def arrived(world):
    return sum(world.counter.read(world).values())


def test_raw_frames_from_a_pod_are_dropped_at_the_hosts_side(world):
    pod = Pod(world)
    keeper = pod.start(["sleep", "1000"])
    know_neighbours(pod)
    frames(pod)
    assert arrived(world) >= PLAIN - 2  # the host's stack drops what it cannot put together
    daemon = start(world)
    wait_for(lambda: rows(daemon, pod) and rows(daemon, pod)[0]["devices"] == 1, what="the backstop")
    before = arrived(world)
    frames(pod)
    assert arrived(world) == before
    assert rows(daemon, pod)[0]["dropped"] == PLAIN + TAGGED
    event = wait_for(lambda: daemon.egret("event", "list", "--reason", "k_veth"), what="event")[0]
    assert event["hook"] == "veth" and event["workload"] == "agent"
    assert {e["host"].rsplit(":", 1)[0].strip("[]") for e in daemon.egret("event", "list", "--reason", "k_veth")} \
        <= {PROVIDERS, PROVIDERS6}
    frames(pod, FREE, FREE6)
    assert rows(daemon, pod)[0]["dropped"] == PLAIN + TAGGED + 1  # tags without end
    keeper.kill()
    keeper.wait()


def test_the_backstop_outlives_the_daemon(world, daemon):
    pod = Pod(world)
    keeper = pod.start(["sleep", "1000"])
    wait_for(lambda: rows(daemon, pod) and rows(daemon, pod)[0]["devices"] == 1, what="the backstop")
    daemon.kill()
    before = arrived(world)
    frames(pod)
    assert arrived(world) == before
    flood = pod.start([PYTHON, "-c", RAW + textwrap.dedent(f"""
        import time
        while True:
            send(ip4("{pod.address}", "{PROVIDERS}"), "{pod.gateway()}"); time.sleep(0.002)""")])
    daemon.start()
    wait_for(lambda: rows(daemon, pod) and rows(daemon, pod)[0]["devices"] == 1, what="the backstop")
    flood.kill()
    flood.wait()
    assert arrived(world) == before
    assert rows(daemon, pod)[0]["dropped"] > 0
    daemon.stop()
    know_neighbours(pod)
    frames(pod)
    assert arrived(world) >= before + PLAIN - 2  # released: on purpose, and only then
    keeper.kill()
    keeper.wait()


def test_a_pod_that_is_not_enforced_is_left_alone(world, daemon):
    pod = Pod(world, cgroup=world.outside)
    keeper = pod.start(["sleep", "1000"])
    enforced = Pod(world, 2)
    served(enforced, PROVIDERS)
    know_neighbours(pod)
    before = arrived(world)
    frames(pod)
    assert arrived(world) - before >= PLAIN - 2
    assert pod.connect(PROVIDERS) == 0
    assert rows(daemon, pod) == []
    assert world.counter.connections(world) > 0
    keeper.kill()
    keeper.wait()


def test_devices_come_and_go(world, daemon):
    """The device before its namespace is known, after it, a second one, one that goes: each is guarded."""
    pod = Pod(world, wired=False)
    keeper = pod.start(["sleep", "1000"])
    pod.wire()
    wait_for(lambda: rows(daemon, pod) and rows(daemon, pod)[0]["devices"] == 1, what="the first")
    sh("ip", "link", "add", "p1b", "netns", world.host, "type", "veth", "peer", "name", "eth1", "netns", pod.ns)
    wait_for(lambda: rows(daemon, pod)[0]["devices"] == 2, what="the second")
    sh("ip", "-n", world.host, "link", "del", "p1b")
    wait_for(lambda: rows(daemon, pod)[0]["devices"] == 1, what="one less")
    before = arrived(world)
    frames(pod)
    assert arrived(world) == before
    keeper.kill()
    keeper.wait()


def test_af_xdp_and_forwarding_from_a_pod_are_stopped(world, daemon):
    pod = Pod(world)
    keeper = pod.start(["sleep", "1000"])
    gw = pod.gateway()
    packet = RAW + f'\nprint((bytes.fromhex("{gw}") + mac("eth0") + b"\\x08\\0" + ip4("{pod.address}", "DST")).hex())'
    tun = RAW + textwrap.dedent("""
        import fcntl, os
        t = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(t, 0x400454ca, struct.pack("16sH", b"tun0", 0x1001))
        os.system("ip addr add 10.99.0.1/24 dev tun0; ip link set tun0 up; sysctl -qw net.ipv4.ip_forward=1")
        for _ in range(4): os.write(t, ip4("10.99.0.2", "DST"))""")
    wait_for(lambda: rows(daemon, pod) and rows(daemon, pod)[0]["devices"] == 1, what="the backstop")
    before, dropped = arrived(world), 0
    for way in ("xsk", "tun"):
        for dst in (FREE, PROVIDERS):
            seen = sh("ip", "-n", world.host, "-s", "-j", "link", "show", pod.device)
            if way == "tun":
                pod.python(tun.replace("DST", dst))
            else:
                frame = pod.python(packet.replace("DST", dst)).strip()
                sh(*world.inside([XSK, "eth0", frame, "4"], pod.cgroup, ns=pod.path))
            assert sh("ip", "-n", world.host, "-s", "-j", "link", "show", pod.device) != seen  # they were sent
        dropped += 4
        assert rows(daemon, pod)[0]["dropped"] == dropped, way
    assert arrived(world) == before
    keeper.kill()
    keeper.wait()


def test_where_everything_is_enforced_a_device_is_fenced_before_anybody_is_behind_it(world):
    """A cgroup namespace makes this world's cgroup the root that the daemon sees."""
    mount, ino = cgroup2(), world.cgroup.stat().st_ino
    script = f"""umount {mount} && mount -t cgroup2 none {mount} && test $(stat -c %i {mount}) = {ino} && exec "$@" """
    world.daemon_cgroup = world.cgroup
    daemon = start(world, ["unshare", "--cgroup", "--mount", "sh", "-ec", script, "sh"], cgroup="")

    def backstop():
        found = json.loads(daemon.run_egret("-j", "check").stdout)
        return next(r["text"] for r in found if r["name"] == "backstop")
    wait_for(lambda: backstop().startswith("on 1 devices"), what="the backstop on the host's own uplink, another pair")
    pod = Pod(world)
    wait_for(lambda: backstop().startswith("on 2 devices"), what="the backstop")
    assert rows(daemon, pod) == []  # nobody is there
    before = arrived(world)
    frames(pod)
    assert arrived(world) == before
    assert served(pod, PROVIDERS) and pod.call(daemon.ca, PROVIDERS) in (200, 403)
    know_neighbours(pod)
