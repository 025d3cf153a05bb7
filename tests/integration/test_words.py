# SPDX-License-Identifier: Apache-2.0
"""What the daemon says no with, as a person reads it: one prefix, the object, the cause, what to do; and the exit
status of wrong usage, whoever found it."""
import os

import pytest

from lib.daemon import EGRETD
from lib.system import sh

NOBODY = 65534
NOT_ALLOWED = [["status"], ["workload", "list"], ["policy", "load"], ["audit", "list"], ["audit", "tail"],
               ["daemon", "reload"], ["daemon", "upgrade"], ["credential", "reload"], ["ca", "rotate"],
               ["log", "level", "debug"], ["event", "list"], ["cgroup", "list"]]


@pytest.mark.parametrize("words", NOT_ALLOWED, ids=" ".join)
def test_the_command_is_named_once(shared, words):
    done = shared.run_egret(*words, uid=NOBODY)
    command = " ".join(words[:2])
    assert done.returncode == 1 and done.stderr.startswith(f"egret: {command}: user {NOBODY} may not do this: "), done
    assert "run it as root" in done.stderr


def test_run_is_named_once(shared):
    done = shared.as_workload("nobody-knows", ["true"])
    assert done.returncode != 0 and done.stderr.startswith('egret: run: the policy has no workload "nobody-knows"')


@pytest.mark.parametrize("words", [
    ["audit", "list", "--decision", "maybe"], ["audit", "tail", "--decision", "maybe"], ["audit", "show", "NOSUCH"],
    ["audit", "list", "--limit", "x"], ["audit", "list", "--limit=x"], ["event", "list", "--reason", "nosuch"], ["cgroup", "show", "NOSUCH"],
    ["policy", "explain", "--workload", "agent", "--provider", "openai", "--operation", "nosuch"],
    ["policy", "explain", "--workload", "agent", "--provider", "openai", "--operation", "nosuch", "--offline"],
    ["flow", "show", "0"], ["workload", "of", "0"],
], ids=" ".join)
def test_wrong_usage_is_2_whoever_found_it(shared, words):
    if "--offline" in words:
        words = [*words, "--policy", shared.policy_file]
    done = shared.run_egret(*words)
    assert done.returncode == 2 and done.stdout == "", done
    assert done.stderr.startswith(f"egret: {words[0]} {words[1]}: ") and done.stderr.count("\n") == 1
    with_json = shared.run_egret("-j", *words)
    assert with_json.returncode == 2 and with_json.stderr == done.stderr and '"error"' in with_json.stdout


@pytest.mark.parametrize("words", [["workload", "show", "nosuch"], ["provider", "show", "nosuch"],
                                   ["audit", "show", "00000000"], ["flow", "show", "1"],
                                   ["cgroup", "show", "/nosuch"]], ids=" ".join)
def test_what_is_not_there_is_1(shared, words):
    assert shared.run_egret(*words).returncode == 1


EXPLAIN = ["policy", "explain", "--workload", "agent", "--provider", "openai", "--operation", "chat"]


def explain(**other):
    words = list(EXPLAIN)
    for name, value in other.items():
        words[words.index("--" + name) + 1] = value
    return words


@pytest.mark.parametrize("words, said", [
    (["cgroup", "show", "NOSUCH"], ['"NOSUCH" is no path below the cgroup mount', "egret cgroup tree"]),
    (["cgroup", "show", "/nosuch"], ["/nosuch: egret enforces no cgroup of that path", "egret cgroup tree"]),
    (["audit", "show", "NOSUCH"], ['request "NOSUCH"', "32 hex digits", "egret audit list"]),
    (["audit", "show", "00000000"], ["request 00000000: no record has that id", "egret audit list"]),
    (["event", "list", "--reason", "k_upd"], ['reason "k_upd"', "REASONS in egret(8)", 'did you mean "k_udp"?']),
    (["audit", "list", "--decision", "denyed"], ['decision "denyed"', "denied or one of REASONS in egret(8)"]),
    (explain(workload="agnet"), ['workload "agnet"', "but agent", 'mean "agent"?', "egret workload list"]),
    (explain(provider="openia"), ['provider "openia"', "openai", "more", "egret provider list"]),
    (explain(operation="chats"), ['operation "chats"', "chat", "egret provider show PROVIDER"]),
    ([*explain(workload="agnet"), "--offline"], ['workload "agnet"', "but agent", 'mean "agent"?']),
    (["audit", "list", "--workload"], ["--workload needs a value"]),
    (["run", "--workload", "--", "true"], ["--workload needs a value"]),
    (["daemon", "upgrade", "/bin/true"], ["/bin/true: it is no egretd", "name another file", "goes on as it was"]),
], ids=lambda v: " ".join(v) if v[0] in ("cgroup", "audit", "event", "policy", "run", "daemon") else "")
def test_errors_name_the_object_and_what_to_do(shared, words, said):
    if "--offline" in words:
        words = [*words, "--policy", shared.policy_file]
    done = shared.run_egret(*words)
    assert done.returncode != 0 and all(text in done.stderr for text in said), done


def test_a_value_may_stand_behind_equals(shared):
    assert shared.run_egret("audit", "list", "--limit=1").returncode == 0
    assert shared.run_egret("run", "--workload=agent", "--", "true").returncode == 0
    by_other_way = shared.world.run_in(None, [EGRETD.parent / "egret", f"--run-dir={shared.run_dir}", "status"])
    assert by_other_way.returncode == 0, by_other_way


def test_a_second_egretd_names_the_first(shared):
    done = shared.world.run_in(shared.world.daemon_cgroup, shared.argv())
    assert done.returncode == 1
    assert f"another egretd (pid {shared.proc.pid}) is running" in done.stderr, done
    assert f"{shared.run_dir}/bpf" in done.stderr and "egret daemon upgrade" in done.stderr


def test_set_says_how_a_text_is_quoted(tmp_path):
    def said(setting):
        return sh("sh", "-c", '"$@" 2>&1 || true', "-", EGRETD, "--check", "--set", setting)

    assert "--set 'run_dir=\"/run/x\"'" in said("run_dir=/run/x")
    assert "quotes" not in said('run_dir="/run/x') and "KEY=JSON" in said("workers")


def test_policy_check_without_a_file_says_which_is_missing(world, make_daemon):
    daemon = make_daemon(settings={"policy": str(world.tmp / "none.json")}).start()
    done = daemon.run_egret("policy", "check")
    if os.path.exists("/etc/egret/policy.json"):
        pytest.skip("this host has a policy")
    assert done.returncode == 1 and "built into" in done.stderr and "name the file" in done.stderr, done
