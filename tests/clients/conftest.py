# SPDX-License-Identifier: Apache-2.0
"""Unmodified clients: the workload `sdk`, run by `egret run` as a person would."""
import json
import os

import pytest

from lib.daemon import Daemon
from lib.policies import RUN, agent_policy
from lib.system import ROOT
from lib.world import World

DRIVERS = ROOT / "tests/clients/drivers"
SDKS = ROOT / "build/npm"


@pytest.fixture(scope="module")
def shared():
    with World() as world:
        policy = agent_policy(world, workloads={"sdk": RUN})
        policy["rules"] += [
            {"id": "sdk-models", "when": {"workload": "sdk", "model": ["gpt-4o*", "text-embedding-3-*", "claude-*-haiku-*"]},
             "allow": {}},
            {"id": "sdk-lists", "when": {"workload": "sdk", "operation": ["models"]}, "allow": {}}]
        daemon = Daemon(world, policy).start()
        yield daemon
        assert daemon.stop() == 0
        daemon.nothing_left()


@pytest.fixture
def drive(egret):
    """drive(DRIVER, args…): what the client saw, as its driver prints it."""
    if not (SDKS / "node_modules").exists():
        assert "npm" not in os.environ.get("EGRET_REQUIRE", ""), "build/npm is missing: make build/npm/.stamp"
        pytest.skip("build/npm is missing: make build/npm/.stamp")

    def run(driver, *args, env=None, keep=False):
        program = "node" if driver.endswith(".mjs") else "python3"
        done = egret.run_egret("run", "--workload", "sdk", *(["--keep-env"] if keep else []), "--", program,
                               DRIVERS / driver, *args, env={"SDK_DIR": str(SDKS), **(env or {})})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
