# SPDX-License-Identifier: Apache-2.0
"""Processes that die: replaced within a second, the others undisturbed, enforcement never interrupted."""
import os
import signal
import time

import pytest

from lib.system import NO_ITERATORS, alive, lacking, members, wait_for
from lib.workload import Refused, Workload, request

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
ROLES = ["worker", "vault", "recorder"]


@pytest.fixture
def daemon(make_daemon):
    return make_daemon(settings={"workers": 2}).start()


@pytest.fixture
def workload(world, daemon):
    return Workload(world, daemon.ca)


def process(daemon, role):
    """The row of the first process of a role, once it is ready."""
    def ready():
        return next((p for p in daemon.egret("status")["processes"] if (p["role"], p["state"]) == (role, "ready")), None)

    return wait_for(ready, what=f"a {role} that is ready")


def replaced(daemon, role, index, old):
    row = next((p for p in daemon.egret("status")["processes"] if (p["role"], p["index"]) == (role, index)), None)
    return row and row["state"] == "ready" and row.get("pid") != old and row


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_dies_is_replaced_within_a_second(daemon, workload, role, how):
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    victim = process(daemon, role)
    others = {p.get("pid") for p in daemon.egret("status")["processes"]} - {victim["pid"]}
    begun = time.monotonic()
    os.kill(victim["pid"], how)
    daemon.blamed = how == signal.SIGSEGV
    fresh = wait_for(lambda: replaced(daemon, role, victim["index"], victim["pid"]), what=f"a new {role}")
    assert time.monotonic() - begun < 1 and fresh["restarts"] == victim["restarts"] + 1
    assert others <= {p.get("pid") for p in daemon.egret("status")["processes"]}
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200


@pytest.mark.parametrize("role", ROLES)
def test_a_child_that_stops_answering_does_not_open_the_gate(daemon, workload, world, role):
    pid = process(daemon, role)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        before = world.counter.connections(world)
        try:
            workload.open(timeout=2)
        except Refused:
            pass
        assert [r["key"] for r in world.sim.requests()] == []
        assert world.counter.connections(world) - before <= 2  # egret's own, at most
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: workload.call("POST", "/v1/chat/completions", CHAT).status == 200, what="service again")


def test_a_request_in_flight_of_a_dead_worker_is_recorded(make_daemon, world):
    daemon = make_daemon(settings={"workers": 1}).start()
    workload = Workload(world, daemon.ca)
    world.sim.fail(hold_after=1)
    conn = workload.open()
    conn.send(request("POST", "/v1/chat/completions", {**CHAT, "stream": True}))
    conn.head()
    os.kill(process(daemon, "worker")["pid"], signal.SIGKILL)
    conn.rest()
    record = wait_for(daemon.records, what="its record")[-1]
    assert (record["end"], record["model"]) == ("worker_died", "gpt-4o-mini")
    world.sim.ask("release")


def test_records_survive_the_recorder(daemon, workload):
    for n in range(5):
        workload.call("POST", "/v1/chat/completions", {**CHAT, "model": f"gpt-4o-{n}"})
        victim = process(daemon, "recorder")["pid"]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: replaced(daemon, "recorder", 0, victim), what="a new recorder")
    assert sorted(r["model"] for r in daemon.fresh(5)) == [f"gpt-4o-{n}" for n in range(5)]


def test_a_killed_daemon_leaves_governed_traffic_refused(daemon, workload, world):
    daemon.kill()
    before = world.counter.connections(world)
    with pytest.raises(Refused) as refused:
        workload.open(timeout=5)
    assert refused.value.error == "ConnectionRefusedError"
    assert world.counter.connections(world) == before
    conn = workload.open("free.example", ca=str(world.sim.ca))
    assert conn.ask("GET", "/", host="free.example").status == 200
    daemon.start()
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200


def test_a_restart_adopts_the_hooks_without_a_gap(daemon, world):
    ids = {p["name"]: p["link_id"] for p in daemon.egret("prog", "list")}
    daemon.stop(release=False)
    assert not [p for p in members(world.daemon_cgroup) if alive(p)]
    daemon.start()
    assert {p["name"]: p["link_id"] for p in daemon.egret("prog", "list")} == ids


def test_release_takes_enforcement_away(make_daemon, world):
    daemon = make_daemon().start()
    assert daemon.stop(release=True) == 0
    before = world.counter.connections(world)
    conn = Workload(world, None).open(verify=False)
    conn.close()
    assert world.counter.connections(world) > before


def test_a_second_daemon_is_refused(daemon, world):
    done = world.run_in(world.daemon_cgroup, daemon.argv(), timeout=30)
    assert done.returncode != 0 and "another egretd" in done.stderr + done.stdout
    assert daemon.egret("status")["pid"] == daemon.proc.pid


def test_an_orderly_stop_finishes_what_is_under_way(daemon, workload, world):
    world.sim.fail(hold_after=2)
    conn = workload.open()
    conn.send(request("POST", "/v1/chat/completions", {**CHAT, "stream": True}))
    conn.until(b"\n\n")
    daemon.proc.terminate()
    world.sim.ask("release")
    conn.until(b"data: [DONE]\n\n")
    assert daemon.proc.wait(20) == 0


def test_the_cli_reads_the_pins_of_a_dead_daemon(daemon, workload):
    conn = workload.open()
    daemon.kill()
    assert {p["name"] for p in daemon.egret("prog", "list")} >= {"eg_connect4", "eg_egress"}
    assert daemon.egret("endpoint", "list")
    assert daemon.egret("map", "list")
    flows = daemon.run_egret("flow", "list")
    conn.close("reset")
    if flows.returncode == 1 and "this kernel refuses" in flows.stderr:
        lacking("iter", NO_ITERATORS)
    assert flows.returncode == 0, flows.stderr


def test_no_process_holds_more_than_it_should(daemon, workload):
    """Users, capabilities, no-new-privs, seccomp and dumpability of each child."""
    workload.call("POST", "/v1/chat/completions", CHAT)
    seen = {}
    for p in daemon.egret("status")["processes"]:
        fields = dict(line.split(":\t", 1) for line in open(f"/proc/{p['pid']}/status", encoding="ascii") if ":\t" in line)
        seen[p["role"]] = fields["Uid"].split()[0]
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapBnd"], 16) == 0, p
        assert fields["NoNewPrivs"].strip() == "1" and fields["Seccomp"].strip() == "2", p
        assert os.stat(f"/proc/{p['pid']}/mem").st_uid == 0, p  # not dumpable
    assert len(set(seen.values())) == 3 and "0" not in seen.values()


def test_nothing_leaks_over_many_requests(daemon, workload):
    for _ in range(20):
        workload.call("POST", "/v1/chat/completions", CHAT)
    before = {pid: daemon.fds(pid) for pid in [daemon.proc.pid, *daemon.children()]}
    for _ in range(100):
        workload.call("POST", "/v1/chat/completions", CHAT)
    wait_for(lambda: all(daemon.fds(pid) <= count + 4 for pid, count in before.items()), what="fds given back")




def test_signals_while_it_ends_do_not_cut_the_end_short(make_daemon):
    """As an impatient script sends them: without them blocked, the last of its steps would be killed."""
    daemon = make_daemon().start()
    daemon.proc.send_signal(signal.SIGTERM)
    while daemon.proc.poll() is None:
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            daemon.proc.send_signal(sig)
    assert daemon.proc.returncode == 0
