# SPDX-License-Identifier: Apache-2.0
"""Sockets that change hands, and processes that change cgroups (rows 8 and 11): a socket belongs to the
cgroup of its maker for life, which is why egret is attached at the root, where no maker is outside.
Here both cgroups are below that root."""
import os

import pytest

from lib.arena import BOTH, FORMS
from lib.system import wait_for

REDIRECT, SENDMSG = "connect.allowed", "sendmsg.k_udp"


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("name, by", [("passed-moved", REDIRECT), ("passed-moved-udp", SENDMSG),
                                      ("passed-inherited", REDIRECT), ("passed-scm-rights", REDIRECT),
                                      ("passed-pidfd-getfd", REDIRECT), ("passed-connected-then-moved", REDIRECT)])
def test_a_socket_made_by_another_is_no_way_out(arena, found, name, by, form):
    maker, user = arena.group("maker"), arena.group("load/user")
    arena.twin(name, form, move=arena.outside)
    before, counts = arena.oracle.read()["target"], arena.counts()
    got = arena.run_attack(name, FORMS[form].target, form, cgroup=maker, move=user)
    arrived = arena.oracle.read()["target"] - before
    found("8", name, form, got, "redirected to egret" if by == REDIRECT else by.replace(".", ": "), arrived)
    assert arrived == 0
    assert arena.counts()[by] > counts.get(by, 0)
    assert got == ("ok" if by == REDIRECT else "ECONNREFUSED")


@pytest.mark.parametrize("form", BOTH)
def test_leaving_for_a_cgroup_outside_is_no_way_for_a_user(arena, found, form):
    """Row 11: not even when both directories were given to it."""
    mine, other = arena.group("load/given"), arena.group("other-given")
    for path in (mine, other):
        for name in ("cgroup.procs", "."):
            os.chown(path / name, 1234, 1234)
    proc = arena.start_attack("passed-moved", FORMS[form].target, form, cgroup=mine, uid=1234, move=other)
    _, err = proc.communicate(timeout=60)
    found("11", "passed-moved as a user", form, "EACCES", "the kernel", twin="no")
    assert proc.returncode == 3 and "Permission denied" in err, err
    assert arena.oracle.read()["target"] == 0


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("where", ["below", "threaded", "cgroup namespace"])
def test_deeper_is_still_below(arena, found, where, form):
    """Row 11b: a subgroup, a threaded one, another idea of what the root is."""
    cgroup = arena.group(f"load/{where.replace(' ', '-')}-{form}/a/b")
    if where == "threaded":
        for path in (cgroup.parent, cgroup):
            (path / "cgroup.type").write_text("threaded")
    counts = arena.counts()
    prefix = ["unshare", "--cgroup", "--mount"] if where == "cgroup namespace" else []
    got = arena.run_attack("tcp", FORMS[form].target, form, cgroup=cgroup, prefix=prefix)
    found("11b", f"tcp, {where}", form, got, "redirected to egret", arena.oracle.read()["target"])
    assert got == "ok" and arena.oracle.read()["target"] == 0
    assert arena.counts()["connect.allowed"] == counts.get("connect.allowed", 0) + 1
    wait_for(lambda: [e for e in arena.daemon.egret("event", "list", "--reason", "not_tls")
                      if e["cgroup"] == cgroup.stat().st_ino], what="an event of that cgroup")
