# SPDX-License-Identifier: Apache-2.0
"""Policy and configuration change while egret serves: atomically, or not at all with a place and cause."""
import json
import os
import signal

import pytest

from lib.daemon import CommandFailed
from lib.policies import agent_policy
from lib.system import PYTHON, wait_for
from lib.workload import Workload, request

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


def closed(world):
    return agent_policy(world, {"id": "closed", "when": {"workload": "agent"}, "deny": "closed for the night"})


@pytest.fixture
def daemon(make_daemon):
    return make_daemon().start()


@pytest.fixture
def workload(world, daemon):
    return Workload(world, daemon.ca)


def status(workload):
    return workload.call("POST", "/v1/chat/completions", CHAT).status


def test_a_new_policy_is_in_force_at_once_also_on_open_connections(daemon, workload, world):
    conn = workload.open()
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
    before = daemon.egret("policy", "show")["generation"]
    daemon.write_policy(closed(world))
    daemon.egret("policy", "load")
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 403
    assert daemon.egret("policy", "show")["generation"] > before


def test_a_policy_can_be_given_as_a_file(daemon, workload, world):
    other = world.tmp / "other.json"
    other.write_text(json.dumps(closed(world)))
    daemon.egret("policy", "load", other)
    assert status(workload) == 403


def test_sighup_reads_it_again(daemon, workload, world):
    before = daemon.egret("policy", "show")["generation"]
    daemon.write_policy(closed(world))
    daemon.proc.send_signal(signal.SIGHUP)
    wait_for(lambda: daemon.egret("policy", "show")["generation"] > before, what="the new policy")
    assert status(workload) == 403


def test_a_stream_ends_under_the_policy_it_began_with(daemon, workload, world):
    world.sim.fail(hold_after=2)
    conn = workload.open()
    conn.send(request("POST", "/v1/chat/completions", {**CHAT, "stream": True}))
    conn.until(b"\n\n")
    generation = daemon.egret("policy", "show")["generation"]
    daemon.write_policy(closed(world))
    daemon.egret("policy", "load")
    world.sim.ask("release")
    conn.until(b"data: [DONE]\n\n")
    assert wait_for(daemon.records, what="record")[-1]["generation"] == generation


BAD = {
    "not JSON": ("{", None), "cut": ('{"workloads": {', None), "an unknown member": ('{"workloads": {}, "ruels": []}', "rules"),
    "an unknown condition": ('{"workloads": {"a": {}}, "rules": [{"id": "r", "when": {"modle": "x"}, "allow": {}}]}', "model"),
    "an unknown workload": ('{"workloads": {}, "rules": [{"id": "r", "when": {"workload": "b"}, "allow": {}}]}', "b"),
    "an unknown provider": ('{"workloads": {}, "rules": [{"id": "r", "when": {"provider": "opnai"}, "allow": {}}]}', "openai"),
    "two rules of one id": ('{"workloads": {}, "rules": [{"id": "r", "allow": {}}, {"id": "r", "allow": {}}]}', "r"),
    "allow and deny": ('{"workloads": {}, "rules": [{"id": "r", "allow": {}, "deny": "x"}]}', "r"),
    "neither": ('{"workloads": {}, "rules": [{"id": "r"}]}', "r"),
    "a repeated member": ('{"workloads": {}, "workloads": {}}', "workloads"),
    "a list at the top": ("[]", None), "nothing": ("", None),
    "invalid UTF-8": ('{"workloads": {"\udcff": {}}}', None),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_policy_leaves_the_old_one_and_names_the_place(daemon, workload, what):
    text, word = BAD[what]
    before = daemon.egret("policy", "show")["generation"]
    daemon.policy_file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("policy", "load")
    error = failed.value.error
    assert error["reason"] == "bad_policy" and error["line"] >= 1 and error["col"] >= 1
    assert str(daemon.policy_file) in error["file"] and (word or "") in error["message"]
    assert daemon.egret("policy", "show")["generation"] == before
    assert status(workload) == 200


@pytest.mark.parametrize("size", [64 << 20])
def test_a_policy_too_large_is_refused(daemon, workload, size):
    daemon.policy_file.write_text('{"workloads": {}, "x": "' + "a" * size + '"}')
    with pytest.raises(CommandFailed):
        daemon.egret("policy", "load")
    assert status(workload) == 200


def test_a_policy_that_is_gone_is_said(daemon, workload):
    daemon.policy_file.unlink()
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("policy", "load")
    assert failed.value.error["file"] == str(daemon.policy_file)
    assert status(workload) == 200


ASK = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect({!r}); s.sendall({!r}); print(s.makefile().read())
"""


@pytest.mark.parametrize("cmd, args", [("policy.check", {}), ("policy.load", {}), ("policy.explain", {
    "workload": "unknown", "provider": "openai", "operation": "chat"})])
def test_nobody_but_root_has_a_policy_compiled(world, daemon, cmd, args):
    """Members of control_group may look, not take the monitor's time."""
    line = json.dumps({"cmd": cmd, "args": {**args, "policy": '{"workloads": {}, "rules": []}'}}).encode() + b"\n"
    code = ASK.format(str(daemon.run_dir / "control.sock"), line)
    for user, wanted in ((0, "end"), (65534, "error")):
        done = world.run_in(world.daemon_cgroup, [PYTHON, "-c", code], uid=user)
        last = json.loads(done.stdout.strip().splitlines()[-1])
        assert list(last) == [wanted], done
        assert user == 0 or last["error"]["reason"] == "not_allowed"


def test_loading_is_for_root_only(daemon):
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("policy", "load", uid=65534)
    assert failed.value.error["reason"] == "not_allowed"


@pytest.mark.parametrize("key, value, word", [
    ("workres", 1, "workres"), ("workers", "one", "workers"), ("workers", -1, "workers"), ("limits.head_bytes", 1, "limits.head_bytes"),
    ("upstream.allow", ["10.0.0.0/99"], "upstream.allow[0]"), ("resolvers", ["not an address"], "resolvers[0]"),
    ("credentials", [{"id": "a", "provider": "opnai", "file": "/x"}], "opnai"), ("log.level", "loud", "log.level")])
def test_a_bad_configuration_is_refused_at_start_with_its_cause(make_daemon, world, key, value, word):
    daemon = make_daemon(settings={key: value})
    done = world.run_in(world.daemon_cgroup, daemon.argv("--check"))
    assert done.returncode != 0 and word in done.stderr, done.stderr


def test_check_changes_nothing(make_daemon, world):
    daemon = make_daemon()
    done = world.run_in(world.daemon_cgroup, daemon.argv("--check"))
    assert done.returncode == 0, done.stderr
    assert not daemon.run_dir.exists() or not any(daemon.run_dir.iterdir())


def lines(daemon, level, module):
    return [line for line in daemon.log().splitlines() if f"lvl={level} mod={module} " in line]


def kill_vault(daemon):
    [vault] = daemon.children("vault")
    os.kill(vault, signal.SIGKILL)
    wait_for(lambda: daemon.children("vault") not in ([], [vault]), what="the next vault")


def test_a_level_that_was_set_by_hand_ends_with_a_reload(make_daemon):
    daemon = make_daemon().start()
    assert daemon.egret("log", "level", "debug")["level"] == "debug"
    daemon.egret("daemon", "reload")
    assert daemon.egret("log", "level")["level"] == "info"
    assert "reloads" in daemon.run_egret("log", "help").stdout


def test_the_log_level_reaches_every_process_at_once(make_daemon):
    """The vault's lines of one level, and the worker's of another, before and after; and their successors'."""
    daemon = make_daemon(settings={"log.level": "warn"}).start()
    assert not lines(daemon, "info", "vault")
    assert daemon.egret("log", "level", "info") == {"level": "info"}
    daemon.egret("ca", "rotate")
    wait_for(lambda: lines(daemon, "info", "vault"), what="a line of the vault's")
    kill_vault(daemon)
    wait_for(lambda: lines(daemon, "warn", "worker"), what="a line of the worker's")
    assert daemon.egret("log", "level", "error") == {"level": "error"}
    seen = len(daemon.log())
    kill_vault(daemon)
    daemon.egret("ca", "rotate")
    assert {line.split()[1] for line in daemon.log()[seen:].splitlines()} == {"lvl=error"}
