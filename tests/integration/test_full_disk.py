# SPDX-License-Identifier: Apache-2.0
"""egretd begins with a full or damaged state directory: the host is fenced all the same."""
import json

import pytest

from lib.disk import empty, fill, mount_small
from lib.system import wait_for
from lib.workload import Workload, request

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def small(make_daemon, world):
    daemon = make_daemon()
    mount_small(world, daemon.state_dir, "48m")
    return daemon


@pytest.fixture
def full(small, world):
    """It has run before, and the host went down; then the disk filled up."""
    small.start()
    Workload(world, small.ca).call("POST", "/v1/chat/completions", CHAT)
    wait_for(small.records, what="a record")
    small.stop(release=False)
    fill(world, small.state_dir / "ballast")
    return small


def checked(daemon, name):
    return next(c for c in json.loads(daemon.run_egret("-j", "check").stdout) if c["name"] == name)


def recovered(daemon):
    wait_for(lambda: checked(daemon, "recorder")["state"] == "ok", 20, "a recorder that works")
    assert not any("audit database" in w for w in daemon.egret("status")["warnings"])


def until_denied(workload):
    for _ in range(300):
        conn = workload.open()
        conn.send(request("GET", "/v1/no/such/operation") * 100)
        for _ in range(100):
            if conn.response().json()["error"]["code"] == "audit_unavailable":
                return
        conn.close()
    raise AssertionError("30,000 records found room on a full disk")


def test_a_host_with_a_full_disk_is_fenced_and_recovers(full, world):
    full.start()
    workload = Workload(world, full.ca)
    assert checked(full, "hooks")["state"] == "ok"
    assert checked(full, "recorder")["state"] == "fail"
    assert any("cannot be written" in w and "free space" in w for w in full.egret("status")["warnings"])
    assert "free space" in full.log()
    until_denied(workload)
    sent = len(world.sim.requests())
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 403
    assert len(world.sim.requests()) == sent
    empty(world, full.state_dir / "ballast")
    wait_for(lambda: workload.call("POST", "/v1/chat/completions", CHAT).status == 200, 20, "service again")
    recovered(full)
    assert len(full.records("--decision", "allowed")) >= 1
    assert full.egret("status")["generation"] == 1


def test_what_is_served_meanwhile_is_recorded_later(full, world):
    full.start()
    workload = Workload(world, full.ca)
    for _ in range(5):
        assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    assert len(world.sim.requests()) == 6
    empty(world, full.state_dir / "ballast")
    recovered(full)
    wait_for(lambda: len(full.records()) == 6, 20, "six records")


def test_with_room_nothing_is_told(full, world):
    empty(world, full.state_dir / "ballast")
    full.start()
    assert Workload(world, full.ca).call("POST", "/v1/chat/completions", CHAT).status == 200
    assert checked(full, "recorder")["state"] == "ok"
    assert not any("audit database" in w or "space" in w for w in full.egret("status")["warnings"])


def test_a_first_start_without_room_says_what_it_lacks(small, world):
    fill(world, small.state_dir / "ballast")
    with pytest.raises(AssertionError, match="ended before it was ready"):
        small.start()
    assert "free space" in small.log()
    empty(world, small.state_dir / "ballast")
    small.start()
    assert Workload(world, small.ca).call("POST", "/v1/chat/completions", CHAT).status == 200


@pytest.mark.parametrize("room", [True, False], ids=["room", "full"])
def test_a_damaged_store_is_put_aside_and_kept(full, world, room):
    store = full.state_dir / "audit" / "audit.db"
    world.python(f"""
with open("{store}", "r+b") as f: f.write(b"no database at all")""")
    if room:
        empty(world, full.state_dir / "ballast")
    full.start()
    workload = Workload(world, full.ca)
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    if not room:
        assert checked(full, "recorder")["state"] == "fail"
        empty(world, full.state_dir / "ballast")
    recovered(full)
    event, = wait_for(lambda: [e for e in full.egret("event", "list") if "set aside" in e["text"]], 20, "an event")
    name, = [w for w in event["text"].replace(";", " ").split() if w.startswith("audit.db.damaged-")]
    listed = world.run_in(world.load, ["head", "-c", "18", store.parent / name])
    assert listed.stdout == "no database at all"
    wait_for(lambda: len(full.records()) == 1, what="the record of the new one")
