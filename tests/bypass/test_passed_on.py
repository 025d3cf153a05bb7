# SPDX-License-Identifier: Apache-2.0
"""To be passed through, or taken for a provider's client, must open nothing: what egret passes on goes by the network
that its client is in. Each attack has its twin that is allowed."""
import socket
import struct
import subprocess

import pytest

from lib.pod import TRY, Pod
from lib.policies import agent_policy
from lib.system import PYTHON, sh, wait_for
from lib.world import DNS, FREE, FREE6, PROVIDERS

RESOLVER, USER = "203.0.113.54", 65534

ASK = """
import socket, ssl
c = ssl.create_default_context(); c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
try:
    s = c.wrap_socket(socket.create_connection(("%s", 443), 10), server_hostname="%s")
    s.sendall(b"GET /relay HTTP/1.1\\r\\nHost: free.example\\r\\nConnection: close\\r\\n\\r\\n")
    print("passed" if s.recv(60) else "nothing")
except OSError as e:
    print(type(e).__name__, e)
"""

# In a network namespace of its own: the resolver's address is put on it, and an answer sent from there.
FORGE = """
import socket, struct, subprocess, time
subprocess.run("ip link set lo up; ip addr add %s/32 dev lo", shell=True, check=True)
a = socket.socket(2, 2); a.bind(("%s", 53))
b = socket.socket(2, 2); b.bind(("127.0.0.1", 0))
a.sendto(bytes.fromhex("%s"), b.getsockname()); b.recv(1000)
"""

# An honest resolver: what it says of a name in somebody's zone is what that somebody wrote there.
ZONE = """
import socket, struct
s = socket.create_server(("%s", 53))
print("up", flush=True)
txt = bytes.fromhex(open("%s").read())
rdata = b"".join(bytes([len(txt[i:i + 255])]) + txt[i:i + 255] for i in range(0, len(txt), 255))
while True:
    c, _ = s.accept()
    q = c.recv(4096)[2:]
    body = b"\\xc0\\x0c" + struct.pack("!HHIH", 16, 1, 60, len(rdata)) + rdata
    answer = q[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + q[12:] + body
    c.sendall(struct.pack("!H", len(answer)) + answer)
    c.close()
"""

# A window so small that every segment has 576 bytes: where they are cut is known.
READ = """
import socket, struct, time
q = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\\x01x\\x08attacker\\x04test\\0" + struct.pack("!HH", 16, 1)
s = socket.socket(); s.setsockopt(1, 8, 1); s.connect(("%s", 53))
s.sendall(struct.pack("!H", len(q)) + q)
n = 0
while d := s.recv(65536):
    n += len(d)
print(n)
"""


def answer(name, address):
    """A DNS message that says so."""
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    return struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0) + labels + struct.pack("!HH", 1, 1) + b"\xc0\x0c" + \
        struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)


def deny(*allow):
    return {"egress": {"default": "deny", "allow": list(allow)}}


@pytest.mark.parametrize("mode, passes", [({}, True), (deny(PROVIDERS + "/32:443"), True), (deny(), False)],
                         ids=["open", "listed", "denied"])
def test_other_names_at_a_providers_address(world, make_daemon, mode, passes):
    daemon = make_daemon(agent_policy(world, agent_has=mode)).start()
    said = world.python(ASK % (PROVIDERS, "free.example"), world.load)
    assert said.startswith("passed") == passes and bool(world.sim.requests()) == passes, said
    if not passes:
        assert "ACCESS_DENIED" in said
        event = daemon.event("k_egress_denied")
        assert event["host"] == "free.example" and '"egress"."allow"' in event["text"]


# Root of a network namespace can have any route; nothing is behind it.
UP = "ip link set lo up"
ROUTED = UP + " && ip link add d0 type veth peer name d1 && ip addr add 192.0.2.1/24 dev d0 && ip link set d0 up && " \
    "ip link set d1 up && ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev d0 && ip route add default via 192.0.2.2"


def alone(network):
    return f"import subprocess; subprocess.run({network!r}, shell=True, check=True)\n" + TRY


@pytest.mark.parametrize("uid", [None, USER])
@pytest.mark.parametrize("target", [FREE, "169.254.169.254", "10.77.0.1"])
def test_a_namespace_without_network_gets_none(world, make_daemon, uid, target):
    daemon = make_daemon().start()
    if target != FREE:
        sh("ip", "-n", world.host, "addr", "add", target + "/32", "dev", "h0")
    code = FORGE % (DNS, DNS, answer("api.openai.com", target).hex()) + ASK % (target, "free.example")
    done = world.run_in(world.load, ["unshare", "-Urn", PYTHON, "-c", code], uid=uid)
    assert "ConnectionReset" in done.stdout and world.sim.requests() == [], done
    event = daemon.event("not_passed")
    assert event["host"] == "free.example" and "no route" in event["text"]


@pytest.mark.parametrize("network", [UP, ROUTED], ids=["no device", "no peer"])
@pytest.mark.parametrize("capture, target", [("names", PROVIDERS), ("tls", PROVIDERS), ("tls", FREE), ("all", FREE)])
def test_capture_gives_a_namespace_no_network(world, make_daemon, network, capture, target):
    """Nor does an address that egretd itself knows as a provider's. Governed names are served there all the same."""
    daemon = make_daemon(agent_policy(world, agent_has={"capture": capture}), settings={"upstream.connect_ms": 1000}).start()
    done = world.run_in(world.load, ["unshare", "-Urn", PYTHON, "-c", alone(network) + ASK % (target, "free.example")])
    assert done.stdout and "passed" not in done.stdout, done
    assert world.sim.log()["connections"] == []
    if network == UP:
        assert daemon.event("not_passed")["host"] == "free.example"
    done = world.run_in(world.load, ["unshare", "-Urn", PYTHON, "-c", alone(network) + ASK % (PROVIDERS, "api.openai.com")])
    assert done.stdout.startswith("passed"), done


def served(daemon, world):
    """A pod with listeners and backstop."""
    pod = Pod(world)
    keeper = pod.start(["sleep", "1000"])
    world.closers.append(lambda: (keeper.kill(), keeper.wait()))

    def is_fenced():
        return [(r["devices"], r["ipv4"], r["ipv6"]) for r in daemon.egret("netns", "list")] == [(1, True, True)]
    wait_for(is_fenced, what="listeners and backstop")
    return pod


def ask_from(pod, target, name="free.example"):
    return pod.python(ASK % (target, name))


@pytest.mark.parametrize("target", [FREE, FREE6])
def test_what_a_pod_sends_by_way_of_egret_comes_from_the_pod(world, make_daemon, target):
    """The twin: its own routes, its own address."""
    daemon = make_daemon(agent_policy(world, agent_has={"capture": "all"})).start()
    pod = served(daemon, world)
    assert ask_from(pod, target).startswith("passed")
    connection, = world.sim.log()["connections"]
    assert connection["peer"] == (pod.address6 if ":" in target else pod.address)
    sh("ip", "-n", pod.ns, *(["-6"] if ":" in target else []), "route", "del", "default")
    assert "passed" not in ask_from(pod, target) and len(world.sim.log()["connections"]) == 1


def test_other_names_at_a_providers_address_are_reached_from_a_pod(world, make_daemon):
    """What the backstop would drop on its way from there goes by the host's network."""
    daemon = make_daemon().start()
    pod = served(daemon, world)
    assert ask_from(pod, PROVIDERS).startswith("passed")
    assert world.sim.log()["connections"][0]["peer"] == "198.51.100.2"


@pytest.mark.parametrize("kind, device", [("inet", ""), ("netdev", "device eth0")])
def test_what_a_pod_rewrites_on_its_way_is_still_held(world, make_daemon, kind, device):
    """egret's socket is in a namespace that is not egret's: what leaves it may go elsewhere than it says."""
    daemon = make_daemon(agent_policy(world, agent_has={"capture": "all"}), settings={"upstream.connect_ms": 1000}).start()
    pod = served(daemon, world)
    how = f"type nat hook output priority -100; ip daddr {FREE} dnat ip to {PROVIDERS};" if kind == "inet" else \
        f"type filter hook egress {device} priority 0; ip daddr {FREE} ip daddr set {PROVIDERS};"
    rules = f"table {kind} n {{ chain c {{ {how} }}; }}"
    done = world.run_in(pod.cgroup, ["nft", "-f", "-"], stdin=rules, ns=pod.path)
    assert done.returncode == 0, done.stderr
    assert "passed" not in ask_from(pod, FREE)
    assert world.counter.connections(world) == 0 and world.sim.log()["connections"] == []


@pytest.mark.parametrize("name, allow", [("api.openai.com", ()), ("pypi.example", ("pypi.example:443",))])
def test_what_a_resolver_quotes_teaches_nothing(world, make_daemon, name, allow):
    """A message inside of another, at the beginning of a segment of its own."""
    sh("ip", "-n", world.net, "addr", "add", RESOLVER + "/32", "dev", "n0")
    make_daemon(agent_policy(world, agent_has=deny(*allow)), settings={"dns.trust": [RESOLVER]}).start()
    text = bytearray(b"A" * 6000)
    fake = answer(name, FREE)
    text[1102:1102 + len(fake)] = fake
    path = world.tmp / "txt"
    path.write_text(text.hex())
    zone = subprocess.Popen(["ip", "netns", "exec", world.net, PYTHON, "-c", ZONE % (RESOLVER, path)], stdout=subprocess.PIPE,
                            text=True)
    try:
        assert zone.stdout.readline() == "up\n"
        assert int(world.python(READ % RESOLVER, world.load, uid=USER)) > 6000
        said = world.python(ASK % (FREE, "free.example"), world.load, uid=USER)
        assert said.startswith("ConnectionRefused") and world.sim.requests() == []
    finally:
        zone.kill()
        zone.wait()
