# SPDX-License-Identifier: Apache-2.0
"""Hands on egret itself (row 13): its programs, links, maps, pins, descriptors, memory, processes; by a user, by
root of a user namespace, by root without the capabilities that this takes. Row 11c and 11d: programs of
others on the same hooks."""
import json
import os
import signal
from pathlib import Path

import pytest

from lib.arena import BOTH, FORMS, Arena
from lib.system import PYTHON, sh, wait_for

TAMPER = Path(__file__).resolve().parent / "tamper.py"
WITHOUT = "-sys_admin,-bpf,-perfmon,-net_admin,-sys_ptrace,-sys_resource,-kill,-dac_override,-dac_read_search"
ACTORS = {
    "a user": ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"],
    "root of a user namespace": ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", "unshare", "-Ur"],
    "root, in a user namespace as root": ["unshare", "-Urm"],
    "root without capabilities": ["setpriv", f"--bounding-set={WITHOUT}", f"--inh-caps={WITHOUT}"],
}
# Who has root's user id owns root's processes and cgroups, with capabilities or without. What that can do is
# to stop egret, and then nothing passes: see below.
ROOTS = ("root, in a user namespace as root", "root without capabilities")
OWNED = {"end the monitor", "freeze egretd", "move egretd"}
REFUSED = {"EPERM", "EACCES", "EINVAL", "ENOENT", "ESRCH", "EBADF"}


@pytest.fixture(scope="module")
def attacked(arena):
    """What the attacks are told: more than they could find out."""
    listed = arena.daemon.egret("prog", "list"), arena.daemon.egret("map", "list")
    links = json.loads(arena.run_in(arena.daemon_cgroup, ["bpftool", "-j", "link", "list"]).stdout)
    progs = [p["id"] for p in listed[0]]
    pids = {"monitor": arena.daemon.proc.pid, "worker": arena.daemon.children("worker")[0],
            "vault": arena.daemon.children("vault")[0]}
    return {"pins": str(arena.pins), "cgroup": str(arena.cgroup), "daemon_cgroup": str(arena.daemon_cgroup), "progs": progs,
            "maps": [m["id"] for m in listed[1]], "links": [k["id"] for k in links if k.get("prog_id") in progs],
            "pinned": ["eg_connect4", "eg_connect6", "eg_egress"], "pids": pids,
            "control": str(arena.daemon.run_dir / "control.sock")}


def redirected(arena):
    """Is it all still there?"""
    return [arena.run_attack("tcp", FORMS[form].target, form) for form in BOTH] + \
           [arena.run_attack("udp-sendto", FORMS[form].target, form) for form in BOTH]


ALL_WELL = ["ok", "ok", "ECONNREFUSED", "ECONNREFUSED"]


@pytest.mark.parametrize("actor", ACTORS)
def test_nobody_touches_the_programs(arena, attacked, found, actor):
    assert attacked["links"] and attacked["maps"] and attacked["progs"]
    done = arena.run_in(arena.load, [*ACTORS[actor], PYTHON, TAMPER, json.dumps(attacked)])
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    seen.pop("the control socket")  # who may connect is one thing, what is done for them another: below
    allowed = OWNED if actor in ROOTS else set()
    if actor == ROOTS[0]:
        allowed |= {"mount over the pins"}  # in mounts of its own
    for name, saw in seen.items():
        found("13", f"{name}, by {actor}", "-", saw, "nobody: fails closed" if saw == "ok" else "the kernel", twin="no")
    passed = {n: s for n, s in seen.items() if s not in REFUSED and n not in allowed}
    assert passed == {}
    assert redirected(arena) == ALL_WELL
    assert arena.oracle.read()["target"] == 0
    (arena.daemon_cgroup / "cgroup.procs").write_text(str(arena.daemon.proc.pid))


def test_the_attempts_do_work_for_root(arena, attacked):
    """As root with every capability most succeed, so they are made in the right way."""
    harmless = {**attacked, "pinned": []}
    done = arena.run_in(arena.outside, [PYTHON, TAMPER, json.dumps(harmless)])
    seen = json.loads(done.stdout)
    for name in ("open program by id", "open map by id", "open link by id", "list link ids", "load a program", "list pins",
                 "end the monitor", "look at the vault's descriptors", "freeze egretd"):
        assert seen[name] == "ok", (name, seen)


@pytest.mark.parametrize("command", [["daemon", "stop", "--release"], ["daemon", "reload"], ["ca", "rotate"],
                                     ["credential", "reload"], ["log", "level", "error"]])
def test_a_user_commands_nothing(arena, command):
    done = arena.daemon.run_egret(*command, uid=1234, cgroup=arena.load)
    assert done.returncode != 0, done.stdout
    assert redirected(arena) == ALL_WELL


def test_what_a_workload_inherits_holds_nothing_of_egret(arena):
    """`egret run` ends as the command: no descriptor of the daemon's is left in it."""
    argv = ["sh", "-c", "ls -l /proc/self/fd"]
    policy = json.loads(arena.daemon.policy_file.read_text())
    policy["workloads"]["runner"] = {"match": [{"run": True}]}
    arena.daemon.write_policy(policy)
    arena.daemon.egret("daemon", "reload")
    done = arena.daemon.as_workload("runner", argv)
    assert done.returncode == 0 and "bpf" not in done.stdout and "socket" not in done.stdout, done


# ---- who may do more ----

@pytest.fixture
def own():
    """A daemon that is not what it was afterwards."""
    with Arena() as a:
        yield a
        assert a.oracle.read()["target"] == 0


def test_a_removed_pin_removes_no_program(own, found):
    """Root that may write everywhere removes every pin: the daemon holds the links."""
    pins = own.pins
    own.run_in(own.outside, ["find", pins, "-name", "eg_*", "-delete"])
    assert own.run_in(own.outside, ["find", pins, "-name", "eg_*"]).stdout == ""
    saw = redirected(own)
    found("13b", "every pin removed by root", "both", saw[0], "descriptors held by egretd", own.oracle.read()["target"])
    assert saw == ALL_WELL
    own.daemon.egret("daemon", "stop", "--release")


def test_a_frozen_daemon_lets_nothing_pass(own, found):
    """Row 13d: clients wait, and nothing goes elsewhere."""
    freeze = own.daemon_cgroup / "cgroup.freeze"
    freeze.write_text("1")
    wait_for(lambda: "frozen 1" in (own.daemon_cgroup / "cgroup.events").read_text(), what="the freeze")
    try:
        procs = [own.start_attack("tcp", FORMS[form].target, form) for form in BOTH]
        assert [own.run_attack("udp-sendto", FORMS[form].target, form) for form in BOTH] == ["ECONNREFUSED"] * 2
        arrived = own.oracle.read()["target"]
    finally:
        freeze.write_text("0")
    saw = [p.communicate(timeout=60)[0].strip() for p in procs]
    for form, one in zip(BOTH, saw):
        found("13d", "egretd frozen", form, one, "connect: waits for egretd", arrived, twin="no")
    assert arrived == 0 and saw == ["ok", "ok"]


TAKE_PORT = """
import errno, socket
for family, address in ((2, "127.0.0.1"), (2, "0.0.0.0"), (10, "::1"), (10, "::"), (10, "::ffff:127.0.0.1")):
    for reuse in (False, True):
        s = socket.socket(family)
        if reuse: s.setsockopt(1, 2, 1); s.setsockopt(1, 15, 1)
        try: s.bind((address, 15001)); print("ok")
        except OSError as e: print(errno.errorcode[e.errno])
"""


def test_killed_all_of_it_lets_nothing_pass(own, found):
    own.daemon.kill()
    saw = redirected(own)
    found("13", "egretd killed", "both", saw[0], "connect: k_no_listener", own.oracle.read()["target"], twin="no")
    assert saw == ["ECONNREFUSED"] * 4
    taken = own.python(TAKE_PORT)
    found("12e", "the port of a dead egretd", "both", taken.split()[0], "bind: k_bind_proxy_port", twin="no")
    assert set(taken.split()) == {"EACCES"}
    own.daemon.start()
    wait_for(lambda: redirected(own) == ALL_WELL, what="service")


def test_one_egretd_at_a_time(own):
    """The second says why, and the first goes on."""
    done = own.run_in(own.daemon_cgroup, own.daemon.argv(), timeout=60)
    assert done.returncode != 0 and "another egretd" in done.stdout + done.stderr, done
    assert redirected(own) == ALL_WELL


# ---- programs of others on the same hooks ----

# Undoes whatever came before it: the connection goes to the provider's address again.
UNDO = """
struct addr { unsigned family, ip4, ip6[4], port; };
__attribute__((section("cgroup/connect4"), used)) int undo4(struct addr *c)
{ c->ip4 = 0x0b7100cb; c->port = 0xbb01; return 1; }
__attribute__((section("cgroup/connect6"), used)) int undo6(struct addr *c)
{ c->ip6[0] = 0xb80d0120; c->ip6[1] = 0x00000200; c->ip6[2] = 0; c->ip6[3] = 0x11000000; c->port = 0xbb01; return 1; }
char _license[] __attribute__((section("license"), used)) = "GPL";
"""
ATTACH = """
cd "$1"; mkdir -p bpffs; mount -t bpf bpf bpffs; trap 'umount bpffs' EXIT
clang -O2 -target bpf -c undo.c -o undo.o
bpftool prog loadall undo.o bpffs/undo
for n in 4 6; do bpftool cgroup attach "$2" connect$n pinned bpffs/undo/undo$n $3; done
"""


def attach(arena, cgroup, flags):
    (arena.tmp / "undo.c").write_text(UNDO)
    done = arena.run_in(arena.outside, ["sh", "-ec", ATTACH, "sh", arena.tmp, cgroup, flags])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("flags", ["", "override", "multi"])
def test_a_program_below_replaces_none(own, found, flags):
    """Row 11c: the workload's own runs first, and what it made of the address is what ours decides."""
    cgroup = own.group("load/below")
    attach(own, cgroup, flags)
    counts = own.counts()
    saw = [own.run_attack("tcp", FORMS[form].free, form, cgroup=cgroup) for form in BOTH]
    for form, one in zip(BOTH, saw):
        found("11c", f"a program below, {flags or 'no flags'}", form, one, "redirected to egret",
              own.oracle.read()["target"], twin="no")
    assert saw == ["ok", "ok"] and own.counts()["connect.allowed"] == counts.get("connect.allowed", 0) + 2


def test_a_program_behind_ours_meets_the_gate(own, found):
    """Row 11d: root attaches one that undoes the redirect; the packet is dropped."""
    outside_first = own.oracle.read()["target"]
    attach(own, own.cgroup, "multi")
    procs = [own.start_attack("tcp", FORMS[form].target, form) for form in BOTH]
    wait_for(lambda: own.counts().get("egress.k_packet", 0) >= 2, what="the drops")
    for p in procs:  # they would wait for an answer
        p.kill()
        p.communicate()
    for form in BOTH:
        found("11d", "a program behind ours", form, "no answer", "egress: k_packet", own.oracle.read()["target"], twin="no")
    assert own.oracle.read()["target"] == outside_first
    for n in ("4", "6"):
        sh("bpftool", "cgroup", "detach", own.cgroup, f"connect{n}", "name", f"undo{n}")
