# SPDX-License-Identifier: Apache-2.0
"""Sockets older than enforcement: made, and used, while no egretd ran (which is their twin), and used again
when one does. Rows 4b, 6c, 7, 8b, 8c and 16. Those that the daemon can find it ends; the others meet the gate."""
import errno
import json
import subprocess
import textwrap

import pytest

from lib.arena import BOTH, FORMS, Arena
from lib.system import PYTHON, sh, wait_for
from lib.world import FREE, FREE6

# Sockets of every kind, made and used before; a line of input makes them send again. Says each result.
OLDER = """
import json, socket, struct, sys
family, target = int(sys.argv[1]), sys.argv[2]
def made(*a):
    s = socket.socket(family, *a); s.settimeout(5); return s
def connected(s, to=target, port=443):
    s.connect((to, port)); return s
raw = bytes([0x45, 0, 0, 24, 0, 0, 0, 0, 64, 253, 0, 0, 198, 51, 100, 2]) if family == 2 else \\
    bytes([0x60, 0, 0, 0, 0, 4, 253, 64]) + socket.inet_pton(10, "2001:db8:1::2")
raw += socket.inet_pton(family, target) + b"data"
ways = {
    "tcp": (lambda s: s.send(b"data"), connected(made(1))),
    "udp": (lambda s: s.send(b"data"), connected(made(2))),
    "udp not connected": (lambda s: s.sendto(b"data", (target, 443)), made(2)),
    "udplite": (lambda s: s.send(b"data"), connected(made(2, 136))),
    "raw": (lambda s: s.sendto(b"data", (target, 0)), made(3, 253)),
    "raw header": (lambda s: s.sendto(raw, (target, 0)), made(3, 255)),
    "ping": (lambda s: s.sendto(bytes([8 if family == 2 else 128, 0, 0, 0, 0, 0, 0, 1]) + b"x", (target, 0)),
             made(2, 1 if family == 2 else 58)),
}
while True:
    seen = {}
    for name, (use, s) in ways.items():
        try:
            use(s); seen[name] = 0
        except OSError as e:
            seen[name] = e.errno or -1
    print(json.dumps(seen), flush=True)
    if not sys.stdin.readline():
        break
"""


def errno_name(number):
    return errno.errorcode.get(number, "ok")


@pytest.fixture
def quiet():
    """No daemon yet."""
    with Arena(start_daemon=False) as a:
        yield a


def start(arena, code, *argv, cgroup=None):
    return arena.start([PYTHON, "-c", textwrap.dedent(code), *map(str, argv)], cgroup, stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True)


def ask(proc):
    proc.stdin.write("\n")
    proc.stdin.flush()
    return json.loads(proc.stdout.readline())


def test_sockets_older_than_enforcement(quiet, found):
    procs = {form: start(quiet, OLDER, 10 if form == "IPv6" else 2, FORMS[form].target) for form in BOTH}
    before = {form: json.loads(p.stdout.readline()) for form, p in procs.items()}
    assert all(set(seen.values()) == {0} for seen in before.values()), before
    assert quiet.oracle.read()["target"] >= 2 * len(before["IPv4"])
    quiet.daemon.start()
    arrived, dropped = quiet.oracle.read(), quiet.counts().get("egress.k_packet", 0)
    for p in procs.values():  # sent, and eaten by the gate, until the sweep has come by
        wait_for(lambda p=p: ask(p)["tcp"] in (32, 103, 104), what="the end of the connection")
    after = {form: ask(p) for form, p in procs.items()}
    now = quiet.oracle.read()
    for form, seen in after.items():
        for name, error in seen.items():
            row = {"tcp": "8b", "udp": "6c", "udplite": "4d", "raw": "7", "raw header": "7", "ping": "7b"}.get(name, "6c")
            by = {"tcp": "ended by the sweep", "udp": "ended by the sweep", "udp not connected": "sendmsg: k_udp"}
            saw = "ended" if name in ("tcp", "udp") else errno_name(error)  # in whichever way it notices
            found(row, f"{name}, older than egretd", form, saw, by.get(name, "egress: k_packet"),
                  now["target"] - arrived["target"])
    assert now["target"] == arrived["target"]
    assert quiet.counts()["egress.k_packet"] >= dropped + 8  # UDP-Lite, raw, raw header, ping
    assert now["target reset"] <= 2  # row 16: what the provider learns of it
    for form in BOTH:
        assert after[form]["udp"] != 0, after
        assert after[form]["udp not connected"] == 111
    for p in procs.values():
        p.communicate("")
    assert quiet.oracle.read()["target"] == arrived["target"]


# A socket of a cgroup that is gone by the time of the attachment; its user is outside the enforced tree.
DYING = """
import os, socket, sys
family, target, outside, dying = int(sys.argv[1]), *sys.argv[2:5]
s = socket.socket(family, 2)
open(outside + "/cgroup.procs", "w").write("0")
os.rmdir(dying)
while True:
    try:
        s.sendto(b"data", (target, 443)); print(0, flush=True)
    except OSError as e:
        print(e.errno, flush=True)
    if not sys.stdin.readline():
        break
"""


def test_a_socket_of_a_cgroup_that_is_gone(quiet, found):
    procs = {}
    for form in BOTH:
        dying = quiet.group(f"dying-{form}")
        procs[form] = start(quiet, DYING, 10 if form == "IPv6" else 2, FORMS[form].target, quiet.outside, dying,
                            cgroup=dying)
    assert [p.stdout.readline() for p in procs.values()] == ["0\n", "0\n"]
    before = quiet.oracle.read()["target"]
    assert before == 2
    quiet.daemon.start()
    for form, p in procs.items():
        got = ask(p)
        found("8c", "socket of a removed cgroup", form, errno_name(got), "sendmsg: k_udp", quiet.oracle.read()["target"] - before)
        assert got == 111
        p.communicate("")
    assert quiet.oracle.read()["target"] == before


# The server of an innocent address; what it announces the kernel of the client dials by itself.
MPTCP_SERVER = """
import socket, sys
made = []
for family, address in ((2, sys.argv[1]), (10, sys.argv[2])):
    s = socket.socket(family, 1, 262); s.setsockopt(1, 2, 1); s.bind((address, 9443)); s.listen(); made.append(s)
print("up", flush=True)
kept = [s.accept()[0] for s in made]
for k in kept:
    k.recv(1); k.send(b"y")
sys.stdin.read()
"""
MPTCP_CLIENT = """
import socket, sys
kept = []
for family, address in ((2, sys.argv[1]), (10, sys.argv[2])):
    s = socket.socket(family, 1, 262); s.connect((address, 9443)); s.send(b"x"); kept.append(s)
for k in kept:
    k.recv(1)
print("up", flush=True)
sys.stdin.read()
"""


def announce(arena, *addresses):
    for address in addresses:
        sh("ip", "-n", arena.net, "mptcp", "endpoint", "add", address, "signal", "port", "9444")


def test_an_address_that_the_server_announces_is_not_dialled(quiet, found):
    """MPTCP's path manager connects in a kernel thread, for nobody."""
    sh("ip", "-n", quiet.host, "mptcp", "limits", "set", "subflows", "8", "add_addr_accepted", "8")
    sh("ip", "-n", quiet.net, "mptcp", "limits", "set", "subflows", "8")
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    server = quiet.start([PYTHON, "-c", MPTCP_SERVER, FREE, FREE6], quiet.outside, ns=f"/run/netns/{quiet.net}", **piped)
    assert server.stdout.readline() == "up\n"
    client = start(quiet, MPTCP_CLIENT, FREE, FREE6)
    assert client.stdout.readline() == "up\n"
    announce(quiet, FORMS["IPv4"].twin, FORMS["IPv6"].twin)
    wait_for(lambda: quiet.oracle.read()["twin syn"] >= 2, what="the kernel's own connections")
    quiet.daemon.start()
    announce(quiet, FORMS["IPv4"].target, FORMS["IPv6"].target)
    wait_for(lambda: quiet.counts().get("connect.k_kthread", 0) >= 2, what="the refusals")
    for form in BOTH:
        found("4b", "mptcp, address announced by the server", form, "-", "connect: k_kthread",
              quiet.oracle.read()["target syn"])
    assert quiet.oracle.read()["target syn"] == 0
    for p in (client, server):
        p.communicate("")
