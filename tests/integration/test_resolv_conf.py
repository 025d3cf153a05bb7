# SPDX-License-Identifier: Apache-2.0
"""The host's resolv.conf changes while egretd runs: by DHCP, a VPN, or whoever else writes it."""
import subprocess

import pytest

from lib.system import PYTHON, sh, wait_for
from lib.workload import Workload
from lib.world import DNS, PROVIDERS

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
OTHER = "203.0.113.54"

# Every name is at ADDRESS; says whom it answered.
SERVER = """
import socket, sys
s = socket.socket(2, 2); s.bind((sys.argv[1], 53)); print("up", flush=True)
while True:
    q, peer = s.recvfrom(4096)
    end = q.index(0, 12) + 5
    a = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + socket.inet_aton(sys.argv[2]) if q[end - 4:end - 2] == b"\\0\\1" else b""
    s.sendto(q[:2] + b"\\x81\\x80\\0\\1" + (b"\\0\\1" if a else b"\\0\\0") + b"\\0\\0\\0\\0" + q[12:end] + a, peer)
    print(peer[0], flush=True)
"""
LOOKUP = """
import socket
name = b"".join(bytes([len(p)]) + p.encode() for p in "api.openai.com".split("."))
s = socket.socket(2, 2); s.settimeout(10); s.connect(("SERVER", 53))
s.send(b"\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + name + b"\\0\\0\\1\\0\\1"); assert len(s.recv(4096)) > 40"""


class Etc:
    """/etc of the daemon is a copy, so that its resolv.conf can be replaced."""

    def __init__(self, world):
        self.dir = world.tmp / "etc"
        sh("cp", "-a", "/etc", self.dir)
        self.file = self.dir / "resolv.conf"
        self.file.unlink(missing_ok=True)
        self.stub = world.tmp / "stub"
        self.stub.mkdir()
        self.file.write_text(f"nameserver {DNS}\n")
        sh("nsenter", f"--mount=/proc/{world.holder.pid}/ns/mnt", "mount", "--bind", self.dir, "/etc")

    def in_place(self, text):
        self.file.write_text(text)

    def by_rename(self, text):
        fresh = self.dir / "resolv.conf.tmp"
        fresh.write_text(text)
        fresh.rename(self.file)

    def by_link(self, text):
        (self.stub / "resolv.conf").write_text(text)
        fresh = self.dir / "resolv.conf.tmp"
        fresh.symlink_to(self.stub / "resolv.conf")
        fresh.rename(self.file)


@pytest.fixture
def etc(world):
    return Etc(world)


@pytest.fixture
def other(world):
    """A second name server, at the far side; its lines say who asked it."""
    sh("ip", "-n", world.net, "addr", "add", OTHER + "/32", "dev", "n0")
    server = subprocess.Popen(["ip", "netns", "exec", world.net, PYTHON, "-c", SERVER, OTHER, PROVIDERS],
                              stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "up\n"
    yield server
    server.kill()
    server.communicate()


def changed(daemon, server=OTHER):
    wait_for(lambda: f"names other servers now: {server}\"" in daemon.log(), what=f"a look at {server}")


def lookup(world, server, cgroup):
    world.python(LOOKUP.replace("SERVER", server), world.group(cgroup))


def learned(daemon, world, cgroup):
    return [r["address"] for r in daemon.egret("endpoint", "list")
            if r.get("cgroup_path") == f"/{world.cgroup.name}/{cgroup}"]


def served(world, daemon):
    """By a worker that must look the provider up; the client asks nobody."""
    conn = Workload(world, daemon.ca).open(PROVIDERS, sni="api.openai.com", verify=False)
    return conn.ask("POST", "/v1/chat/completions", CHAT, host="api.openai.com").status == 200


@pytest.mark.parametrize("how", ["in_place", "by_rename", "by_link"])
def test_new_servers_are_asked_and_believed_at_once(etc, other, make_daemon, world, how):
    daemon = make_daemon().start()
    workload = Workload(world, daemon.ca)
    conn = workload.open()
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
    lookup(world, OTHER, "load/before")
    assert learned(daemon, world, "load/before") == [] and other.stdout.readline()
    lookup(world, DNS, "load/before")
    assert learned(daemon, world, "load/before") == [PROVIDERS + "/32"]
    getattr(etc, how)(f"nameserver {OTHER}\n")
    assert other.stdout.readline() == "198.51.100.2\n"  # a worker, of its own accord
    changed(daemon)
    lookup(world, OTHER, "load/after")
    assert learned(daemon, world, "load/after") == [PROVIDERS + "/32"]
    lookup(world, DNS, "load/stale")  # it answers, and is nobody's resolver any more
    assert learned(daemon, world, "load/stale") == []
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    assert all(p["restarts"] == 0 for p in daemon.egret("status")["processes"])


def test_a_target_that_is_replaced_is_seen_through_the_link(etc, other, make_daemon, world):
    etc.by_link(f"nameserver {DNS}\n")
    make_daemon().start()
    fresh = etc.stub / "fresh"
    fresh.write_text(f"nameserver {OTHER}\n")
    fresh.rename(etc.stub / "resolv.conf")
    assert other.stdout.readline() == "198.51.100.2\n"


@pytest.mark.parametrize("text", ["", "search example.com\n", None], ids=["empty", "no-server", "gone"])
def test_a_file_that_names_nobody_changes_nothing(etc, other, make_daemon, world, text):
    daemon = make_daemon().start()
    if text is None:
        etc.file.unlink()
    else:
        etc.by_rename(text)

    def warned():
        return any("stay in use" in w for w in daemon.egret("status")["warnings"])

    wait_for(warned, what="a warning")
    lookup(world, DNS, "load/still")
    assert learned(daemon, world, "load/still") == [PROVIDERS + "/32"]
    assert served(world, daemon)
    # A worker that begins now asks those that are in force as well.
    sh("kill", "-9", *daemon.children("worker"))
    wait_for(lambda: daemon.children("worker"), what="a new worker")
    daemon.egret("daemon", "reload")
    assert served(world, daemon)
    etc.by_rename(f"nameserver {OTHER}\n")
    assert other.stdout.readline() == "198.51.100.2\n"
    assert not warned()


def test_workers_keep_to_configured_resolvers(etc, other, make_daemon, world):
    daemon = make_daemon(settings={"resolvers": [DNS]}).start()
    etc.by_rename(f"nameserver {OTHER}\n")
    changed(daemon)
    lookup(world, OTHER, "load/after")  # but workloads ask whom their host names
    assert other.stdout.readline() == "198.51.100.2\n"
    assert learned(daemon, world, "load/after") == [PROVIDERS + "/32"]
    assert served(world, daemon)
    daemon.stop()
    other.kill()
    assert other.stdout.read() == ""  # nobody else has asked it


def test_an_upgraded_daemon_watches_on(etc, other, make_daemon, world):
    daemon = make_daemon().start()
    daemon.egret("daemon", "upgrade")
    assert daemon.egret("status")["generation"] == 2
    etc.by_rename(f"nameserver {OTHER}\n")
    assert other.stdout.readline() == "198.51.100.2\n"
    changed(daemon)
    assert Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT).status == 200
