# SPDX-License-Identifier: Apache-2.0
"""What a governed workload that is allowed gets: the provider's answer, and nobody's key."""
import json

import pytest

from lib import catalogue
from lib.simulator import header
from lib.world import KEYS

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES = {"model": "claude-3-5-haiku-latest", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
VERSION = ("anthropic-version", "2023-06-01")


def test_a_keyless_call_is_answered_with_egrets_key(agent, sim):
    response = agent.call("POST", "/v1/chat/completions", CHAT)
    assert response.status == 200
    assert response.json()["choices"][0]["message"]["content"].startswith("Hello")
    request = sim.only()
    assert (request["key"], request["key_places"]) == ("right", ["authorization"])


def test_anthropics_key_goes_where_anthropic_wants_it(agent, sim):
    assert agent.call("POST", "/v1/messages", MESSAGES, [VERSION], host="api.anthropic.com").status == 200
    assert sim.only()["key_places"] == ["x-api-key"]


@pytest.mark.parametrize("credential", [
    ("Authorization", "Bearer sk-egret-placeholder"), ("x-api-key", "sk-egret-placeholder"),
    ("authorization", "Bearer sk-ant-egret-placeholder"), ("api-key", "egret-placeholder"), ("Authorization", "")])
def test_a_placeholder_is_replaced_wherever_it_stands(agent, sim, credential):
    assert agent.call("POST", "/v1/chat/completions", CHAT, [credential]).status == 200
    assert (sim.only()["key"], sim.only()["key_places"]) == ("right", ["authorization"])


def test_the_body_arrives_byte_for_byte(agent, sim):
    body = b'{ "model" :"gpt-4o-mini",\n\t"messages": [], "x": "\\u00e9\xc3\xa9" }'
    agent.call("POST", "/v1/chat/completions", body, [("Content-Type", "application/json")])
    assert sim.only()["body"].encode() == body


def test_headers_arrive_in_order_and_case_but_for_what_egret_owns(agent, sim):
    mine = [("X-One", "1"), ("x-two", "2"), ("OpenAI-Beta", "a"), ("X-One", "3"), ("User-Agent", "Agent/1")]
    agent.call("POST", "/v1/chat/completions", CHAT, mine)
    got = [(n, v) for n, v in sim.only()["headers"] if n.lower() in ("x-one", "x-two", "openai-beta", "user-agent")]
    assert got == mine


def test_the_provider_is_asked_for_plain_bodies(agent, sim):
    agent.call("POST", "/v1/chat/completions", CHAT, [("Accept-Encoding", "gzip, br")])
    assert header(sim.only(), "accept-encoding") == ["identity"]


def test_nothing_tells_the_provider_of_the_host(agent, sim):
    agent.call("POST", "/v1/chat/completions", CHAT)
    names = {n.lower() for n, _ in sim.only()["headers"]}
    assert not names & {"via", "x-forwarded-for", "forwarded", "x-real-ip"}


def test_the_providers_own_errors_pass_untouched(agent, sim):
    sim.fail(status=429, headers={"retry-after": "7", "x-odd": "kept"})
    response = agent.call("POST", "/v1/chat/completions", CHAT)
    assert (response.status, response.get("retry-after"), response.get("x-odd")) == (429, "7", "kept")
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


def test_one_record_tells_of_an_allowed_request(egret, agent):
    response = agent.call("POST", "/v1/chat/completions", CHAT)
    record = egret.record()
    assert (record["decision"], record["end"], record["status"]) == ("allowed", "allowed", 200)
    assert (record["workload"], record["provider"], record["operation"]) == ("agent", "openai", "chat")
    assert (record["model"], record["method"], record["path"]) == ("gpt-4o-mini", "POST", "/v1/chat/completions")
    assert (record["rule"], record["pid"], record["uid"]) == ("agent-models", agent.pid, 0)
    assert record["bytes_in"] == len(json.dumps(CHAT)) and record["bytes_out"] == len(response.body)
    assert 0 < record["first_us"] <= record["total_us"]


@pytest.mark.parametrize("provider, host", [("openai", "api.openai.com"), ("anthropic", "api.anthropic.com")])
def test_every_request_of_the_catalogue_reaches_its_provider(make_daemon, world, provider, host):
    from lib.policies import agent
    from lib.workload import Workload
    everything = {"workloads": {"agent": agent(world)}, "rules": [{"id": "all", "when": {"workload": "agent"},
                                                                   "allow": {}}]}
    daemon = make_daemon(everything).start()
    workload = Workload(world, daemon.ca)
    for operation, method, path, kind in catalogue.requests(provider):
        world.sim.reset()
        body, headers = body_of(kind)
        response = workload.call(method, path, body, [VERSION, *headers], host=host)
        assert response.status in (200, 400, 404), (operation, method, path, response)
        request = world.sim.only()
        assert (request["method"], request["target"], request["key"]) == (method, path, "right")
    asked = [operation for operation, *_ in catalogue.requests(provider)]
    assert [r["operation"] for r in daemon.fresh(len(asked))] == asked


def body_of(kind):
    if kind == "json":
        return {"model": "gpt-4o-mini", "max_tokens": 5, "messages": []}, []
    if kind == "multipart":
        part = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'
        return part, [("Content-Type", "multipart/form-data; boundary=b")]
    if kind == "opaque":
        return b"anything at all", [("Content-Type", "application/octet-stream")]
    return None, []


def test_no_key_is_in_what_the_workload_gets(agent, sim):
    for path in ("/v1/models", "/v1/models/gpt-4o"):
        response = agent.call("GET", path)
        assert KEYS["openai"].encode() not in response.raw_head + response.body
