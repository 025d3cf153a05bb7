# SPDX-License-Identifier: Apache-2.0
"""Whole agents, unmodified: Claude Code, Codex and opencode. Heavy (1.2 GB of programs): `make agents`."""
import pytest

from lib.daemon import Daemon
from lib.policies import RUN, agent_policy
from lib.system import ROOT
from lib.world import World

BIN = ROOT / "build/agents/node_modules/.bin"
CLAUDE = BIN / "claude"
CODEX = BIN / "codex"
OPENCODE = BIN / "opencode"

pytestmark = [pytest.mark.heavy,
              pytest.mark.skipif(not CLAUDE.exists(), reason="build/agents is missing: `make agents` fetches it")]


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
    asked = egret.fresh(1, "--operation", "messages")
    assert len(asked) == 1 and sim.requests() == []


def test_codex_says_hi(egret, sim):
    done = run(egret, [CODEX, "exec", "--skip-git-repo-check", "say hi"])
    assert "Hello from the simulated provider" in done.stdout, done
    assert all(r["key"] == "right" for r in sim.requests(provider="openai"))
    assert egret.records("--decision", "upgrade_refused")  # it tries WebSocket first


def test_opencode_says_hi(egret, sim):
    done = run(egret, [OPENCODE, "run", "-m", "anthropic/claude-sonnet-4-5", "say hi"])
    assert "Hello from the simulated provider" in done.stdout, done
    asked = [r for r in sim.requests() if r["target"].startswith("/v1/messages")]
    assert asked and all(r["key"] == "right" for r in sim.requests())


def test_opencode_shows_a_denial(egret, sim):
    done = run(egret, [OPENCODE, "run", "-m", "anthropic/claude-sonnet-4-5", "say hi"], "locked")
    assert "egret: no policy rule allows this request" in done.stdout + done.stderr, done
    assert sim.requests() == []
