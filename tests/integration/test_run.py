# SPDX-License-Identifier: Apache-2.0
"""`egret run`: any command as a workload, also by a user who is not root and whom the configuration allows."""
import json
import pwd

import pytest

from lib.daemon import EGRET, Daemon
from lib.policies import RUN, agent_policy
from lib.world import World

NOBODY = pwd.getpwnam("nobody").pw_uid
BIN_USER = pwd.getpwnam("bin").pw_uid
DAEMON_USER = pwd.getpwnam("daemon").pw_uid
CURL = ["curl", "-sS", "https://api.openai.com/v1/models"]


@pytest.fixture(scope="module")
def shared():
    with World() as world:
        policy = agent_policy(world, workloads={
            "research": RUN, "other": RUN, "placed": {"match": [{"cgroup": "/elsewhere"}, {"unit": "a.service"}]},
            "program": {"match": [{"run": True, "exe": "/usr/bin/curl"}]}, "bins": {"match": [{"user": "bin"}]}, "late": RUN})
        policy["workloads"]["agent"]["match"] += RUN["match"]
        policy["rules"].append({"id": "research", "when": {"workload": "research"}, "allow": {}})
        allowed = [{"user": "nobody", "workloads": ["research"]}, {"user": "bin", "workloads": ["*"]}]
        daemon = Daemon(world, policy, settings={"run": allowed}).start()
        yield daemon
        daemon.stop()
        daemon.nothing_left()


def test_a_command_is_that_workload_and_needs_no_key(egret, sim):
    done = egret.as_workload("research", CURL)
    assert json.loads(done.stdout)["data"], done
    assert sim.only()["key"] == "right"
    assert egret.record()["workload"] == "research"


def test_its_exit_status_and_input_are_the_commands_own(egret):
    assert egret.as_workload("research", ["sh", "-c", "exit 7"]).returncode == 7
    assert egret.as_workload("research", ["cat"], stdin="through").stdout == "through"
    assert egret.as_workload("research", ["no-such-command"]).returncode == 127


def test_placeholders_stand_in_for_keys_and_trust_is_set(egret):
    own = {"OPENAI_API_KEY": "sk-proj-mine", "NODE_EXTRA_CA_CERTS": "/nowhere"}
    env = dict(line.split("=", 1) for line in egret.as_workload("research", ["env"], env=own).stdout.splitlines() if "=" in line)
    assert env["OPENAI_API_KEY"] == "sk-egret-placeholder" and env["ANTHROPIC_API_KEY"] == "sk-ant-egret-placeholder"
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        assert env[name].startswith(str(egret.run_dir)), name
    assert not any("BASE_URL" in name or name.lower().endswith("_proxy") for name in env)


def test_a_user_whom_the_configuration_allows_may(egret, sim):
    done = egret.as_workload("research", CURL, uid=NOBODY)
    assert json.loads(done.stdout)["data"], done
    record = egret.record()
    assert (record["workload"], record["uid"]) == ("research", NOBODY)


@pytest.mark.parametrize("uid, workload", [(NOBODY, "agent"), (DAEMON_USER, "research"), (NOBODY, "no-such-workload")])
def test_nobody_becomes_a_workload_that_is_not_theirs(egret, sim, uid, workload):
    done = egret.as_workload(workload, CURL, uid=uid)
    assert done.returncode != 0 and done.stdout == "" and "`run` in egret.json" in done.stderr
    assert sim.requests() == []


@pytest.mark.parametrize("uid, workload, why", [
    (0, "placed", "nothing in \"match\" of workload \"placed\" holds"), (0, "bins", "add { \"run\": true }"),
    (BIN_USER, "late", "would be workload \"bins\""), (BIN_USER, "bins", None), (0, "late", None), (0, "program", None)])
def test_who_would_not_be_it_is_told_so_before(egret, uid, workload, why):
    """It was `unknown` or another workload, without a word."""
    done = egret.as_workload(workload, CURL, uid=uid)
    if why:
        assert done.returncode == 1 and why in done.stderr and done.stdout == ""
    else:
        assert egret.record()["workload"] == workload, done.stderr


@pytest.mark.parametrize("wanted, becomes", [("research", True), ("other", False)])
def test_a_workload_cannot_make_itself_another(egret, sim, wanted, becomes):
    """Its user may be any workload, but what an agent starts is that agent."""
    inner = [EGRET, "--run-dir", egret.run_dir, "run", "--workload", wanted, "--", *CURL]
    done = egret.as_workload("research", inner, uid=BIN_USER)
    if becomes:
        assert json.loads(done.stdout)["data"], done
        assert egret.record()["workload"] == "research"
    else:
        assert done.returncode != 0 and done.stdout == "" and "another workload already" in done.stderr, done
        assert sim.requests() == []
    outside = egret.as_workload(wanted, ["true"], uid=BIN_USER)
    assert outside.returncode == 0, outside


@pytest.mark.parametrize("wanted, becomes", [("agent", True), ("research", False)])
def test_nor_can_one_that_is_so_by_its_cgroup(egret, wanted, becomes):
    """It would leave its cgroup, and with it the modes that lie there."""
    done = egret.as_workload(wanted, ["true"], uid=BIN_USER, cgroup=egret.world.load)
    assert (done.returncode == 0) == becomes, done
    assert becomes or "another workload already" in done.stderr, done


def test_two_commands_are_two_cgroups_that_go_when_they_end(egret):
    first, second = (egret.as_workload("research", ["cat", "/proc/self/cgroup"]).stdout for _ in range(2))
    path = next(line.split("::")[1] for line in first.splitlines() if line.startswith("0::"))
    assert "/egret/run/research/" in path and first != second


def test_children_of_the_command_are_the_workload_too(egret, sim):
    done = egret.as_workload("research", ["sh", "-c", "(setsid curl -sS https://api.openai.com/v1/models) | head -c 20"])
    assert done.stdout.startswith('{"object"'), done
    assert egret.record()["workload"] == "research"


def test_without_a_daemon_it_says_what_to_do(world):
    daemon = Daemon(world, agent_policy(world))
    done = daemon.as_workload("research", CURL)
    assert done.returncode != 0 and "egretd" in done.stderr
