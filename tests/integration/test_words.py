# SPDX-License-Identifier: Apache-2.0
"""What the daemon says no with, as a person reads it: one prefix, the object, the cause, what to do; and the exit
status of wrong usage, whoever found it."""
import json
import os
import re
import subprocess

import pytest

from lib.daemon import EGRETD
from lib.system import sh, wait_for

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
    ["audit", "export", "--format", "csv", "--decision", "maybe"], ["audit", "list", "--limit", "x"], ["audit", "list", "--limit=x"], ["event", "list", "--reason", "nosuch"], ["cgroup", "show", "NOSUCH"],
    ["policy", "explain", "--workload", "agent", "--provider", "openai", "--operation", "nosuch"],
    ["policy", "explain", "--workload", "agent", "--provider", "openai", "--operation", "nosuch", "--offline"],
    ["flow", "show", "0"], ["workload", "of", "0"], ["flow", "list", "--provider", "openia"],
    ["flow", "list", "--workload", "agnet"], ["endpoint", "list", "--provider", "openia"],
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


SAID = [
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
    (["workload", "show", "agnet"], ['workload "agnet"', "but agent", 'mean "agent"?', "egret workload list"]),
    (["status", "nobody"], ["nobody is one argument too many: egret status\n"]),
    (["provider", "show", "openia"], ['provider "openia"', "more", "egret provider list"]),
    (["flow", "list", "--workload", "agnet"], ['workload "agnet"', 'mean "agent"?']),
    (["audit", "list", "--workload"], ["--workload needs a value"]),
    (["run", "--workload", "--", "true"], ["--workload needs a value"]),
    (["daemon", "upgrade", "/bin/true"], ["/bin/true: it is no egretd", "name another file", "goes on as it was"]),
]


@pytest.mark.parametrize("words, said", SAID, ids=[" ".join(words) for words, _ in SAID])
def test_errors_name_the_object_and_what_to_do(shared, words, said):
    if "--offline" in words:
        words = [*words, "--policy", shared.policy_file]
    done = shared.run_egret(*words)
    assert done.returncode != 0 and all(text in done.stderr for text in said), done


def test_a_value_may_stand_behind_equals(shared):
    assert shared.run_egret("audit", "list", "--limit=1").returncode == 0
    assert 'of workload "agent"' in shared.run_egret("run", "--workload=agent", "--", "true").stderr
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


# ---- what is shown ----

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


def test_runs_of_programs_are_shown_where_the_kernel_counts_them(shared):
    counts = shared.world.run_in(None, ["cat", "/proc/sys/kernel/bpf_stats_enabled"]).stdout.strip() == "1"
    for row in shared.egret("prog", "list"):
        assert counts or row["run_cnt"] or (row["run_cnt"], row["run_ns"]) == (None, None)
    if not counts:
        assert re.search(r"^eg_connect4 .* - +-$", shared.run_egret("prog", "list").stdout, re.M)
    assert "kernel.bpf_stats_enabled=1" in shared.run_egret("prog", "help").stdout


def test_a_denial_has_no_end_that_says_allowed(egret, agent):
    assert agent.call("POST", "/v1/chat/completions", CHAT | {"model": "o1-pro"}).status == 403
    denied = egret.record()
    assert denied["decision"] == "no_rule" and "end" not in denied
    egret.mark_now()
    assert agent.call("POST", "/v1/chat/completions", CHAT).status == 200
    assert egret.record()["end"] == "allowed"


def test_a_notice_has_no_reason(make_daemon):
    daemon = make_daemon().start()
    daemon.egret("ca", "rotate")
    notices = wait_for(lambda: [e for e in daemon.egret("event", "list") if "CA" in e["text"]], what="the notice")
    assert not any("reason" in notice for notice in notices)
    assert "reason=allowed" not in daemon.log()


def test_the_two_generations_of_status_have_names(shared):
    names = [line.split("  ")[0] for line in shared.run_egret("status").stdout.split("\n\n")[0].splitlines()]
    assert {"upgrade generation", "policy generation", "policy loaded"} < set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["status", "check", "run", "version"])
def test_an_object_without_commands_has_help_too(shared, name):
    done = shared.run_egret(name, "help")
    assert done.returncode == 0 and done.stdout == shared.run_egret("help", name).stdout, done


def test_egretd_says_its_version():
    said = {sh(EGRETD, word) for word in ("-V", "--version")}
    assert len(said) == 1 and said.pop().startswith("egretd ")
    assert "--version" in sh(EGRETD, "--help")


def test_what_decision_takes_is_in_the_help(shared):
    text = shared.run_egret("audit", "help").stdout
    assert "denied" in text and "REASONS in egret(8)" in text
    assert "tail, watch and export" in shared.run_egret("help").stdout


@pytest.mark.parametrize("expect", [{"decision": "alowed"}, {"decision": "denied"}, {"decision": "k_udp"},
                                    {"decision": "allowed", "shadow_decision": "maybe"}])
def test_a_decision_that_policy_never_makes_is_refused(tmp_path, expect):
    lines = ['{ "policy": { "workloads": {}, "rules": [] },', '  "tests": [', '    { "name": "n",',
             '      "facts": { "workload": "unknown", "provider": "openai", "operation": "chat" },',
             f'      "expect": {json.dumps(expect)} }} ] }}']
    (tmp_path / "t.json").write_text("\n".join(lines))
    done = subprocess.run([EGRETD.parent / "egret", "policy", "test", tmp_path / "t.json"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1 and f"{tmp_path}/t.json:5:" in done.stderr and "must be allowed, no_rule" in done.stderr
