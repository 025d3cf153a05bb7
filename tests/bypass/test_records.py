# SPDX-License-Identifier: Apache-2.0
"""The record that says whose a connection is (row 12): nobody gets another's, or one at all without
having been redirected; and no record, no service."""
import subprocess
import textwrap

import pytest

from lib.arena import BOTH, FORMS, OWN, OWN6, Arena
from lib.pod import Pod
from lib.system import PYTHON, wait_for
from lib.workload import Refused, Workload

ROUNDS = 40  # connections of each of two that fight for a port


@pytest.fixture(scope="module")
def arena():
    """Some of these are served: what arrives for a governed address is egret's own here."""
    with Arena() as a:
        yield a


@pytest.mark.parametrize("family, address", [(2, "127.0.0.1"), (2, "127.0.0.2"), (2, "0.0.0.0"), (10, "::1"), (10, "::"),
                                             (10, "::ffff:127.0.0.1"), (10, "::ffff:0.0.0.0")])
def test_straight_to_the_listener(arena, found, family, address):
    counts = arena.counts()
    code = f"import socket; s = socket.socket({family}); s.settimeout(10); print(s.connect_ex(('{address}', 15001)))"
    got = arena.python(code).strip()
    found("12", f"straight to {address}", "IPv4" if family == 2 else "IPv6", "ECONNREFUSED", "connect: k_proxy_port",
          twin="no")
    assert got == "111"
    assert arena.counts()["connect.k_proxy_port"] == counts.get("connect.k_proxy_port", 0) + 1


@pytest.mark.parametrize("address", [OWN, OWN6])
def test_nothing_listens_at_an_address_of_the_hosts_own(arena, address):
    code = f"import socket; s = socket.socket({10 if ':' in address else 2}); print(s.connect_ex(('{address}', 15001)))"
    assert arena.python(code).strip() == "111"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_without_a_record_there_is_no_service(arena, found, address):
    """From outside, where no hook runs: the listener accepts, finds no record, and says nothing."""
    before, counts = len(arena.sim.requests()), arena.counts()
    outside = Workload(arena, arena.daemon.ca, arena.outside)
    with pytest.raises(Refused) as refused:
        outside.open(address, port=15001, sni="api.openai.com")
    assert refused.value.error in ("ConnectionResetError", "SSLEOFError", "SSLZeroReturnError"), refused.value
    outside.close()
    found("12", "the listener without a record", "IPv6" if ":" in address else "IPv4", "closed",
          "sockops: no_flow", twin="no")
    assert arena.counts()["sockops.no_flow"] > counts.get("sockops.no_flow", 0)
    assert len(arena.sim.requests()) == before


# Always from one source port, always ended by a reset, so that the port is free again at once.
FIGHTER = """
import json, socket, ssl, struct, sys
address, ca, who, rounds, port, source = sys.argv[1:4] + [int(n) for n in sys.argv[4:6]] + [sys.argv[6]]
context = ssl.create_default_context(cafile=ca)
done = 0
while done < rounds:
    t = None
    s = socket.socket(10 if ":" in address else 2); s.settimeout(20)
    s.setsockopt(1, 2, 1); s.setsockopt(1, 15, 1)
    try:
        s.bind((source, port)); s.connect((address, 443))
        t = context.wrap_socket(s, server_hostname="api.openai.com")
        t.sendall(f"GET /v1/models/{who} HTTP/1.1\\r\\nHost: api.openai.com\\r\\n\\r\\n".encode())
        if t.recv(100).startswith(b"HTTP/1.1 "): done += 1
    except OSError:
        continue  # the other one has the port
    finally:
        s = t or s
        s.setsockopt(1, 13, struct.pack("ii", 1, 0)); s.close()
print("done")
"""


def fight(arena, form, fighters, source, port):
    """fighters: {name: how to start it}. Every record names the cgroup that the request came from."""
    arena.daemon.mark_now()
    address = FORMS[form].target
    procs = {who: arena.start([PYTHON, "-c", FIGHTER, address, str(arena.daemon.ca), who, str(ROUNDS), str(port), source],
                              stdout=subprocess.PIPE, text=True, **how) for who, how in fighters.items()}
    for p in procs.values():
        out, _ = p.communicate(timeout=120)
        assert out == "done\n"

    def records():
        found = [r for r in arena.daemon.records("--limit", "1000") if r["time_us"] >= arena.daemon.mark]
        return found if len(found) >= ROUNDS * len(fighters) else None
    rows = wait_for(records, what="the records")
    for who, how in fighters.items():
        mine = [r for r in rows if r["path"].endswith("/" + who)]
        assert len(mine) >= ROUNDS
        assert {r["cgroup_path"].rsplit("/", 1)[1] for r in mine} == {how["cgroup"].name}
        assert {r["pid"] for r in mine} == {procs[who].pid}


@pytest.mark.parametrize("form", BOTH)
def test_two_cgroups_fight_for_one_source_port(arena, found, form):
    source = OWN6 if form == "IPv6" else OWN
    fight(arena, form, {who: {"cgroup": arena.group(f"load/{who}")} for who in ("anna", "bert")}, source, 40077)
    found("12c", "two cgroups fight for a port", form, "ok", "sockops: each its own record", twin="no")


@pytest.mark.parametrize("form", BOTH)
def test_the_same_addresses_and_ports_in_two_namespaces(arena, found, form):
    pods = [Pod(arena, n, wired=False) for n in (21, 22)]
    for pod in pods:
        wait_for(lambda pod=pod: pod.connect(FORMS[form].target) == 0, what="a listener")
    source = "::1" if form == "IPv6" else "127.0.0.1"
    fight(arena, form, {f"pod{p.number}": {"cgroup": p.cgroup, "ns": p.path} for p in pods}, source, 40078)
    found("12d", "one four-tuple in two namespaces", form, "ok", "sockops: each its own record", twin="no")
    for pod in pods:
        pod.close()


# A record that is left when its connection was reset before anybody accepted it is not the next one's.
VICTIM = """
import socket, struct, sys
for line in sys.stdin:
    s = socket.socket(); s.setsockopt(1, 2, 1); s.setsockopt(1, 15, 1)
    s.bind(("127.0.0.1", 40079)); s.connect((sys.argv[1], 443))
    s.setsockopt(1, 13, struct.pack("ii", 1, 0)); s.close()
    print("reset", flush=True)
"""
THIEF = """
import socket, struct, sys
for line in sys.stdin:
    s = socket.socket(); s.settimeout(10); s.setsockopt(1, 2, 1); s.setsockopt(1, 15, 1)
    s.bind(("127.0.0.1", 40079))
    try:
        s.connect(("127.0.0.1", 15001)); s.sendall(bytes.fromhex(sys.argv[1])); got = s.recv(1)
    except OSError:
        got = b""
    s.setsockopt(1, 13, struct.pack("ii", 1, 0)); s.close()
    print(len(got), flush=True)
"""


def hello():
    import ssl
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="api.openai.com")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read().hex()


def test_a_record_is_not_left_for_the_next_on_the_same_port(arena, found):
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    victim = arena.start([PYTHON, "-c", textwrap.dedent(VICTIM), FORMS["IPv4"].target], **piped)
    thief = arena.start([PYTHON, "-c", textwrap.dedent(THIEF), hello()], arena.outside, **piped)
    stolen = 0
    for _ in range(50):
        for p in (victim, thief):
            p.stdin.write("\n")
            p.stdin.flush()
            said = p.stdout.readline()
        stolen += said != "0\n"
    for p in (victim, thief):
        p.communicate("")
    found("12b", "the port of a victim's reset connection", "IPv4", "closed", "sockops: no_flow", twin="no")
    assert stolen == 0
    assert arena.counts()["sockops.no_flow"] >= 50
