# SPDX-License-Identifier: Apache-2.0
"""What the service manager keeps while no egretd runs, and what it passes to the next. The test is the manager."""
import os
import socket
import threading
from pathlib import Path

import pytest

from lib.daemon import CommandFailed
from lib.system import link, members, wait_for
from lib.workload import Refused, Workload

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
NAMES = ["egret-tcp4", "egret-tcp6"]
SLOW = 30


def close(things):
    for _, fd in things:
        os.close(fd)


@pytest.fixture
def daemon(make_daemon):
    made = make_daemon(settings={"workers": 2})
    made.keeps = True
    made.start()
    yield made
    close(made.stored)
    close(made.passed)


def again(daemon):
    """The next run, to which the manager passes what it keeps: which it goes on keeping, once each."""
    daemon.passed, daemon.stored = daemon.stored, []
    daemon.start()
    return daemon


def status(workload):
    return workload.call("POST", "/v1/chat/completions", CHAT).status


def test_a_connection_made_while_it_is_dead_is_served_by_the_next(world, daemon):
    assert sorted(name for name, _ in daemon.stored) == sorted(NAMES * 2)
    workload, answers = Workload(world, daemon.ca), []
    daemon.kill()
    before = world.counter.connections(world)
    asked = threading.Thread(target=lambda: answers.append(workload.open(timeout=SLOW)))
    asked.start()
    port = f":{15001:04X} "
    wait_for(lambda: queued(world, port) == 1, what="a connection that waits")
    assert world.counter.connections(world) == before
    again(daemon)
    asked.join()
    assert answers[0].ask("POST", "/v1/chat/completions", CHAT).status == 200
    assert sorted(name for name, _ in daemon.stored) == sorted(NAMES * 2)  # a manager knows them again
    assert inodes(daemon.stored) == inodes(daemon.passed)


def inodes(kept):
    return {os.fstat(fd).st_ino for _, fd in kept}


def open_sockets(pids):
    """Inodes of what these processes hold."""
    names = [link(fd) or "" for pid in pids for fd in Path(f"/proc/{pid}/fd").iterdir()]
    return {int(name[8:-1]) for name in names if name.startswith("socket:[")}


def queued(world, port):
    """Connections to a port that are established and nobody's yet, in the world's host."""
    rows = [line.split() for path in ("tcp", "tcp6") for line in open(f"/proc/{world.holder.pid}/net/{path}")]
    return sum(1 for r in rows[1:] if r[1].endswith(port.strip()) and r[3] == "01" and r[9] == "0")


def test_after_a_release_they_are_stamped_anew(world, daemon):
    """Their stamps went with the hooks. (A manager that listened would have been told to forget them.)"""
    assert daemon.stop(release=True) == 0
    again(daemon)
    assert status(Workload(world, daemon.ca)) == 200
    assert inodes(daemon.stored) == inodes(daemon.passed)


def test_fewer_workers_than_listeners(world, daemon):
    daemon.kill()
    daemon.passed, daemon.stored = daemon.stored, []
    daemon.settings["workers"] = 1
    daemon.start()
    assert {status(Workload(world, daemon.ca)) for _ in range(6)} == {200}


def test_one_that_is_not_right_takes_the_others_from_the_managers_hands(world, daemon):
    """Or its copy would go on taking connections that nobody accepts."""
    daemon.kill()
    with socket.create_server(("127.0.0.1", 0)) as wrong:
        daemon.stored.append(("egret-tcp4", os.dup(wrong.fileno())))
        again(daemon)
    assert len(daemon.stored) == 4 and daemon.log().count("is not what its name says") == 1
    assert inodes(daemon.stored) < inodes(daemon.passed)
    close(daemon.passed)
    daemon.passed = []
    assert {status(Workload(world, daemon.ca)) for _ in range(4)} == {200}


def test_the_control_socket_may_be_the_managers(world, daemon):
    assert daemon.stop(release=False) == 0
    path = daemon.run_dir / "control.sock"
    assert not path.exists()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(path))
        path.chmod(0o666)
        made.listen(5)
        daemon.passed = [("control", made.fileno())]
        daemon.start()
        assert daemon.egret("status")["phase"] == "serving"
        with pytest.raises(CommandFailed) as failed:
            daemon.egret("daemon", "stop", uid=65534)
        assert failed.value.error["reason"] == "not_allowed"
        assert daemon.stop(release=False) == 0
        assert path.exists()  # it is not ours to remove
        daemon.start()
        assert daemon.egret("status")["phase"] == "serving"
        daemon.passed = []


def hostile():
    """Descriptors that are not what their names say."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    elsewhere = socket.create_server(("127.0.0.1", 0))  # another port, and another network namespace
    control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    return [("egret-tcp4", udp), ("egret-tcp4", plain), ("egret-tcp4", elsewhere), ("egret-tcp6", elsewhere),
            ("control", control), ("unheard-of", plain), ("", plain)]


def test_what_is_not_what_its_name_says_is_closed(world, make_daemon):
    daemon = make_daemon()
    things = hostile()
    daemon.passed = [(name, thing.fileno()) for name, thing in things]
    daemon.start()
    assert status(Workload(world, daemon.ca)) == 200
    assert daemon.log().count("is not what its name says") == len(things)
    assert not inodes(daemon.passed) & open_sockets(members(world.daemon_cgroup))


def test_what_was_passed_to_another_process_is_not_ours(world, daemon):
    daemon.kill()
    close(daemon.stored)
    daemon.stored = []
    daemon.prefix = ["env", "LISTEN_PID=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=egret-tcp4:egret-tcp6"]
    daemon.start()
    assert "is not what its name says" not in daemon.log()
    assert status(Workload(world, daemon.ca)) == 200


def test_a_namespace_without_the_manager_refuses(world, make_daemon):
    """The twin of the first: nobody kept the listeners."""
    daemon = make_daemon().start()
    workload = Workload(world, daemon.ca)
    daemon.kill()
    with pytest.raises(Refused):
        workload.open(timeout=5)
