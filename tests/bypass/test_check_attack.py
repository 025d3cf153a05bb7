# SPDX-License-Identifier: Apache-2.0
"""`egret check --attack`: what an operator runs on a live host to see that nothing gets around egret."""
import json

import pytest

from lib.arena import Arena
from lib.daemon import CommandFailed
from lib.system import sh

HARMLESS = {"redirected", "refused", "dropped"}


@pytest.fixture(scope="module")
def arena():
    with Arena() as a:
        yield a
        assert a.oracle.read()["target"] + a.oracle.read()["twin"] == 0


def test_nothing_gets_around_and_the_hooks_are_named(arena, found):
    rows = arena.daemon.egret("check", "--attack")
    assert {r["result"] for r in rows} == HARMLESS
    assert all(r["hook"] and r["tried"] for r in rows), rows
    by = {(r["bypass"], r["family"]): r for r in rows}
    assert by["tcp", "ipv4"]["tried"] == 2 and by["tcp", "ipv6"]["result"] == "redirected"
    assert (by["udp", "mapped"]["hook"], by["udp", "mapped"]["reason"]) == ("sendmsg4", "k_udp")
    assert by["ping socket", "ipv6"]["result"] == "dropped"
    table = arena.daemon.run_egret("check", "--attack")
    assert table.returncode == 0 and table.stdout.splitlines()[0].split() == \
        ["BYPASS", "FAMILY", "TRIED", "SAW", "RESULT", "HOOK", "REASON"]
    *shown, empty, summary = table.stdout.splitlines()
    assert len(shown) == len(rows) + 1 and empty == ""
    assert summary == f"{len(rows)} ways to get around egret tried, {sum(r['tried'] for r in rows)} attempts in all: " \
                      f"{len(rows)} stopped, none got around it"
    found("-", "egret check --attack", "all", "exit 0", f"{len(rows)} kinds of attempts", arena.oracle.read()["target"],
          twin="no")


def test_it_leaves_nothing_behind(arena):
    arena.daemon.egret("check", "--attack", "--workload", "agent")
    sh("timeout", "10", "sh", "-c",
       f'while find {arena.cgroup}/egret/run -mindepth 2 -type d | grep -q .; do sleep 0.05; done')


def test_what_passes_is_said():
    """Three hooks taken off by somebody who may: the rest still hold, and what these held is shown."""
    with Arena() as open_world:
        for name in ("eg_connect4", "eg_sendmsg4", "eg_egress"):
            detach(open_world, name)
        done = open_world.daemon.run_egret("-j", "check", "--attack")
        rows = {(r["bypass"], r["family"]): r for r in json.loads(done.stdout)}
        assert done.returncode == 1
        assert open_world.oracle.read()["target"] > 0
        passed = sum(r["result"] == "passed" for r in rows.values())
        table = open_world.daemon.run_egret("check", "--attack").stdout
        assert f", {passed} GOT AROUND it: see `passed` above" in table.splitlines()[-1]
    for bypass in ("tcp", "udp", "udp, connected"):
        assert rows[bypass, "ipv4"]["result"] == "passed" and "hook" not in rows[bypass, "ipv4"], rows[bypass, "ipv4"]
    assert rows["tcp", "ipv6"]["result"] == "redirected" and rows["udp", "ipv6"]["result"] == "refused"


def detach(arena, name):
    links = json.loads(arena.run_in(arena.outside, ["bpftool", "-j", "link", "list"]).stdout)
    progs = {p["id"] for p in arena.daemon.egret("prog", "list") if p["name"] == name}
    link, = [k["id"] for k in links if k.get("prog_id") in progs]
    done = arena.run_in(arena.outside, ["bpftool", "link", "detach", "id", str(link)])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("args, code, text", [
    (["--workload", "agent"], 2, "goes with --attack"), (["--attack", "--workload", "nobody"], 1, "no workload"),
    (["--attack", "more"], 2, "more")])
def test_wrong_use_is_said(arena, args, code, text):
    done = arena.daemon.run_egret("check", *args)
    assert done.returncode == code and text in done.stderr and done.stdout == ""


def test_it_is_for_root(arena):
    done = arena.daemon.run_egret("check", "--attack", uid=1234)
    assert done.returncode == 1 and "as root" in done.stderr


def test_errors_are_json_too(arena):
    with pytest.raises(CommandFailed) as failed:
        arena.daemon.egret("check", "--attack", "--workload", "nobody")
    assert failed.value.error["reason"] == "not_found"
