# SPDX-License-Identifier: Apache-2.0
"""What the daemon says no with, as a person reads it: one prefix, the object, the cause, what to do; and the exit
status of wrong usage, whoever found it."""
import pytest

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
    ["audit", "list", "--limit", "x"], ["event", "list", "--reason", "nosuch"], ["cgroup", "show", "NOSUCH"],
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
