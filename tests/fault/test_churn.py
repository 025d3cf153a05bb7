# SPDX-License-Identifier: Apache-2.0
"""Cgroups, network namespaces and connections that come and go faster than anybody can look at them:
egretd stays up and within its memory, others are served, and nothing gets out."""
import json
import signal
import threading
from pathlib import Path

import pytest

from lib.bounds import Bounds
from lib.daemon import Daemon
from lib.policies import agent_policy
from lib.system import BUILD, wait_for
from lib.workload import Workload
from lib.world import FREE, PROVIDERS

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
CONNREFUSED = 111
FLOOD = BUILD / "tests/lib/flood"
CONNECT = "import socket; print(socket.socket().connect_ex(('{}', 443)))"
MIB = 1024  # KiB
QUEUE = Path("/proc/sys/fs/fanotify/max_queued_events")


@pytest.fixture
def daemon(world):
    path = "/" + str(world.group("churn").relative_to(world.cgroup.parent))
    churn = {"match": [{"cgroup": path}, {"cgroup": path + "/**"}], "egress": {"default": "deny"}}
    late = {"match": [{"cgroup": path.replace("/churn", "/late") + "/**"}], "egress": {"default": "deny"}}
    made = Daemon(world, agent_policy(world, workloads={"churn": churn, "late": late}), settings={"workers": 2}).start()
    yield made
    assert made.stop() == 0
    made.nothing_left()


class Served:
    """A workload whose requests go on meanwhile, and must all be answered."""

    def __init__(self, world, daemon):
        self.workload, self.statuses, self.end = Workload(world, daemon.ca), [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.end.is_set():
            try:
                self.statuses.append(self.workload.call("POST", "/v1/chat/completions", CHAT).status)
            except Exception as e:  # whatever it was, the workload saw it
                self.statuses.append(repr(e))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()
        assert len(self.statuses) > 3 and set(self.statuses) == {200}, self.statuses


def batch(world, n, count):
    made = [world.cgroup / f"churn/b{n}-{i}" for i in range(count)]
    for path in made:
        path.mkdir()
    for path in (made[0], made[-1]):
        assert int(world.python(CONNECT.format(FREE), path)) == CONNREFUSED
    for path in made:
        path.rmdir()


def test_thousands_of_cgroups_come_and_go(world, daemon):
    batch(world, 0, 1000)
    bounds = Bounds(daemon, 4 * MIB)
    with Served(world, daemon):
        for n in range(1, 5):
            batch(world, n, 1000)
    bounds.check()
    wait_for(lambda: not [r for r in daemon.egret("cgroup", "list", "--all") if "/churn/b" in r["cgroup_path"]],
             what="what is gone to be forgotten")


def test_when_the_kernel_loses_news_of_cgroups_all_are_looked_at(world, daemon):
    """Held still, the monitor takes none; more come than wait for it."""
    late = world.group("late/one")
    wait_for(lambda: int(world.python(CONNECT.format(FREE), late)) == CONNREFUSED, what="its mode")
    daemon.proc.send_signal(signal.SIGSTOP)
    try:
        for i in range(int(QUEUE.read_text()) + 10):
            path = world.cgroup / f"churn/q{i}"
            path.mkdir()
            path.rmdir()
        later = world.group("late/two")
    finally:
        daemon.proc.send_signal(signal.SIGCONT)
    wait_for(lambda: int(world.python(CONNECT.format(FREE), later)) == CONNREFUSED, what="the mode of one that nobody told of")
    shown = daemon.egret("cgroup", "show", str(later))
    assert (shown["workload"], shown["egress"], shown["own"]) == ("late", "deny", True)


def test_network_namespaces_that_are_gone_when_entered(world, daemon):
    def flood(n):
        done = world.run_in(world.group(f"load/n{n}"), [FLOOD, "netns", PROVIDERS, 443, 100])
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    flood(0)
    wait_for(lambda: not daemon.egret("netns", "list"), 30, "the first to be left")
    before, bounds = world.counter.connections(world), Bounds(daemon, 4 * MIB)
    with Served(world, daemon) as served:
        made = [flood(n) for n in range(1, 5)]
    assert sum(m["made"] for m in made) == 400
    wait_for(lambda: not daemon.egret("netns", "list"), 30, "all of them to be left")
    bounds.check()
    assert world.counter.connections(world) - before <= len(served.statuses)  # egret's own, for requests


def test_one_that_opens_and_drops_connections_hurts_no_other(world, daemon):
    def flood(ms):
        done = world.run_in(world.group("load/flood"), [FLOOD, "connect", PROVIDERS, 443, ms])
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    flood(500)
    bounds = Bounds(daemon, 16 * MIB)
    with Served(world, daemon):
        seen = flood(4000)
    print(f"{seen['opened'] * 1000 // seen['ms']} connections a second, {seen['failed']} failed")
    assert seen["opened"] > 4000
    bounds.check()
    wait_for(lambda: not daemon.egret("flow", "list"), 30, "its connections to be forgotten")
