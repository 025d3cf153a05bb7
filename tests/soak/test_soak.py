# SPDX-License-Identifier: Apache-2.0
"""Processes of egretd are killed over and over while a workload keeps trying to get out: nothing
passes the fence, and service comes back. And egretd is upgraded over and over: nothing is refused
either, and no stream cut. Short in `make test`; `make soak` runs it in full."""
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from lib.daemon import EGRETD
from lib.next import NEXT_VERSION, VERSION
from lib.system import PYTHON, alive, members, wait_for
from lib.workload import Workload, request
from lib.world import PROVIDERS, PROVIDERS6

LOAD = Path(__file__).resolve().parent / "load.py"
VICTIMS = ["monitor", "worker", "everything", "vault", "recorder"]
CHAT_STREAM = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
TRIES = 20  # of a workload, at least, while egretd is dead


class Load:
    def __init__(self, world, ca):
        self.proc = world.start([PYTHON, LOAD, str(ca), "api.openai.com", "/v1/chat/completions", PROVIDERS, PROVIDERS6],
                                world.load, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        world.closers.append(self.close)

    def seen(self):
        self.proc.stdin.write("\n")
        self.proc.stdin.flush()
        return json.loads(self.proc.stdout.readline())

    def await_more(self, what, count):
        """Until it has seen that many more of `what`."""
        before = self.seen()[what]
        wait_for(lambda: self.seen()[what] >= before + count, 30, f"{count} more {what}")

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
            self.proc.stdin.close()
            self.proc.stdout.close()


def datagrams(world):
    """That arrived at governed addresses: egretd itself sends none, so each one leaked."""
    return sum(n for key, n in world.counter.read(world).items() if key.split(" ")[1] == "17")


def kill(daemon, victim):
    """SIGKILL to one process of egretd, or to all at once."""
    if victim == "everything":
        (daemon.world.daemon_cgroup / "cgroup.kill").write_text("1")
    elif victim == "monitor":
        daemon.proc.send_signal(signal.SIGKILL)
    else:
        # None is ready when the one before has just been killed.
        os.kill(wait_for(lambda: daemon.children(victim), what=f"a {victim} that is ready")[0], signal.SIGKILL)
        return
    daemon.proc.wait(10)
    wait_for(lambda: not [p for p in members(daemon.world.daemon_cgroup) if alive(p)], what="end of every process")


def cycle(daemon, load, victim):
    world = daemon.world
    kill(daemon, victim)
    if victim in ("monitor", "everything"):
        before = world.counter.connections(world)
        load.await_more("refused", TRIES)
        load.await_more("datagrams", TRIES)
        assert world.counter.connections(world) == before, f"left the host while egretd was dead ({victim})"
        daemon.start()
    load.await_more("served", 2)
    assert load.seen()["leaked"] == 0 and datagrams(world) == 0, victim


def soak(make_daemon, world, cycles):
    daemon = make_daemon(settings={"workers": 2}).start()
    load = Load(world, daemon.ca)
    load.await_more("served", 2)
    for n in range(cycles):
        cycle(daemon, load, VICTIMS[n % len(VICTIMS)])
    seen = load.seen()
    load.close()
    print(f"{cycles} cycles of SIGKILL: {seen}; datagrams that left: {datagrams(world)}")


def test_nothing_passes_while_processes_are_killed(make_daemon, world):
    soak(make_daemon, world, 3)


@pytest.mark.heavy
def test_nothing_passes_in_a_hundred_cycles(make_daemon, world):
    soak(make_daemon, world, 100)


def upgrades(make_daemon, world, next_egretd, cycles):
    daemon = make_daemon(settings={"workers": 2}).start()
    stream = Workload(world, daemon.ca).open()
    world.sim.fail(hold_after=1)
    stream.send(request("POST", "/v1/chat/completions", CHAT_STREAM))
    assert stream.head()[0] == 200
    load = Load(world, daemon.ca)
    load.await_more("served", 2)
    before = load.seen()["refused"]
    for n in range(cycles):
        binary, version = (EGRETD, VERSION) if n % 2 else (next_egretd, NEXT_VERSION)
        assert daemon.egret("daemon", "upgrade", str(binary)) == {"version": version, "generation": n + 2}
        load.await_more("served", 2)
        assert load.seen()["refused"] == before and load.seen()["leaked"] == 0 and datagrams(world) == 0
    world.sim.ask("release")
    assert stream.until(b"[DONE]")
    stream.close()
    wait_for(lambda: len(daemon.egret("status")["processes"]) == 4, what="the end of every earlier generation")
    seen = load.seen()
    load.close()
    print(f"{cycles} upgrades: {seen}; datagrams that left: {datagrams(world)}")


def test_nothing_is_refused_or_cut_by_upgrades(make_daemon, world, next_egretd):
    upgrades(make_daemon, world, next_egretd, 2)


@pytest.mark.heavy
def test_nothing_is_refused_or_cut_by_twenty_upgrades(make_daemon, world, next_egretd):
    upgrades(make_daemon, world, next_egretd, 20)


def test_the_load_tells_when_there_is_no_fence(make_daemon, world):
    """The same load and the same counts, after enforcement was taken away: both must see it."""
    daemon = make_daemon().start()
    load = Load(world, daemon.ca)
    load.await_more("served", 2)
    assert daemon.stop(release=True) == 0
    before = world.counter.connections(world)
    load.await_more("leaked", 2)
    load.await_more("datagrams", TRIES)
    assert datagrams(world) > 0 and world.counter.connections(world) > before
    load.close()
