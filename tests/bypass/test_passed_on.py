# SPDX-License-Identifier: Apache-2.0
"""To be taken for a provider's client must open nothing: what is passed through untouched is dialled by egret, from the
host's network. Each attack has its twin that is allowed."""
import socket
import struct
import subprocess

import pytest

from lib.pod import TRY
from lib.policies import agent_policy
from lib.system import PYTHON, sh
from lib.world import DNS, FREE, PROVIDERS

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


@pytest.mark.parametrize("uid", [None, USER])
@pytest.mark.parametrize("target", [FREE, "169.254.169.254", "10.77.0.1"])
def test_a_namespace_without_network_gets_none(world, make_daemon, uid, target):
    daemon = make_daemon().start()
    if target != FREE:
        sh("ip", "-n", world.host, "addr", "add", target + "/32", "dev", "h0")
    code = FORGE % (DNS, DNS, answer("api.openai.com", target).hex()) + ASK % (target, "free.example")
    done = world.run_in(world.load, ["unshare", "-Urn", PYTHON, "-c", code], uid=uid)
    assert "ACCESS_DENIED" in done.stdout and world.sim.requests() == [], done
    assert daemon.event("not_passed")["host"] == "free.example"


def test_what_a_provider_has_is_passed_for_it_too(world, make_daemon):
    """The twin: an address that egretd itself knows as a provider's; its other names are of the same owner."""
    make_daemon().start()
    done = world.run_in(world.load, ["unshare", "-Urn", PYTHON, "-c",
                                     "import subprocess; subprocess.run('ip link set lo up', shell=True)\n" + TRY +
                                     ASK % (PROVIDERS, "free.example")])
    assert done.stdout.startswith("passed"), done


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
