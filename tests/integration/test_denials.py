# SPDX-License-Identifier: Apache-2.0
"""Each denial: its status, the provider's own shape, one record, and nothing at the provider."""
import json

import pytest

from lib.policies import agent_policy
from lib.system import wait_for
from lib.workload import Refused, Workload, request
from lib.world import KEYS

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
JSON = ("Content-Type", "application/json")
OWN_KEY = "sk-proj-a-key-of-the-workloads-own-0123456789"
DEEP = b'{"model":"gpt-4o-mini","a":' + b"[" * 10000 + b"]" * 10000 + b"}"


def raw(body, *headers):
    return request("POST", "/v1/chat/completions", body, [JSON, *headers])


DENIED = {
    "no_rule": (403, request("POST", "/v1/chat/completions", {**CHAT, "model": "o1"})),
    "model_missing": (403, request("POST", "/v1/chat/completions", {"messages": []})),
    "direct_key": (403, request("POST", "/v1/chat/completions", CHAT, [("Authorization", "Bearer " + OWN_KEY)])),
    "unknown_operation": (403, request("POST", "/v1/organization/admin_api_keys", {})),
    "host_mismatch": (403, request("POST", "/v1/chat/completions", CHAT, host="api.anthropic.com")),
    "bad_request": (400, b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nHost: api.openai.com\r\n\r\n"),
    "headers_too_large": (431, request("GET", "/v1/models", None, [("X-Long", "a" * 200000)])),
    "upgrade_refused": (426, request("GET", "/v1/responses", None, [
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "EL8AwkTHi+qmyxpTMnEh/A==")])),
    "body_encoding": (415, raw(b"\x1f\x8b", ("Content-Encoding", "gzip"))),
    "body_type": (415, request("POST", "/v1/chat/completions", b"model=gpt", [
        ("Content-Type", "application/x-www-form-urlencoded")])),
    "body_malformed": (400, raw(b'{"model": "gpt-4o-mini", }')),
    "body_too_deep": (400, raw(DEEP)),
    "body_duplicate_key": (400, raw(b'{"model": "gpt-4o-mini", "model": "gpt-4o"}')),
    "body_escaped_key": (400, raw(b'{"\\u006dodel": "gpt-4o-mini"}')),
    "body_bad_value": (400, raw(b'{"model": ["gpt-4o-mini"]}')),
}


@pytest.mark.parametrize("reason", DENIED)
def test_denied_with_reason_record_and_nothing_sent(egret, agent, sim, reason):
    status, data = DENIED[reason]
    conn = agent.open()
    conn.send(data)
    response = conn.response()
    assert response.status == status, response
    assert response.get("x-should-retry") == "false"
    error = response.json()["error"]
    assert set(error) >= {"message", "type", "code"} and error["message"]
    record = egret.record("--decision", reason)
    assert record["request_id"] == response.get("x-request-id")
    assert (record["status"], record["workload"]) == (status, "agent")
    assert sim.requests() == []


@pytest.mark.parametrize("data, why", [
    (b'{"model": "gpt-4o-mini", "x": "\xff"}', "invalid UTF-8"),
    (b'{"model": "gpt-4o-mini", "x": "\xed\xa0\x80"}', "a surrogate in UTF-8"),
    (b'\xef\xbb\xbf{"model": "gpt-4o-mini"}', "a byte order mark"),
    (b'{"model": "gpt-4o-mini"} {}', "two documents"), (b"", "nothing"), (b"[]", "an array"), (b'"gpt-4o"', "a string"),
    (b'{"model": "gpt-4o-mini"', "cut"), (b"{'model': 'gpt-4o-mini'}", "not JSON"), (b'{"model": NaN}', "NaN")])
def test_a_body_that_is_not_json_is_refused(agent, sim, data, why):
    conn = agent.open()
    conn.send(raw(data))
    assert conn.response().status in (400, 403), why
    assert sim.requests() == []


@pytest.mark.parametrize("data", [
    b'{"model": "gpt-4o-mini", "model": "gpt-4o-mini"}', b'{"model": "o1", "mod\\u0065l": "gpt-4o-mini"}',
    b'{"model": 5}', b'{"model": null}', b'{"model": {"model": "gpt-4o-mini"}}', b'{"model": "gpt-4o-mini\\u0000"}',
    b'{"MODEL": "gpt-4o-mini"}', b'{"a": {"model": "gpt-4o-mini"}}'])
def test_no_spelling_of_the_model_gets_past_policy(agent, sim, data):
    conn = agent.open()
    conn.send(raw(data))
    assert conn.response().status in (400, 403)
    assert sim.requests() == []


def test_a_denial_of_anthropic_has_anthropics_shape(agent, sim):
    body = {"model": "o1", "max_tokens": 5, "messages": []}
    response = agent.call("POST", "/v1/messages", body, [("anthropic-version", "2023-06-01")], host="api.anthropic.com")
    answer = response.json()
    assert (response.status, answer["type"], set(answer["error"])) == (403, "error", {"type", "message"})
    assert answer["request_id"] == response.get("request-id")


def test_a_denial_says_what_to_do(agent):
    response = agent.call("POST", "/v1/organization/admin_api_keys", {})
    assert "/v1/organization/admin_api_keys" in response.json()["error"]["message"]
    response = agent.call("POST", "/v1/chat/completions", {**CHAT, "model": "o1"})
    assert "egret" in response.json()["error"]["message"]


def test_a_process_outside_policy_is_unknown(egret, sim):
    stranger = Workload(egret.world, egret.ca, egret.world.group("stranger"))
    response = stranger.call("POST", "/v1/chat/completions", CHAT)
    assert response.status == 403
    record = egret.record("--decision", "unknown_workload")
    assert (record["workload"], record["pid"]) == ("unknown", stranger.pid)
    assert sim.requests() == []


def test_a_deny_rule_wins_and_speaks_its_own_words(make_daemon, world):
    deny = {"id": "not-on-fridays", "when": {"workload": "agent", "operation": ["chat"]}, "deny": "chat is closed today"}
    daemon = make_daemon(agent_policy(world, deny)).start()
    response = Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT)
    assert response.status == 403 and "chat is closed today" in response.json()["error"]["message"]
    assert daemon.record("--rule", "not-on-fridays")["decision"] == "denied_by_rule"


def test_a_workload_whose_program_changed_is_refused(make_daemon, world):
    """exe names the program with its hash; another one in the same cgroup is not the workload."""
    has = {"exe": [{"path": "/usr/bin/curl", "sha256": "0" * 64}]}
    daemon = make_daemon(agent_policy(world, agent_has=has)).start()
    assert Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT).status == 403
    assert daemon.record()["decision"] == "exe_mismatch"
    assert world.sim.requests() == []


def test_no_credential_for_the_provider(make_daemon, world):
    daemon = make_daemon(credentials={"anthropic": KEYS["anthropic"]}).start()
    response = Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT)
    assert (response.status, daemon.record()["decision"]) == (403, "no_credential")
    assert world.sim.requests() == []


def test_a_body_over_the_limit(make_daemon, world):
    daemon = make_daemon(settings={"limits.body_bytes": 65536}).start()
    workload = Workload(world, daemon.ca)
    declared, chunked = workload.open(), workload.open()
    declared.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 65537\r\n\r\n")
    assert declared.response().status == 413
    chunked.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n" + b"8000\r\n" + b" " * 0x8000 + b"\r\n")
    chunked.send(b"8001\r\n" + b" " * 0x8001 + b"\r\n")
    assert chunked.response().status == 413
    assert {r["decision"] for r in daemon.fresh(2)} == {"body_too_large"}
    assert world.sim.requests() == []


def test_a_head_that_does_not_come(make_daemon, world):
    daemon = make_daemon(settings={"limits.head_ms": 1000}).start()
    conn = Workload(world, daemon.ca).open()
    conn.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n")
    assert conn.response().status == 408
    assert daemon.record()["decision"] == "header_timeout"


def test_a_body_that_stops(make_daemon, world):
    daemon = make_daemon(settings={"limits.body_ms": 1000}).start()
    conn = Workload(world, daemon.ca).open()
    conn.send(raw(json.dumps(CHAT).encode())[:-5])
    assert conn.response().status == 408
    assert daemon.record()["decision"] == "body_timeout"
    assert world.sim.requests() == []


def test_connections_over_the_limit_are_turned_away_and_idle_ones_make_room(make_daemon, world):
    daemon = make_daemon(settings={"limits.connections": 16}).start()
    workload = Workload(world, daemon.ca)
    for _ in range(20):
        assert workload.open().ask("GET", "/v1/models").status == 200  # each is idle after it
    world.sim.fail(times=16, hold_after=1)
    busy = []
    with pytest.raises((Refused, AssertionError)):  # turned away, before or after the handshake
        while len(busy) <= 16:
            busy.append(workload.open(timeout=5))
            busy[-1].send(request("POST", "/v1/chat/completions", {**CHAT, "stream": True}))
            busy[-1].head()
    served = busy[:-1] if busy[-1].end else busy
    assert 8 <= len(served) <= 16
    stranger = Workload(world, daemon.ca, world.group("stranger"))  # one workload cannot take it all
    assert stranger.call("GET", "/v1/models").status == 403
    world.sim.reset()  # and what was held goes on
    for conn in served:
        conn.until(b"data: [DONE]")
    assert workload.call("GET", "/v1/models").status == 200


@pytest.mark.parametrize("mode", ["replace", "audit"])
def test_direct_keys_can_be_replaced_quietly_or_reported(make_daemon, world, mode):
    keyed = [("Authorization", "Bearer " + OWN_KEY)]
    daemon = make_daemon(agent_policy(world, agent_has={"direct_keys": mode})).start()
    workload = Workload(world, daemon.ca)
    assert workload.call("POST", "/v1/chat/completions", CHAT, keyed).status == 200
    assert world.sim.only()["key"] == "right"
    record = daemon.record()
    assert record["direct_key"] and record["replaced_key"] and len(record["key_fingerprint"]) == 16
    assert workload.call("POST", "/v1/chat/completions", CHAT).status == 200
    fingerprint = record["key_fingerprint"]
    for pattern, found in (("*", 1), (fingerprint, 1), (fingerprint[:8] + "*", 1), ("0" * 16, 0)):
        assert len(daemon.egret("audit", "list", "--key", pattern)) == found
    if mode == "replace":
        assert daemon.egret("event", "list", "--reason", "direct_key") == []
        return
    event, = wait_for(lambda: daemon.egret("event", "list", "--reason", "direct_key"), what="event")
    assert (event["workload"], event["pid"], event["host"]) == ("agent", workload.pid, "api.openai.com")
    assert "authorization" in event["text"] and f"--key {fingerprint}" in event["text"]
    assert OWN_KEY not in json.dumps(event)


def test_shadow_rules_decide_nothing_and_are_recorded(make_daemon, world):
    shadow = {"id": "soon", "shadow": True, "when": {"workload": "agent"}, "deny": "soon"}
    daemon = make_daemon(agent_policy(world, shadow)).start()
    assert Workload(world, daemon.ca).call("POST", "/v1/chat/completions", CHAT).status == 200
    assert daemon.record()["shadow_rule"] == "soon"




@pytest.mark.parametrize("host, served", [("api.openai.com:443", True), ("API.openai.com", True), ("api.openai.com:8443", False),
                                          ("api.openai.com:44", False), ("api.openai.com:4430", False),
                                          ("api.openai.com:0443", False), ("api.openai.com.", False), ("xapi.openai.com", False)])
def test_the_host_is_the_name_and_port_of_the_connection(agent, host, served):
    response = agent.open().ask("POST", "/v1/chat/completions", CHAT, host=host)
    assert response.status == (200 if served else 403), response
    if not served:
        assert response.json()["error"]["code"] == "host_mismatch"
