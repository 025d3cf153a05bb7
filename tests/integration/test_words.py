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
