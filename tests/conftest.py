# SPDX-License-Identifier: Apache-2.0
"""Fixtures of every test that runs processes. See tests/lib."""
import os
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from lib.daemon import Daemon  # noqa: E402
from lib.next import make_next  # noqa: E402
from lib.policies import agent_policy  # noqa: E402
from lib.table import pytest_terminal_summary  # noqa: E402, F401
from lib.workload import Workload  # noqa: E402
from lib.world import World  # noqa: E402

LOG_SHOWN = 8000
LONGEST_NAME = 10000  # of 128 KiB


def pytest_configure(config):
    config.addinivalue_line("markers", "heavy: big clients or long runs; not part of `make test` (run: -m heavy)")


def pytest_collection_modifyitems(config, items):
    """A required feature that is missing fails: EGRET_REQUIRE=root makes the skip below an error."""
    for item in items:
        # pytest puts a test's name into the environment of all that it starts; the kernel has a limit (E2BIG)
        assert len(item.nodeid) < LONGEST_NAME, f"{item.nodeid[:100]}…: give its parameters names (ids=)"
    if os.geteuid() == 0:
        return
    assert "root" not in os.environ.get("EGRET_REQUIRE", ""), "these tests need root"
    for item in items:
        item.add_marker(pytest.mark.skip(reason="namespaces, cgroups and BPF need root"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for name, thing in getattr(item, "funcargs", {}).items():
            if isinstance(thing, Daemon):
                report.sections.append((f"egretd of {name}", thing.log()[-LOG_SHOWN:]))


@pytest.fixture
def world():
    """A world of the test's own, without a daemon."""
    with World() as w:
        yield w


@pytest.fixture
def make_daemon(world):
    """Daemon(world, …), not started; ended with the test, and nothing may be left of it."""
    made = []

    def make(policy=None, **how):
        made.append(Daemon(world, agent_policy(world) if policy is None else policy, **how))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def next_egretd(world):
    """A binary of another version."""
    return make_next(world.tmp / "egretd-next")


@pytest.fixture(scope="module")
def shared():
    """One daemon for the tests of a module that change nothing of it. Its world is .world."""
    with World() as world:
        daemon = Daemon(world, agent_policy(world)).start()
        yield daemon
        assert daemon.stop() == 0
        daemon.nothing_left()


@pytest.fixture
def egret(shared):
    """The shared daemon, before a simulator that has seen nothing yet."""
    shared.world.sim.reset()
    shared.mark_now()
    return shared


@pytest.fixture
def sim(egret):
    return egret.world.sim


@pytest.fixture
def agent(egret):
    """A process that is the workload `agent`, in a cgroup of its own, and trusts egret."""
    workload = Workload(egret.world, egret.ca, egret.world.group(f"load/{uuid.uuid4().hex[:8]}"))
    yield workload
    workload.close()
