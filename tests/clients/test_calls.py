# SPDX-License-Identifier: Apache-2.0
"""Plain and streaming calls of unmodified clients: no base URL, no proxy, no key, an answer."""
import json

import pytest

OPENAI, ANTHROPIC = ("openai", "openai-on-node-fetch"), ("@anthropic-ai/sdk", "anthropic-with-x-api-key")
HELLO = "Hello from the simulated provider: the key was right and the model is listening."


@pytest.mark.parametrize("package", OPENAI)
@pytest.mark.parametrize("mode", ["chat", "stream", "responses", "responses-stream"])
def test_openai_sdk(drive, sim, package, mode):
    seen = drive("openai.mjs", package, mode)
    assert seen.get("text") == HELLO, seen
    assert sim.only()["key"] == "right"
    if "stream" in mode:
        assert seen["events"] > 15


@pytest.mark.parametrize("package", OPENAI)
def test_openai_sdk_embeddings_and_models(drive, sim, package):
    assert drive("openai.mjs", package, "embeddings", "text-embedding-3-small")["text"] == "4 numbers"
    assert "gpt-4o" in drive("openai.mjs", package, "models")["text"]


@pytest.mark.parametrize("package", ANTHROPIC)
@pytest.mark.parametrize("mode", ["messages", "stream"])
def test_anthropic_sdk(drive, sim, package, mode):
    seen = drive("anthropic.mjs", package, mode)
    assert seen.get("text") == HELLO, seen
    assert (sim.only()["key"], sim.only()["key_places"]) == ("right", ["x-api-key"])


@pytest.mark.parametrize("package", ANTHROPIC)
def test_anthropic_sdk_counts_and_lists(drive, sim, package):
    assert drive("anthropic.mjs", package, "count")["text"].endswith("tokens")
    assert "haiku" in drive("anthropic.mjs", package, "models")["text"]


@pytest.mark.parametrize("library", ["httpx", "requests", "aiohttp", "urllib"])
@pytest.mark.parametrize("mode", ["plain", "stream"])
def test_python(drive, sim, library, mode):
    seen = drive("http_call.py", library, mode)
    assert seen.get("text") == HELLO, seen
    assert sim.only()["key"] == "right"


@pytest.mark.parametrize("how", [["--http1.1"], [], ["-N"], ["--tlsv1.2", "--tls-max", "1.2"]])
def test_curl(egret, sim, how):
    body = json.dumps({"model": "gpt-4o-mini", "messages": [], "stream": "-N" in how})
    done = egret.as_workload("sdk", ["curl", "-sS", *how, "-H", "content-type: application/json", "-d", body,
                                     "https://api.openai.com/v1/chat/completions"])
    assert done.returncode == 0 and "chat.completion" in done.stdout, done
    assert sim.only()["key"] == "right"


def test_curl_with_a_body_it_asks_about_first(egret, sim):
    body = json.dumps({"model": "gpt-4o-mini", "messages": [], "x": "y" * (2 << 20)})
    done = egret.as_workload("sdk", ["curl", "-sS", "--http1.1", "-H", "content-type: application/json", "-H",
                                     "Expect: 100-continue", "-d", "@-", "https://api.openai.com/v1/chat/completions"],
                             stdin=body)
    assert "chat.completion" in done.stdout, done
    assert sim.only()["body_length"] == len(body)
