# SPDX-License-Identifier: Apache-2.0
"""The first moments of a first start, when no address of a governed name is known yet."""
import os
import signal
import threading

import pytest

from lib.arena import BOTH, FORMS, Arena
from lib.daemon import CommandFailed
from lib.system import wait_for


@pytest.fixture
def quiet():
    """No daemon yet."""
    with Arena(start_daemon=False) as a:
        yield a


def phase(daemon):
    try:
        return daemon.egret("status")["phase"]
    except CommandFailed:  # not there yet
        return ""


def test_ready_is_not_said_before_names_are_resolved(quiet, found):
    """What is ordered after egretd finds its addresses governed, also those that it never asked DNS for."""
    os.kill(quiet.sim.proc.pid, signal.SIGSTOP)
    starter = threading.Thread(target=quiet.daemon.start)
    try:
        starter.start()
        wait_for(lambda: phase(quiet.daemon) == "resolving", what="the question")
        assert starter.is_alive()
    finally:
        os.kill(quiet.sim.proc.pid, signal.SIGCONT)
        starter.join()
    assert phase(quiet.daemon) == "serving"
    for form in BOTH:
        got = quiet.run_attack("tcp", FORMS[form].target, form)
        arrived = quiet.oracle.read()["target"]
        found("+", "tcp as soon as egretd says it is ready", form, got, "redirected to egret", arrived, twin="no")
        assert (got, arrived) == ("ok", 0)


def test_names_that_cannot_be_resolved_do_not_keep_everything_down(quiet):
    """Ten seconds, then it is ready all the same, and says what is not governed."""
    os.kill(quiet.sim.proc.pid, signal.SIGSTOP)
    try:
        quiet.daemon.start()
        assert phase(quiet.daemon) == "resolving"
        assert "not every governed name could be tried" in quiet.daemon.log()
    finally:
        os.kill(quiet.sim.proc.pid, signal.SIGCONT)
