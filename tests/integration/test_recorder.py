# SPDX-License-Identifier: Apache-2.0
"""The audit log: exactly one record a decision, and nothing is served that it cannot take."""
import json
import sqlite3

import pytest

from lib.daemon import EGRET, CommandFailed
from lib.disk import empty, fill, mount_small
from lib.system import wait_for
from lib.workload import Workload, request

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def small(make_daemon, world):
    """A daemon whose state lies on a file system of 2 MiB."""
    daemon = make_daemon()
    mount_small(world, daemon.state_dir)
    return daemon.start()


def until_denied(workload):
    """Records wait in memory for the disk; when that is full, too, nothing is served. A denied request
    leaves a record as well, and is quick."""
    for _ in range(300):
        conn = workload.open()
        conn.send(request("GET", "/v1/no/such/operation") * 100)
        for _ in range(100):
            response = conn.response()
            if response.json()["error"]["code"] == "audit_unavailable":
                return response
        conn.close()
    raise AssertionError("30,000 records found room on a full disk")


def test_a_full_disk_denies_with_its_reason_and_recovers(small, world):
    workload = Workload(world, small.ca)
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    fill(world, small.state_dir / "ballast")
    response = until_denied(workload)
    assert "audit" in response.json()["error"]["message"]
    sent = len(world.sim.requests())
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 403
    assert len(world.sim.requests()) == sent
    checked = json.loads(small.run_egret("-j", "check").stdout)
    assert next(c["state"] for c in checked if c["name"] == "recorder") == "fail"
    assert any("cannot be written" in text for text in small.egret("status")["warnings"])
    empty(world, small.state_dir / "ballast")
    wait_for(lambda: workload.call("POST", "/v1/chat/completions", CHAT).status == 200, 20, "service again")
    assert not any("audit database" in text for text in small.egret("status")["warnings"])


def test_an_upgrade_waits_for_room(small, world):
    """The next version's recorder could not open its database; this one serves on."""
    workload = Workload(world, small.ca)
    fill(world, small.state_dir / "ballast")
    done = small.run_egret("daemon", "upgrade")
    assert done.returncode == 1 and "free space there" in done.stderr, done
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    empty(world, small.state_dir / "ballast")
    wait_for(lambda: small.run_egret("daemon", "upgrade").returncode == 0, 20, "the upgrade")
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    assert small.egret("status")["generation"] == 2


def test_what_was_served_is_in_the_log_even_with_a_full_disk_between(small, world):
    workload = Workload(world, small.ca)
    served = 0
    fill(world, small.state_dir / "ballast")
    for _ in range(50):
        served += workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    empty(world, small.state_dir / "ballast")
    wait_for(lambda: sum(r["decision"] == "allowed" for r in small.records()) == served, 20, f"{served} records")
    assert len(world.sim.requests()) == served


@pytest.fixture
def daemon(make_daemon):
    return make_daemon().start()


def test_exactly_one_record_for_each_decision(daemon, world):
    workload = Workload(world, daemon.ca)
    conn = workload.open()
    for n in range(30):
        conn.ask("POST", "/v1/chat/completions", {**CHAT, "model": ("gpt-4o", "o1", "gpt-4o-mini")[n % 3]})
    records = wait_for(lambda: len(daemon.records()) >= 30 and daemon.records(), what="30 records")
    assert len(records) == 30 and len({r["request_id"] for r in records}) == 30
    assert [r["decision"] for r in records] == ["allowed", "no_rule", "allowed"] * 10


def test_filters_hold_together(daemon, world):
    workload = Workload(world, daemon.ca)
    for model in ("gpt-4o", "o1", "gpt-4o-mini"):
        workload.call("POST", "/v1/chat/completions", {**CHAT, "model": model})
    wait_for(lambda: len(daemon.records()) == 3, what="3 records")
    assert [r["model"] for r in daemon.records("--model", "gpt-4o*")] == ["gpt-4o", "gpt-4o-mini"]
    assert [r["model"] for r in daemon.records("--decision", "denied")] == ["o1"]
    assert [r["model"] for r in daemon.records("--limit", "1")] == ["gpt-4o-mini"]
    assert daemon.records("--workload", "nobody") == []
    one = daemon.records("--limit", "1")[0]
    assert daemon.egret("audit", "show", one["request_id"][:12])["request_id"] == one["request_id"]


def test_tail_shows_decisions_as_they_come(daemon, world):
    workload = Workload(world, daemon.ca)
    tail = world.start([EGRET, "--run-dir", daemon.run_dir, "-j", "audit", "tail"], world.daemon_cgroup, stdout=-1,
                       text=True)
    workload.call("POST", "/v1/chat/completions", CHAT)
    assert '"gpt-4o-mini"' in tail.stdout.readline()
    tail.kill()
    tail.communicate()


def test_the_log_is_for_root_and_the_control_group(daemon):
    with pytest.raises(CommandFailed) as failed:
        daemon.egret("audit", "list", uid=65534)
    assert failed.value.error["reason"] == "not_allowed"


def test_records_are_kept_over_a_restart(daemon, world):
    Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT)
    before = wait_for(daemon.records, what="a record")
    daemon.stop(release=False)
    daemon.start()
    assert daemon.records() == before


def test_a_daemon_killed_at_once_has_recorded_what_it_answered(daemon, world):
    workload = Workload(world, daemon.ca)
    conn = workload.open()
    for _ in range(10):
        assert conn.ask("POST", "/v1/chat/completions", CHAT).status == 200
    daemon.kill()
    daemon.start()
    assert len(wait_for(daemon.records, what="records")) == 10


def test_the_store_is_sqlite_that_an_operator_can_read(daemon, world):
    Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT)
    wait_for(daemon.records, what="a record")
    stores = [p for p in daemon.state_dir.rglob("*") if p.is_file() and p.read_bytes()[:15] == b"SQLite format 3"]
    assert len(stores) == 1
    with sqlite3.connect(f"file:{stores[0]}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_pipelined_requests_have_a_record_each(daemon, world):
    conn = Workload(world, daemon.ca).open()
    conn.send(b"".join(request("POST", "/v1/chat/completions", CHAT) for _ in range(8)))
    for _ in range(8):
        assert conn.response().status == 200
    wait_for(lambda: len(daemon.records()) == 8, what="8 records")
