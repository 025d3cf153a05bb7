# SPDX-License-Identifier: Apache-2.0
"""`egret daemon upgrade`: another binary under load, without a refused connection or a cut stream; or nothing at all."""
import json
import os
import signal
import threading
from pathlib import Path

import pytest

from lib.daemon import EGRETD, CommandFailed
from lib.next import NEXT_VERSION, VERSION
from lib.pod import Pod
from lib.policies import agent_policy
from lib.system import BUILD, link, members, wait_for
from lib.workload import Refused, Workload, request
from lib.world import PROVIDERS

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


HANGS = BUILD / "tests/lib/hangs"


@pytest.fixture
def daemon(make_daemon):
    return make_daemon(settings={"workers": 2}).start()


@pytest.fixture
def workload(world, daemon):
    return Workload(world, daemon.ca)


@pytest.fixture
def binary(next_egretd):
    return next_egretd


class Load:
    """Requests one after the other, each on a connection of its own, until it is left."""

    def __init__(self, workload):
        self.workload, self.done, self.failed, self.end = workload, 0, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.end.is_set():
            try:
                status = self.workload.call("POST", "/v1/chat/completions", CHAT).status
                if status != 200:
                    self.failed.append(status)
            except Exception as e:  # whatever it was, a workload saw it
                self.failed.append(repr(e))
            self.done += 1

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: self.done > 0, what="a first request")
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


def processes(daemon, state):
    return [p for p in daemon.egret("status")["processes"] if p["state"] == state]


def draining_flows(daemon):
    return [f for f in daemon.egret("flow", "list") if f.get("draining")]


def refused(world, workload):
    """While no egretd runs: nothing is let through."""
    before = world.counter.connections(world)
    with pytest.raises(Refused):
        workload.open(timeout=5)
    assert world.counter.connections(world) == before


def test_nothing_is_refused_or_cut(world, daemon, workload, binary):
    world.sim.fail(hold_after=1)
    stream = workload.open()
    stream.send(request("POST", "/v1/chat/completions", {**CHAT, "stream": True}))
    assert stream.head()[0] == 200
    pid, hooks = daemon.egret("status")["pid"], {p["name"]: p["link_id"] for p in daemon.egret("prog", "list")}
    before = {p["pid"] for p in processes(daemon, "ready")}
    with Load(Workload(world, daemon.ca)) as load:
        # To a later version, and back to an earlier one.
        for generation, path, version in ((2, binary, NEXT_VERSION), (3, EGRETD, VERSION)):
            assert daemon.egret("daemon", "upgrade", str(path)) == {"generation": generation, "version": version}
            assert daemon.egret("status")["version"] == version
            seen = load.done
            wait_for(lambda: load.done > seen + 3, what="requests of the new generation")
    assert load.failed == [] and load.done > 6
    wait_for(lambda: len(processes(daemon, "draining")) == 1, what="one worker to be left")
    status = daemon.egret("status")
    assert (status["pid"], status["generation"]) == (pid, 3)
    assert {p["name"]: p["link_id"] for p in daemon.egret("prog", "list")} == hooks
    [drains] = [p for p in status["processes"] if p["state"] == "draining"]
    assert drains["pid"] in before and drains["role"] == "worker"
    world.sim.ask("release")
    assert stream.until(b"[DONE]")
    stream.close()
    wait_for(lambda: not processes(daemon, "draining"), what="the end of the old generation")
    assert {r["key"] for r in world.sim.requests()} == {"right"}  # nobody got there but through egret
    assert len(world.sim.requests()) == load.done + 1
    records = daemon.fresh(load.done + 1)
    assert {r["status"] for r in records} == {200} and len(records) == load.done + 1


@pytest.mark.parametrize("content, words", [
    (Path("/bin/ls").read_bytes(), "unrecognized option"),
    (Path("/bin/true").read_bytes(), "it is no egretd"),
    (EGRETD.read_bytes()[:4096], "it cannot take over"),
    (b"no program at all", "Exec format error"),
], ids=["exits", "another-program", "truncated", "wrong-magic"])
def test_a_binary_that_cannot_take_over_changes_nothing(world, daemon, workload, content, words):
    path = world.tmp / "broken"
    path.write_bytes(content)
    path.chmod(0o755)
    before = processes(daemon, "ready")
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("daemon", "upgrade", str(path))
    assert words in str(failed.value)
    assert [p["pid"] for p in processes(daemon, "ready")] == [p["pid"] for p in before]
    assert daemon.egret("status")["generation"] == 1
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200


def test_a_binary_that_hangs_is_given_up(daemon, workload):
    """It has 30 seconds, and egretd serves meanwhile."""
    asked = []

    def ask():
        with pytest.raises(CommandFailed) as failed:
            daemon.egret("daemon", "upgrade", str(HANGS))
        asked.append(failed.value)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: str(HANGS) in {link(f"/proc/{p}/exe") for p in members(daemon.world.daemon_cgroup)}, what="the trial")
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("daemon", "upgrade", str(HANGS))
    assert failed.value.error["reason"] == "busy"
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    thread.join()
    assert "did not end its trial within 30 s" in str(asked[0])
    assert daemon.egret("status")["generation"] == 1


def test_what_drains_is_governed_by_what_is_in_force_now(world, daemon, workload, binary):
    """A connection of before the upgrade: a rotated key, a new policy and a vault's death reach it."""
    fresh = "sk-proj-the-next-key-of-this-provider-987654321"
    clients = [workload.open() for _ in range(4)]
    assert [c.ask("POST", "/v1/chat/completions", CHAT).status for c in clients] == [200] * 4
    assert daemon.egret("daemon", "upgrade", str(binary))["generation"] == 2
    assert len(draining_flows(daemon)) == 4
    daemon.put_credential("openai", fresh)
    world.sim.ask("keys", provider="openai", keys=[fresh])
    daemon.egret("credential", "reload")
    assert clients[0].ask("POST", "/v1/chat/completions", CHAT).status == 200
    [vault] = daemon.children("vault")
    os.kill(vault, 9)
    wait_for(lambda: daemon.children("vault") not in ([], [vault]), what="the next vault")
    assert clients[1].ask("POST", "/v1/chat/completions", CHAT).status == 200
    assert world.sim.requests()[-1]["key"] == "right"
    daemon.write_policy(agent_policy(world, {"id": "closed", "when": {"workload": "agent"}, "deny": "closed for the night"}))
    daemon.egret("policy", "load")
    assert clients[2].ask("POST", "/v1/chat/completions", CHAT).status == 403
    wait_for(lambda: len(draining_flows(daemon)) == 1, what="three connections to end with their answer")


def test_one_that_dies_while_it_drains_is_an_event(daemon, workload, binary):
    client = workload.open()
    assert client.ask("POST", "/v1/chat/completions", CHAT).status == 200
    assert daemon.egret("daemon", "upgrade", str(binary))["generation"] == 2
    [drains] = wait_for(lambda: len(processes(daemon, "draining")) == 1 and processes(daemon, "draining"), what="one worker to be left")
    daemon.mark_now()
    os.kill(drains["pid"], 9)
    assert "of generation 1 killed by signal 9" in daemon.event("worker_died")["text"]
    assert not processes(daemon, "draining")
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200


def test_a_policy_that_is_nowhere_else_is_not_lost(world, daemon, workload, binary):
    """The next version reads the configured file, which may say something looser."""
    path = world.tmp / "tonight.json"
    path.write_text(json.dumps(agent_policy(world, {"id": "closed", "when": {"workload": "agent"}, "deny": "closed for the night"})))
    daemon.egret("policy", "load", str(path))
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("daemon", "upgrade", str(binary))
    assert str(path) in str(failed.value) and "egret policy load" in str(failed.value)
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 403
    daemon.egret("policy", "load")
    assert daemon.egret("daemon", "upgrade", str(binary))["generation"] == 2
    wait_for(lambda: not processes(daemon, "draining"), what="the end of the old generation")
    [row] = [r for r in json.loads(daemon.run_egret("-j", "check").stdout) if r["name"] == "processes"]
    assert row["state"] == "ok"


def test_signals_do_not_end_it_on_the_way(daemon, workload, binary):
    """`systemctl reload` at that moment: before the next one takes signals, their default would be its end."""
    pid, end = daemon.egret("status")["pid"], threading.Event()

    def reload():
        while not end.wait(0.02):
            os.kill(pid, signal.SIGHUP)

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        assert daemon.egret("daemon", "upgrade", str(binary))["generation"] == 2
    finally:
        end.set()
        thread.join()
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    assert daemon.egret("status")["pid"] == pid


def test_only_root_and_only_roots_file(world, daemon, binary):
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("daemon", "upgrade", str(binary), uid=65534)
    assert failed.value.error["reason"] == "not_allowed"
    os.chown(binary, 65534, 65534)
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("daemon", "upgrade", str(binary))
    assert "root" in str(failed.value)


def test_a_kill_after_the_step_leaves_traffic_refused(world, daemon, workload, binary):
    assert daemon.egret("daemon", "upgrade", str(binary))["generation"] == 2
    daemon.kill()
    refused(world, workload)
    daemon.start()
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200


def test_listeners_in_workloads_namespaces_go_along(world, daemon, binary):
    pod = Pod(world)
    world.closers.append(pod.close)
    wait_for(lambda: pod.connect(PROVIDERS) == 0, what="a listener in the namespace")
    [row] = daemon.egret("netns", "list")
    assert daemon.egret("daemon", "upgrade", str(binary))["generation"] == 2
    assert [pod.connect(PROVIDERS) for _ in range(5)] == [0] * 5
    [after] = daemon.egret("netns", "list")
    assert (after["netns"], after["ipv4"], after["ipv6"]) == (row["netns"], row["ipv4"], row["ipv6"])
    assert pod.call(daemon.ca, PROVIDERS) == 200


def test_a_kill_in_the_middle_of_the_step_leaves_traffic_refused(world, daemon, workload, binary):
    pid, hooks = daemon.egret("status")["pid"], {p["name"]: p["link_id"] for p in daemon.egret("prog", "list")}
    asked = threading.Thread(target=lambda: pytest.raises(CommandFailed, daemon.egret, "daemon", "upgrade", str(binary)))
    asked.start()
    # Executed, and its own children not there yet.
    wait_for(lambda: link(f"/proc/{pid}/exe") == str(binary), what="the step")
    daemon.kill()
    asked.join()
    refused(world, workload)
    daemon.start()
    assert {p["name"]: p["link_id"] for p in daemon.egret("prog", "list")} == hooks
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200


def layouts(daemon):
    """What stands beside the pins, as {map: layout}."""
    return dict(word.split("=") for word in beside(daemon, "readlink").split())


def beside(daemon, *argv):
    path = daemon.run_dir / "bpf/v1/layouts"
    done = daemon.world.run_in(daemon.world.outside, [*argv, path])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def pretend(daemon, *maps):
    """As if what is attached came from a version that had another layout of these maps."""
    was = layouts(daemon)
    assert set(maps) <= set(was)
    beside(daemon, "rm")
    beside(daemon, "ln", "-s", " ".join(f"{m}={9 if m in maps else n}" for m, n in was.items()))


def map_ids(daemon):
    """But for the one that every start makes anew."""
    return {m["name"]: m["id"] for m in daemon.egret("map", "list") if m["name"] != "eg_veth"}


def test_maps_of_another_layout_are_left_and_new_ones_made_beside_them(world, daemon, workload, binary):
    """The links stay, the programs are replaced in place; nobody is refused, no stream cut."""
    other = {"eg_endpoint", "eg_name", "eg_mode", "eg_learned", "eg_netns", "eg_limit"}
    world.sim.fail(hold_after=1)
    stream = workload.open()
    stream.send(request("POST", "/v1/chat/completions", {**CHAT, "stream": True}))
    assert stream.head()[0] == 200
    known = layouts(daemon)
    pretend(daemon, *other)
    before, links = map_ids(daemon), {p["name"]: p["link_id"] for p in daemon.egret("prog", "list")}
    with Load(Workload(world, daemon.ca)) as load:
        assert daemon.egret("daemon", "upgrade", str(binary))["generation"] == 2
        seen = load.done
        wait_for(lambda: load.done > seen + 3, what="requests of the new generation")
    after = map_ids(daemon)
    assert load.failed == []
    assert {name for name in before if before[name] != after[name]} == other
    assert {p["name"]: p["link_id"] for p in daemon.egret("prog", "list")} == links
    assert layouts(daemon) == known
    world.sim.ask("release")
    assert stream.until(b"[DONE]")
    assert {r["key"] for r in world.sim.requests()} == {"right"}


def test_addresses_resolved_just_before_are_in_the_new_map(world, daemon, workload, binary):
    """Also when the next generation cannot resolve them again."""
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    world.sim.ask("dns", fail="silent")
    pretend(daemon, "eg_endpoint")
    assert daemon.egret("daemon", "upgrade", str(binary))["generation"] == 2
    assert (PROVIDERS + "/32", "resolved") in {(e["address"], e["source"]) for e in daemon.egret("endpoint", "list")}
    workload.open(PROVIDERS, sni="api.openai.com").close()


@pytest.mark.parametrize("how", ["every", "changing"])
def test_a_start_on_maps_that_it_knows_nothing_of(world, daemon, workload, how):
    """Also after a change from one to the other that was interrupted."""
    known, before = layouts(daemon), map_ids(daemon)
    if how == "every":
        pretend(daemon, *layouts(daemon))
    else:
        beside(daemon, "rm")
        beside(daemon, "ln", "-s", "changing")
    daemon.kill()
    refused(world, workload)
    daemon.start()
    assert not set(before.values()) & set(map_ids(daemon).values())
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    assert layouts(daemon) == known
    # And the next start finds them.
    kept = map_ids(daemon)
    daemon.kill()
    daemon.start()
    assert map_ids(daemon) == kept
