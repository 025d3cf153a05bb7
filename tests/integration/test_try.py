# SPDX-License-Identifier: Apache-2.0
"""`egretd --try`: whether a version could take over, said beside the daemon that serves, which notices nothing."""
import subprocess

import pytest

from lib.daemon import EGRETD
from lib.workload import Workload

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def daemon(make_daemon):
    return make_daemon().start()


def attempt(world, daemon, *more):
    return world.run_in(world.daemon_cgroup, daemon.argv(*more, "--try"))


def programs(daemon):
    return {p["name"]: (p["id"], p["link_id"], p["attached"]) for p in daemon.egret("prog", "list")}


def test_beside_a_daemon_that_serves_it_changes_nothing(world, daemon):
    workload = Workload(world, daemon.ca)
    conn = workload.open()
    before = programs(daemon), {m["name"]: m["id"] for m in daemon.egret("map", "list")}
    done = attempt(world, daemon)
    assert done.returncode == 0 and f"hooks attached now: {len(before[0])}" in done.stdout, done
    assert (programs(daemon), {m["name"]: m["id"] for m in daemon.egret("map", "list")}) == before
    assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200


def test_where_nothing_ran_it_leaves_nothing(world, make_daemon):
    daemon = make_daemon()
    done = attempt(world, daemon)
    assert done.returncode == 0 and "hooks attached now: 0" in done.stdout, done
    assert not daemon.run_dir.exists() and not daemon.state_dir.exists()


def test_what_a_killed_daemon_left_attached_stays_the_same_program(world, daemon):
    daemon.kill()
    before = programs(daemon)  # read from the pins: what each link runs
    done = attempt(world, daemon)
    assert done.returncode == 0 and f"hooks attached now: {len(before)}" in done.stdout, done
    assert programs(daemon) == before and all(attached for _, _, attached in before.values())
    daemon.start()


@pytest.mark.parametrize("settings, words", [
    (["--set", 'users.worker="nobody-of-this-host"'], ["users.worker", "nobody-of-this-host"]),
    (["--set", 'cgroup="{load}"'], ["attached to another cgroup", "release it first"]),
    (["--set", "workers=-1"], ["workers"]),
])
def test_what_stands_in_the_way_is_said_and_nothing_changes(world, daemon, settings, words):
    before = programs(daemon)
    done = attempt(world, daemon, *[s.format(load=world.load) for s in settings])
    assert done.returncode == 1 and all(word in done.stderr for word in words), done
    assert programs(daemon) == before
    assert Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT).status == 200


def test_pins_of_another_version_are_in_the_way(world, daemon):
    other = daemon.run_dir / "bpf" / "v999"
    made = world.run_in(world.daemon_cgroup, ["mkdir", other])
    assert made.returncode == 0, made.stderr
    done = attempt(world, daemon)
    world.run_in(world.daemon_cgroup, ["rmdir", other])
    assert done.returncode == 1 and "another version" in done.stderr, done


def test_who_may_not_load_programs_is_told(world, make_daemon):
    done = world.run_in(world.daemon_cgroup, make_daemon().argv("--try"), uid=65534)
    assert done.returncode == 1 and "egretd: " in done.stderr, done


def test_usage_names_it():
    text = subprocess.run([EGRETD, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--check | --try" in text
