# SPDX-License-Identifier: Apache-2.0
"""Denials as unmodified clients show them: once, at once, with egret's own words, no storm of retries."""
import pytest

OPENAI, ANTHROPIC = ("openai", "openai-on-node-fetch"), ("@anthropic-ai/sdk", "anthropic-with-x-api-key")
OWN_OPENAI, OWN_ANTHROPIC = "sk-proj-my-own-key-0123456789abcdef", "sk-ant-api03-my-own-key-0123456789abcdef"


def decisions(egret, count=1):
    """Decisions recorded in this test, once there are as many as expected."""
    return [r["decision"] for r in egret.fresh(count)]


@pytest.mark.parametrize("package", OPENAI)
@pytest.mark.parametrize("mode", ["chat", "stream"])
def test_openai_sdk_shows_the_reason_and_asks_once(egret, drive, sim, package, mode):
    error = drive("openai.mjs", package, mode, "o1")["error"]
    assert (error["status"], error["class"]) == (403, "PermissionDeniedError")
    assert "egret" in error["message"] and "o1" in error["message"]
    assert decisions(egret) == ["no_rule"] and sim.requests() == []


@pytest.mark.parametrize("package", ANTHROPIC)
@pytest.mark.parametrize("mode", ["messages", "stream"])
def test_anthropic_sdk_shows_the_reason_and_asks_once(egret, drive, sim, package, mode):
    error = drive("anthropic.mjs", package, mode, "claude-opus-4-8")["error"]
    assert (error["status"], error["class"]) == (403, "PermissionDeniedError")
    assert "egret" in error["message"] and "claude-opus-4-8" in error["message"]
    assert decisions(egret) == ["no_rule"] and sim.requests() == []


@pytest.mark.parametrize("package", OPENAI)
def test_openai_sdk_with_a_key_of_its_own(egret, drive, sim, package):
    error = drive("openai.mjs", package, "chat", env={"OPENAI_API_KEY": OWN_OPENAI}, keep=True)["error"]
    assert error["status"] == 403 and OWN_OPENAI not in str(error)
    assert decisions(egret) == ["direct_key"] and sim.requests() == []


@pytest.mark.parametrize("package", ANTHROPIC)
def test_anthropic_sdk_with_a_key_of_its_own(egret, drive, sim, package):
    error = drive("anthropic.mjs", package, "messages", env={"ANTHROPIC_API_KEY": OWN_ANTHROPIC}, keep=True)["error"]
    assert error["status"] == 403 and OWN_ANTHROPIC not in str(error)
    assert decisions(egret) == ["direct_key"] and sim.requests() == []


@pytest.mark.parametrize("library", ["httpx", "requests", "aiohttp", "urllib"])
def test_python_gets_403_in_the_providers_shape(egret, drive, sim, library):
    seen = drive("http_call.py", library, "plain", "o1")
    assert seen["status"] == 403 and set(seen["error"]) >= {"message", "type", "code"}
    seen = drive("http_call.py", library, "stream", "gpt-4o", OWN_OPENAI)
    assert seen["status"] == 403
    assert decisions(egret, 2) == ["no_rule", "direct_key"] and sim.requests() == []


@pytest.mark.parametrize("package", OPENAI)
def test_trouble_of_the_provider_is_the_sdks_to_try_again(egret, drive, sim, package):
    """As without egret: it tries again as often as it always does, and egret adds nothing to that."""
    sim.fail(times=2, reset="before")
    assert "Hello" in drive("openai.mjs", package, "chat")["text"]
    assert len(sim.requests()) == 3


def test_without_trust_a_client_fails_and_the_event_names_it(egret, sim):
    done = egret.world.run_in(egret.world.load, ["node", "-e", "fetch('https://api.openai.com/v1/models').catch(e => "
                                                 "{ console.log(e.cause.code); process.exit(3) })"])
    assert done.returncode == 3 and "VERIFY" in done.stdout
    event = egret.event("tls_untrusted")
    assert event["workload"] == "agent" and "NODE_EXTRA_CA_CERTS" in str(event)
