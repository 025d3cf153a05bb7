# SPDX-License-Identifier: Apache-2.0
"""Workloads that make a great deal of everything: connections, half-open ones, DNS answers, namespaces that
are gone while they are looked into. egret stays up, others are not hurt, memory stays bounded."""
import os
import signal
import subprocess
import textwrap
from pathlib import Path

import pytest

from lib.arena import ATTACK, FORMS, OWN, Arena
from lib.dns import a, message
from lib.pod import Pod
from lib.system import PYTHON, SANITIZED, wait_for
from lib.workload import Workload
from lib.world import DNS, FREE

ROOM_KIB = 64 << 10  # for all processes together
LEARNED = "203.0.113.12"  # of a name that nobody can resolve in advance


class FloodArena(Arena):
    def simulator_args(self):
        return [*super().simulator_args(), "--name", f"res.openai.azure.com=azure-openai@{LEARNED}"]

    def wire(self):
        super().wire()
        subprocess.run(["ip", "-n", self.net, "addr", "add", LEARNED + "/32", "dev", "n0"], check=True)


@pytest.fixture(scope="module")
def arena():
    """Others are served meanwhile: what arrives for a governed address is egret's own here."""
    with FloodArena() as a:
        yield a


@pytest.fixture
def neighbour(arena):
    workload = Workload(arena, arena.daemon.ca, arena.group("load/neighbour"))
    yield workload
    workload.close()


def held(daemon):
    """Descriptors and KiB of memory of every process of egretd."""
    pids = [daemon.proc.pid, *daemon.children()]
    status = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return sum(daemon.fds(pid) for pid in pids), \
        sum(int(line.split()[1]) for text in status for line in text.splitlines() if line.startswith("VmRSS")), pids


def entries(daemon, name):
    return next(m["entries"] for m in daemon.egret("map", "list") if m["name"] == name)


@pytest.mark.parametrize("form", ["IPv4", "IPv6"])
def test_connections_opened_and_dropped(arena, neighbour, found, form):
    assert neighbour.call("GET", "/v1/models").status == 200
    fds, memory, pids = held(arena.daemon)
    hostile = [arena.start_attack("flood", FORMS[form].target, form, cgroup=arena.group(f"load/hostile{i}"))
               for i in range(2)]
    served = 0
    while any(p.poll() is None for p in hostile):
        assert neighbour.call("GET", "/v1/models").status == 200
        served += 1
    saw = {p.communicate()[0].strip() for p in hostile}
    found("+", "40,000 connections opened and dropped", form, "/".join(sorted(saw)), "redirected to egret", twin="no")
    assert served > 3 and all(p.returncode == 0 for p in hostile)
    wait_for(lambda: held(arena.daemon)[0] <= fds + 8, 30, "descriptors given back")
    after = held(arena.daemon)
    assert after[2] == pids  # nobody died
    assert SANITIZED or after[1] - memory < ROOM_KIB, (memory, after[1])
    wait_for(lambda: entries(arena.daemon, "eg_tuple") == 0, what="records of handshakes given back")
    assert neighbour.call("GET", "/v1/models").status == 200


def test_a_full_map_of_handshakes_confuses_nobody(arena, neighbour, found):
    """With the worker held up, more handshakes are begun than the map has room for; the oldest give way, and
    who lost its record is closed. Whoever is served is who it is."""
    worker = arena.daemon.children("worker")[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        hostile = arena.start(arena_argv(arena, "flood-held"), arena.group("load/holder"), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
        assert hostile.stdout.readline() == "held\n"
    finally:
        os.kill(worker, signal.SIGCONT)
    hostile.communicate("x")
    arena.daemon.mark_now()
    assert neighbour.call("GET", "/v1/models").status == 200
    record = arena.daemon.record()
    assert record["cgroup_path"].endswith("/load/neighbour") and record["pid"] == neighbour.pid
    found("+", "map of handshakes full", "IPv4", "ok", "redirected to egret, or closed", twin="no")
    wait_for(lambda: entries(arena.daemon, "eg_tuple") == 0, 30, "records of handshakes given back")


def arena_argv(arena, name):
    return [ATTACK, name, FORMS["IPv4"].target, "443", FREE, OWN, "h0", arena.gateway]


# A server in the pod's own namespace that has the resolver's address: it answers what it likes.
FORGER = """
import socket, sys, threading
answers = [bytes.fromhex(line) for line in sys.stdin.read().split()]
server = socket.socket(2, 2); server.bind((sys.argv[1], 53))
client = socket.socket(2, 2); client.settimeout(10); client.connect((sys.argv[1], 53))
for answer in answers:
    client.send(b"question")
    _, peer = server.recvfrom(100)
    server.sendto(answer, peer)
    assert client.recv(4096) == answer
print(len(answers))
"""


def learned(daemon):
    return next(r["count"] for r in daemon.egret("map", "dump", "eg_count") if r["hook"] == "dns_learned")


def test_forged_answers_push_out_nobody_elses(arena, found):
    """Learned addresses are kept by cgroup: who forges answers to itself can only lose its own."""
    victim = arena.group("load/victim")
    resolve = "import socket; print(socket.getaddrinfo('res.openai.azure.com', 443, 2, 1)[0][4][0])"
    assert arena.python(resolve, victim).strip() == LEARNED
    counts, before = arena.counts(), learned(arena.daemon)
    pod = Pod(arena, 31, cgroup=arena.group("load/forger"), wired=False)
    subprocess.run(["ip", "-n", pod.ns, "addr", "add", DNS + "/32", "dev", "lo"], check=True)
    forged = [message("api.openai.com", *[a(f"198.18.{n}.{i}") for i in range(30)]).hex() for n in range(200)]
    done = arena.run_in(pod.cgroup, [PYTHON, "-c", textwrap.dedent(FORGER), DNS], stdin="\n".join(forged), ns=pod.path)
    assert done.stdout == "200\n", done.stderr
    assert learned(arena.daemon) - before >= 6000  # they were believed
    code = f"import socket; s = socket.create_connection(('{LEARNED}', 443), 10); print(s.getsockname()[0])"
    assert arena.python(code, victim).strip() == "127.0.0.1"
    assert arena.counts()["connect.allowed"] == counts.get("connect.allowed", 0) + 1
    found("+", "6,000 forged DNS answers", "IPv4", "ok", "redirected to egret", twin="no")
    pod.close()


VANISHING = """
import ctypes, os, socket
libc = ctypes.CDLL(None)
for i in range(400):
    pid = os.fork()
    if pid == 0:
        libc.unshare(0x40000000)
        socket.socket(2, 1); socket.socket(10, 1)
        os._exit(0)
    os.waitpid(pid, 0)
"""


def test_namespaces_that_are_gone_while_they_are_entered(arena, neighbour, found):
    fds, _, pids = held(arena.daemon)
    hostile = arena.start([PYTHON, "-c", VANISHING], arena.group("load/vanishing"))
    while hostile.poll() is None:
        assert neighbour.call("GET", "/v1/models").status == 200
    assert hostile.returncode == 0
    wait_for(lambda: not [r for r in arena.daemon.egret("netns", "list") if r["cgroup_path"].endswith("vanishing")], 30,
             "the namespaces given up")
    wait_for(lambda: held(arena.daemon)[0] <= fds + 8, 30, "descriptors given back")
    assert held(arena.daemon)[2] == pids
    found("+", "namespaces gone while being entered", "-", "-", "egretd stays up", twin="no")
