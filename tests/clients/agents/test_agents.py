# SPDX-License-Identifier: Apache-2.0
"""Whole agents, unmodified: Claude Code and Codex. Heavy: 640 MB of programs. To run:

  mkdir -p build/agents && cp tests/clients/agents/package.json build/agents && npm install --prefix build/agents
  pytest -m heavy tests/clients/agents
"""
import pytest

from lib.daemon import Daemon
from lib.policies import RUN, agent_policy
from lib.system import ROOT
from lib.world import World

MODULES = ROOT / "build/agents/node_modules"
CLAUDE = MODULES / "@anthropic-ai/claude-code-linux-x64/claude"
CODEX = MODULES / "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex"

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(not CLAUDE.exists(), reason="build/agents is missing: see above")]


@pytest.fixture(scope="module")
def shared():
    with World() as world:
        policy = agent_policy(world, workloads={"coder": RUN, "locked": RUN})
        policy["rules"].append({"id": "coder", "when": {"workload": "coder"}, "allow": {}})
        daemon = Daemon(world, policy).start()
        yield daemon
        daemon.stop()


def run(egret, argv, workload="coder"):
    home = egret.world.tmp / "home"
    home.mkdir(exist_ok=True)
    return egret.as_workload(workload, argv, env={"HOME": str(home)}, timeout=120)


def test_claude_code_says_hi(egret, sim):
    done = run(egret, [CLAUDE, "-p", "say hi"])
    assert done.returncode == 0 and "Hello from the simulated provider" in done.stdout, done
    asked = [r for r in sim.requests() if r["target"].startswith("/v1/messages")]
    assert asked and all(r["key"] == "right" for r in sim.requests())


def test_claude_code_shows_a_denial_and_asks_once(egret, sim):
    done = run(egret, [CLAUDE, "-p", "say hi"], "locked")
    assert done.returncode != 0 and "egret: no policy rule allows this request" in done.stdout + done.stderr, done
    asked = [r for r in egret.fresh() if r["operation"] == "messages"]
    assert len(asked) == 1 and sim.requests() == []


def test_codex_says_hi(egret, sim):
    done = run(egret, [CODEX, "exec", "--skip-git-repo-check", "say hi"])
    assert "Hello from the simulated provider" in done.stdout, done
    assert all(r["key"] == "right" for r in sim.requests(provider="openai"))
    assert egret.records("--decision", "upgrade_refused")  # it tries WebSocket first
