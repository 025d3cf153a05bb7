# SPDX-License-Identifier: Apache-2.0
"""What egret can say when egretd is dead: its programs still enforce, and their pins can be read."""
import json
import subprocess

import pytest

from lib.daemon import Daemon
from lib.system import NO_ITERATORS, PYTHON, lacking
from lib.world import PROVIDERS

POLICY = {"workloads": {"load": {"match": [{"cgroup": "/load"}]}}, "rules": []}

# A client that has connected and holds on to its socket, whatever happens at the other end.
HOLD = """
import socket, sys
s = socket.create_connection(("api.openai.com", 443))
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def daemon(world):
    d = Daemon(world, policy=POLICY)
    world.closers.append(d.stop)
    return d.start()


@pytest.fixture
def client(world, daemon):
    proc = world.start([PYTHON, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert proc.stdout.readline() == "connected\n"
    yield proc
    proc.communicate("")


def release(daemon):
    daemon.start().stop()  # takes the pins away


def test_pins_are_read_without_the_daemon(world, daemon, client):
    alive = {name: daemon.egret(*name.split()) for name in ("prog list", "map list", "endpoint list")}
    [flow] = [f for f in daemon.egret("flow", "list") if f["pid"] == client.pid]
    # Not to be reached, while its connections live: with egretd they end.
    (daemon.run_dir / "control.sock").unlink()
    no_iterators = False
    try:
        listed = daemon.run_egret("flow", "list")
        if listed.returncode == 1:
            assert "this kernel refuses" in listed.stderr
            no_iterators = True
        else:
            [seen] = [f for f in daemon.egret("flow", "list") if f["cookie"] == flow["cookie"]]
            assert (seen["pid"], seen["uid"], seen["dport"]) == (client.pid, 0, 443)
            shown = daemon.egret("flow", "show", flow["cookie"])
            assert shown.pop("age_us") >= seen.pop("age_us") and shown == seen
        daemon.kill()
        for name, rows in alive.items():
            dead = daemon.egret(*name.split())
            assert all(row["from"] == "pins" for row in dead)
            # No device is fenced here, so no pinned program leads to the backstop's map.
            rows = [row for row in rows if row["name"] != "eg_veth"] if name == "map list" else rows
            assert len(dead) == len(rows) > 0
        assert all(p["attached"] for p in daemon.egret("prog", "list"))
        counts = daemon.egret("map", "dump", "eg_count")
        assert any(c["hook"].startswith("connect") and c["reason"] == "allowed" for c in counts)
        assert daemon.egret("map", "dump", "eg_endpoint")
        note = daemon.run_egret("endpoint", "list").stderr
        assert "egretd is not running" in note and "pinned" in note
        refused = daemon.run_egret("flow", "list", "--workload", "load")
        assert refused.returncode == 1 and "know no workloads" in refused.stderr
    finally:
        release(daemon)
    if no_iterators:
        lacking("iter", NO_ITERATORS)


def test_check_tells_held_hooks_from_released_ones(world, daemon):
    found = {row["name"]: row for row in daemon.egret("check")}
    assert found["daemon"]["state"] == found["hooks attached"]["state"] == "ok"
    assert found["listener ipv4"]["state"] == found["listener ipv6"]["state"] == "ok"
    daemon.kill()
    done = daemon.run_egret("-j", "check")
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1 and found["daemon"]["state"] == "fail"
    assert found["hooks attached"]["state"] == "ok" and str(world.cgroup) in found["hooks attached"]["text"]
    assert "is refused meanwhile" in found["daemon"]["advice"]
    release(daemon)
    found = {row["name"]: row for row in json.loads(daemon.run_egret("-j", "check").stdout)}
    assert found["hooks attached"]["state"] == "fail" and "nothing is enforced" in found["hooks attached"]["advice"]
    assert found["daemon"]["advice"] == "nothing is enforced until it runs"
    done = daemon.run_egret("prog", "list")
    assert done.returncode == 1 and "the pins do not help" in done.stderr


def test_enforcement_of_a_dead_daemon_can_be_taken_away(world, daemon):
    """By root, and by nobody while a daemon lives that only cannot be reached."""
    def reaches():
        return world.run_in(world.load, [PYTHON, "-c", f"import socket; socket.create_connection(('{PROVIDERS}', 443), 5)"]).returncode == 0

    socket = daemon.run_dir / "control.sock"
    socket.rename(socket.with_suffix(".away"))
    done = daemon.run_egret("daemon", "stop", "--release")
    assert done.returncode == 1 and "another egretd" in done.stderr
    socket.with_suffix(".away").rename(socket)
    assert all(p["attached"] for p in daemon.egret("prog", "list"))
    daemon.kill()
    assert not reaches()
    assert daemon.run_egret("daemon", "stop").returncode == 1
    done = daemon.run_egret("daemon", "stop", "--release", uid=65534)
    assert done.returncode == 1 and "run it as root" in done.stderr and not reaches()
    done = daemon.run_egret("-j", "daemon", "stop", "--release")
    assert json.loads(done.stdout) == {"released": True} and "nothing is enforced now" in done.stderr
    assert reaches() and not (daemon.run_dir / "bpf").exists()
    done = daemon.run_egret("-j", "daemon", "stop", "--release")
    assert json.loads(done.stdout) == {"released": False} and "has left nothing" in done.stderr


def test_check_by_a_user_who_may_not_ask_says_that_and_no_guess(world, daemon):
    found = {row["name"]: row for row in json.loads(daemon.run_egret("-j", "check", uid=65534).stdout)}
    assert found["daemon"]["state"] == "warn" and "user 65534 may not do this" in found["daemon"]["text"]
    assert found["hooks attached"]["state"] == "warn" and "as root" in found["hooks attached"]["advice"]
    assert found["listener ipv4"]["state"] == found["listener ipv6"]["state"] == "ok"
    assert not [row for row in found.values() if "is away" in row["text"] or "attached to" in row["text"]]


RIVAL = """
__attribute__((section("cgroup/connect4"), used)) int eg_test_rival(void *ctx) { return 1; }
char _license[] __attribute__((section("license"), used)) = "GPL";
"""


def test_check_names_rivals_on_the_same_hook(world, daemon):
    (world.tmp / "rival.c").write_text(RIVAL)
    script = """
        cd "$0"; mkdir bpffs; mount -t bpf bpf bpffs
        clang -O2 -target bpf -c rival.c -o rival.o
        bpftool prog load rival.o bpffs/rival
        bpftool cgroup attach "$1" connect4 pinned bpffs/rival multi
        umount bpffs
    """
    done = world.run_in(world.daemon_cgroup, ["sh", "-e", "-c", script, world.tmp, world.cgroup],
                        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0, done.stderr
    [rival] = [row for row in daemon.egret("check") if row["name"] == "rival"]
    assert rival["state"] == "warn" and "eg_test_rival" in rival["text"] and "eg_connect4" in rival["text"]
